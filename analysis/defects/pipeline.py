"""The whole way from a micrograph to its defects, given something that runs the network."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from numbers import Real
from typing import Protocol

import numpy as np
import numpy.typing as npt

from analysis.data_bar import Field, field
from analysis.defects.hardening import BarrierModel, Hardening, pooled_hardening
from analysis.defects.instances import Detection, Instance, measured
from analysis.defects.postprocess import NetworkOutput, detections, without_repeats
from analysis.defects.preprocess import InputSpec, NetworkInput, prepare
from analysis.defects.seams import merge
from analysis.defects.statistics import ClassStatistics, class_statistics
from analysis.defects.table import DefectTable, from_instances
from analysis.micrograph import Micrograph
from analysis.tiling import Tile, spans
from emserve.exceptions import InternalError, InvalidParameter
from emserve.results import ModelInfo, Notice, Timings


class DefectsNetwork(Protocol):
    """A Mask R-CNN, however and wherever it runs."""

    @property
    def info(self) -> ModelInfo:
        """Which network it is and how it is run."""
        ...

    def run_named(self, inputs: Mapping[str, npt.NDArray[np.generic]]) -> Mapping[str, npt.NDArray[np.generic]]:
        """`image` (channels, height, width) float32 → `boxes`, `scores`, `classes`, `masks` as in `NetworkOutput`."""
        ...


@dataclass(frozen=True, eq=False)
class DefectsAnalysis:
    """What is known of a micrograph's defects.

    instances: the surest first. table: the same as columns. statistics: of each class of the model in its order, then
    of all (`class_name` None). hardening: None without a pixel size or a thickness; `notices` say so.
    scale_x, scale_y: the network saw the picture resampled by these factors. tiles: in how many parts it saw it.
    barriers: constants of the hardening. model: which network it was.
    """

    instances: tuple[Instance, ...]
    table: DefectTable
    statistics: tuple[ClassStatistics, ...]
    hardening: Hardening | None
    notices: tuple[Notice, ...]
    timings_ms: Timings
    score: float
    thickness_nm: float | None
    scale_x: float
    scale_y: float
    tiles: int
    barriers: BarrierModel
    model: ModelInfo


def analyse(
    micrograph: Micrograph,
    network: DefectsNetwork,
    spec: InputSpec,
    *,
    score: float | None = None,
    thickness_nm: float | None = None,
    barriers: BarrierModel | None = None,
) -> DefectsAnalysis:
    """Find the defects of a micrograph and what they amount to.

    A data bar and blank margins are left out of what the network sees and of the area; places are in the whole picture.
    `timings_ms.read` is 0: whoever read the file knows it.

    Parameters
    ----------
    micrograph: as `analysis.micrograph.read` gives it.
    network: runs the model; `spec` is the `input` block of that model's manifest.
    score: defects below it are left out, 0 to 1; None for the model's default.
    thickness_nm: of the foil, for the hardening.
    barriers: constants of the hardening, where they are not those of FeCrAl.

    Raises
    ------
    InvalidParameter: a parameter out of its range.
    InternalError: the network answered with something that is no set of defects.
    """
    lowest = _checked("score", score, 1.0) if score is not None else spec.score
    thickness = _checked("thickness_nm", thickness_nm, math.inf) if thickness_nm is not None else None
    barriers = barriers or BarrierModel()
    begin = time.perf_counter()
    place = field(micrograph.pixels)
    prepared = prepare(replace(micrograph, pixels=place.of(micrograph.pixels)), spec)
    tiles = _tiles(prepared.pixels.shape, spec)
    prepared_at = time.perf_counter()
    outputs = [_run(network, prepared, tile, spec) for tile in tiles]
    ran_at = time.perf_counter()
    height, width = place.bottom - place.top, place.right - place.left
    found = _merged(outputs, tiles, prepared, spec, height, width, lowest)
    size = _pixel_size(micrograph)
    instances = measured(found, height, width, pixel_size_nm=size)
    if place.left or place.top:
        instances = [instance.moved(place.left, place.top) for instance in instances]
    table = from_instances(instances, height, width, pixel_size_nm=size)
    hardening, hardening_notices = pooled_hardening([table], [thickness], barriers)
    statistics = tuple(class_statistics([table], name) for name in (*spec.classes, None))
    end = time.perf_counter()
    return DefectsAnalysis(
        instances=tuple(instances),
        table=table,
        statistics=statistics,
        hardening=hardening,
        notices=(
            *micrograph.notices,
            *prepared.notices,
            *_notices(size, outputs, spec, lowest),
            *_left_out(place, micrograph.pixels.shape),
            *(hardening_notices if size is not None else ()),
        ),
        timings_ms=Timings(
            read=0.0,
            preprocess=1000 * (prepared_at - begin),
            network=1000 * (ran_at - prepared_at),
            postprocess=1000 * (end - ran_at),
        ),
        score=lowest,
        thickness_nm=thickness,
        scale_x=prepared.scale_x,
        scale_y=prepared.scale_y,
        tiles=len(tiles),
        barriers=barriers,
        model=network.info,
    )


def _checked(name: str, value: object, limit: float) -> float:
    number = float(value) if isinstance(value, Real) and not isinstance(value, bool) else math.nan
    if not 0 < number < limit:
        wanted = "a number above 0" + (f" and below {limit:g}" if math.isfinite(limit) else "")
        raise InvalidParameter(f"{value!r} is not a {name}.", remedy=f"Pass {wanted}, or leave it out.", field=name)
    return number


def _tiles(shape: tuple[int, ...], spec: InputSpec) -> list[Tile]:
    """Tiles over the network's picture, in its pixels."""
    halo = spec.overlap_px // 2
    rows, columns = (spans(length, tile=spec.tile_px, halo=halo, multiple_of=1) for length in shape)
    return [Tile(x.start, y.start, x.start + x.size, y.start + y.size) for y in rows for x in columns]


def _run(network: DefectsNetwork, prepared: NetworkInput, tile: Tile, spec: InputSpec) -> NetworkOutput:
    """What the network finds in a tile, in the pixels of the network's whole picture."""
    pixels = prepared.pixels[tile.top : tile.bottom, tile.left : tile.right]
    image = np.ascontiguousarray(np.broadcast_to(pixels, (spec.channels, *pixels.shape)), np.float32)
    answer = network.run_named({"image": image})
    try:
        boxes = np.asarray(answer["boxes"], np.float32)
        output = NetworkOutput(
            boxes=boxes + np.array((tile.left, tile.top, tile.left, tile.top), np.float32),
            classes=np.asarray(answer["classes"], np.int64),
            scores=np.asarray(answer["scores"], np.float32),
            masks=np.asarray(answer["masks"], np.float32),
        )
    except (KeyError, ValueError) as error:
        raise InternalError(f"The network's answer is no set of defects: {error}.") from error
    if not (np.isfinite(output.boxes).all() and np.isfinite(output.scores).all()):
        raise InternalError("The network's boxes are not finite.", remedy="Try the runtime 'onnx' at precision fp32.")
    return output


def _merged(
    outputs: list[NetworkOutput],
    tiles: list[Tile],
    prepared: NetworkInput,
    spec: InputSpec,
    height: int,
    width: int,
    score: float,
) -> list[Detection]:
    scale_x, scale_y = prepared.scale_x, prepared.scale_y
    try:
        found = [
            detections(output, spec.classes, height, width, score=score, scale_x=scale_x, scale_y=scale_y)
            for output in outputs
        ]
    except ValueError as error:
        raise InternalError(f"The network's answer does not fit the model's classes: {error}.") from error
    defects = found[0]
    if len(tiles) > 1:
        # in the micrograph's pixels; a pixel that a tile saw in part counts as cut by its edge
        places = [
            Tile(
                math.ceil(tile.left / scale_x),
                math.ceil(tile.top / scale_y),
                min(math.floor(tile.right / scale_x), width),
                min(math.floor(tile.bottom / scale_y), height),
            )
            for tile in tiles
        ]
        defects = merge(places, found, height, width)
    return defects if spec.repeats_iou is None else without_repeats(defects, iou=spec.repeats_iou)


def _pixel_size(micrograph: Micrograph) -> tuple[float, float] | None:
    if micrograph.pixel_size_x_nm is None or micrograph.pixel_size_y_nm is None:
        return None
    return micrograph.pixel_size_x_nm, micrograph.pixel_size_y_nm


def _left_out(place: Field, shape: tuple[int, ...]) -> list[Notice]:
    if place == Field(0, 0, shape[1], shape[0]):
        return []
    return [
        Notice(
            code="data_bar",
            message=f"Only columns {place.left} to {place.right - 1} and rows {place.top} to {place.bottom - 1} are a "
            "micrograph: the rest is a data bar or a blank margin, and counts neither for defects nor for the area.",
            remedy="Crop the picture yourself if that is wrong.",
        )
    ]


def _notices(
    size: tuple[float, float] | None, outputs: list[NetworkOutput], spec: InputSpec, score: float
) -> list[Notice]:
    notices = []
    if size is None:
        notices.append(
            Notice(
                code="pixel_size_unknown",
                message="The pixel size is not known: lengths are in pixels; sizes in nm, densities and the hardening "
                "are missing, and the picture was not brought to the scale that the model knows, so that more defects "
                "may be missed or called by the wrong name.",
                remedy="Pass pixel_size_nm.",
            )
        )
    if score < spec.lowest_score:
        notices.append(
            Notice(
                code="score_below_network",
                message=f"The network itself leaves out what it gives a score below {spec.lowest_score:g}: a score of "
                f"{score:g} finds no more than that one.",
                remedy=f"Pass a score of {spec.lowest_score:g} or more.",
            )
        )
    full = [o for o in outputs if len(o.scores) >= spec.most_detections and float(o.scores.min()) >= score]
    if full:
        notices.append(
            Notice(
                code="detections_limited",
                message=f"The network answered as many defects as it can, {spec.most_detections}"
                f"{' in a part of the picture' if len(outputs) > 1 else ''}: there may be more.",
                remedy="Send the picture in parts.",
            )
        )
    return notices
