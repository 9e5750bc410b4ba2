"""The whole way from a micrograph to its dislocation lines, given something that runs the network."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from numbers import Real

from analysis.dislocations.postprocess import Rules
from analysis.dislocations.preprocess import InputSpec, prepare
from analysis.dislocations.slip_traces import slip_traces
from analysis.dislocations.statistics import LineStatistics, LineTension, MeasuredLine, describe, measured
from analysis.dislocations.tiles import find_in_tiles
from analysis.dislocations.trace_ends import without_trace_ends
from analysis.micrograph import Micrograph
from analysis.network import Network
from emserve.exceptions import InvalidParameter
from emserve.results import ModelInfo, Notice, Timings


@dataclass(frozen=True, eq=False)
class DislocationsAnalysis:
    """What is known of a micrograph's dislocation lines.

    lines: those with the most evidence first. slip_traces: straight lines that were found but taken for traces.
    tension: constants of the line tension, None where none were given. field_height_px: rows above the data bar, to
    which densities refer. scale_x, scale_y: the network saw the picture resampled by these factors. tiles: in how many
    parts it saw it.
    """

    model: ModelInfo
    lines: tuple[MeasuredLine, ...]
    slip_traces: tuple[MeasuredLine, ...]
    statistics: LineStatistics
    tension: LineTension | None
    notices: tuple[Notice, ...]
    timings_ms: Timings
    threshold: float
    field_height_px: int
    scale_x: float
    scale_y: float
    tiles: int


def analyse(
    micrograph: Micrograph,
    network: Network,
    spec: InputSpec,
    *,
    threshold: float | None = None,
    tension: LineTension | None = None,
) -> DislocationsAnalysis:
    """Find and measure the dislocation lines of a micrograph.

    `timings_ms.read` is 0: whoever read the file knows it.

    Parameters
    ----------
    micrograph: as `analysis.micrograph.read` gives it.
    network: runs the model, (n, 1, h, w) → (n, N, h, w) probabilities; `spec` is the `input` block of its manifest.
    threshold: of the maps, above 0 and below 1; None for the model's default.
    tension: constants for the stress that bows each line out.

    Raises
    ------
    InvalidParameter: a parameter out of its range.
    InternalError: the network's answer is no set of maps.
    """
    level = spec.threshold if threshold is None else checked("threshold", threshold, 1.0)
    if tension is not None:
        checked("shear_modulus_gpa", tension.shear_modulus_gpa, math.inf)
        checked("burgers_vector_nm", tension.burgers_vector_nm, math.inf)
    begin = time.perf_counter()
    prepared = prepare(micrograph, spec)
    prepared_at = time.perf_counter()
    rules = replace(Rules(), threshold=level, shortest_px=spec.shortest_px)
    found = find_in_tiles(network.run, prepared.pixels, spec, rules)
    height, width = prepared.field_height_px, micrograph.pixels.shape[1]
    size = _pixel_size(micrograph)
    scale = (prepared.scale_x, prepared.scale_y)
    separated, stretches = without_trace_ends(found.lines)
    is_trace = [*slip_traces(separated, *prepared.pixels.shape), *(True for _ in stretches)]
    every = [measured(line, height, width, scale=scale, pixel_size_nm=size) for line in (*separated, *stretches)]
    lines = tuple(line for line, trace in zip(every, is_trace, strict=True) if not trace)
    statistics = describe(lines, height, width, pixel_size_nm=size)
    end = time.perf_counter()
    return DislocationsAnalysis(
        model=network.info,
        lines=lines,
        slip_traces=tuple(line for line, trace in zip(every, is_trace, strict=True) if trace),
        statistics=statistics,
        tension=tension,
        notices=(*micrograph.notices, *prepared.notices, *_notices(size, len(lines), found.full, level)),
        timings_ms=Timings(
            read=0.0,
            preprocess=1000 * (prepared_at - begin),
            network=1000 * found.network_seconds,
            postprocess=1000 * (end - prepared_at - found.network_seconds),
        ),
        threshold=level,
        field_height_px=height,
        scale_x=prepared.scale_x,
        scale_y=prepared.scale_y,
        tiles=found.tiles,
    )


def checked(name: str, value: object, limit: float) -> float:
    """A parameter as a number above 0 and below a limit; raises InvalidParameter that names it."""
    number = float(value) if isinstance(value, Real) and not isinstance(value, bool) else math.nan
    if not 0 < number < limit:
        wanted = "a number above 0" + (f" and below {limit:g}" if math.isfinite(limit) else "")
        raise InvalidParameter(f"{value!r} is not a {name}.", remedy=f"Pass {wanted}, or leave it out.", field=name)
    return number


def _pixel_size(micrograph: Micrograph) -> tuple[float, float] | None:
    if micrograph.pixel_size_x_nm is None or micrograph.pixel_size_y_nm is None:
        return None
    return micrograph.pixel_size_x_nm, micrograph.pixel_size_y_nm


def _notices(size: tuple[float, float] | None, count: int, full: int, threshold: float) -> list[Notice]:
    notices = []
    if size is None:
        notices.append(
            Notice(
                code="pixel_size_unknown",
                message="The pixel size is not known: lengths are in pixels; lengths, curvatures, densities and "
                "stresses in nm and MPa are missing.",
                remedy="Pass pixel_size_nm.",
            )
        )
    if not count:
        notices.append(
            Notice(
                code="no_lines",
                message="No dislocation line was found.",
                remedy="Check that the picture shows lines a few pixels wide, or pass a threshold below "
                f"{threshold:g}.",
            )
        )
    if full:
        notices.append(
            Notice(
                code="lines_limited",
                message=f"{full} part{'s' if full > 1 else ''} of the picture had as many lines as the model can "
                "answer at once: there may be more.",
                remedy="Record at a higher magnification, or send the picture in parts.",
            )
        )
    return notices
