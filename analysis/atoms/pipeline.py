"""The whole way from a micrograph to its atom columns, given something that runs the network."""

from __future__ import annotations

import time
from numbers import Real
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from analysis.atoms import refinement
from analysis.atoms.postprocess import DEFAULT_THRESHOLD, find_columns, only_bright
from analysis.atoms.preprocess import InputSpec, prepare
from analysis.atoms.refinement import Refined
from analysis.atoms.statistics import describe
from analysis.micrograph import Micrograph
from analysis.network import Network
from analysis.tiling import run_tiled
from emserve.exceptions import InternalError, InvalidParameter
from emserve.results import (
    AtomColumn,
    AtomsParameters,
    AtomsPostprocess,
    AtomsResult,
    AtomsStatistics,
    Notice,
    Timings,
)

NETWORK_ERROR_PX = 0.2  # of the network's positions in x and in y, network pixels: about 3 pm
_FEW_COLUMNS = 10
_MANY_UNREFINED = 0.2
_NEAREST_PM = (70.0, 1000.0)
_FITTED = ("intensity", "background", "sigma_major_px", "sigma_minor_px", "angle_deg", "fit_quality")

Floats = npt.NDArray[np.float64]


def analyse(
    micrograph: Micrograph,
    network: Network,
    spec: InputSpec,
    *,
    request_id: str,
    threshold: float | None = None,
    postprocess: AtomsPostprocess = "log",
    refine: bool = True,
) -> AtomsResult:
    """Find the atom columns of a micrograph.

    `timings_ms.read` is 0: whoever read the file knows it.

    Parameters
    ----------
    micrograph: as `analysis.micrograph.read` gives it.
    network: runs the model; `spec` is the `input` block of that model's manifest.
    request_id: goes into the answer as it is.
    threshold: columns where the network's map stays below this are left out, 0 to 1; None for the default.
    postprocess: 'log' (Laplacian of Gaussian) or 'otsu' (centres of regions above Otsu's threshold).
    refine: fit a Gaussian to each column on the micrograph's own pixels.

    Raises
    ------
    InvalidParameter: a parameter out of its range.
    InternalError: the network answered with something that is no map.
    """
    level = _checked_threshold(threshold)
    if postprocess not in get_args(AtomsPostprocess):
        known = " or ".join(f"'{name}'" for name in get_args(AtomsPostprocess))
        raise InvalidParameter(
            f"There is no postprocess '{postprocess}'.", remedy=f"Pass {known}.", field="postprocess"
        )
    begin = time.perf_counter()
    prepared = prepare(micrograph, spec)
    prepared_at = time.perf_counter()
    probability = run_tiled(
        network.run,
        prepared.pixels,
        tile=spec.tile_px,
        halo=spec.halo_px,
        multiple_of=spec.multiple_of,
        batch=spec.batch,
    )
    if not np.isfinite(probability.max(initial=0.0)):
        raise InternalError("The network's map is not finite.", remedy="Try the runtime 'onnx' at precision fp32.")
    ran_at = time.perf_counter()
    points = only_bright(find_columns(probability, method=postprocess, threshold=level), prepared.pixels)
    height, width = micrograph.pixels.shape
    xy, scores, fits = prepared.to_micrograph(points.xy), points.score, None
    if refine:
        error_px = NETWORK_ERROR_PX / min(prepared.scale_x, prepared.scale_y)
        fits = refinement.refine(micrograph.pixels, xy, position_error_px=error_px)
        xy = fits.xy
    # a column whose centre the picture does not reach is not in the picture, though its flank is
    inside = np.flatnonzero(((xy >= 0) & (xy <= (width - 1, height - 1))).all(axis=1))
    order = inside[_reading_order(xy[inside])]
    xy, scores, fits = xy[order], scores[order], fits.take(order) if fits is not None else None
    size = _pixel_size(micrograph)
    statistics = describe(xy, (height, width), size)
    columns = _columns(xy, scores, fits, size)
    end = time.perf_counter()
    return AtomsResult(
        request_id=request_id,
        model=network.info,
        micrograph=micrograph.info(),
        warnings=[*micrograph.notices, *prepared.notices, *_notices(statistics, size, level, fits, spec)],
        timings_ms=Timings(
            read=0.0,
            preprocess=1000 * (prepared_at - begin),
            network=1000 * (ran_at - prepared_at),
            postprocess=1000 * (end - ran_at),
        ),
        parameters=AtomsParameters(
            threshold=level,
            postprocess=postprocess,
            refine=refine,
            scale_x=prepared.scale_x,
            scale_y=prepared.scale_y,
        ),
        statistics=statistics,
        columns=columns,
    )


def _checked_threshold(threshold: float | None) -> float:
    if threshold is None:
        return DEFAULT_THRESHOLD
    if isinstance(threshold, bool) or not isinstance(threshold, Real) or not 0 < threshold < 1:
        raise InvalidParameter(
            f"{threshold!r} is not a threshold.",
            remedy=f"Pass a number above 0 and below 1, or leave it out for {DEFAULT_THRESHOLD:g}.",
            field="threshold",
        )
    return float(threshold)


def _pixel_size(micrograph: Micrograph) -> tuple[float, float] | None:
    if micrograph.pixel_size_x_nm is None or micrograph.pixel_size_y_nm is None:
        return None
    return micrograph.pixel_size_x_nm, micrograph.pixel_size_y_nm


def _reading_order(xy: Floats) -> npt.NDArray[np.intp]:
    """From the top, in strips of half the columns' distance; in each from the left."""
    if len(xy) < 2:
        return np.arange(len(xy))
    strip = max(1.0, float(np.median(cKDTree(xy).query(xy, k=2)[0][:, 1])) / 2)
    return np.lexsort((xy[:, 0], np.floor(xy[:, 1] / strip)))


def _columns(xy: Floats, scores: Floats, fits: Refined | None, size: tuple[float, float] | None) -> list[AtomColumn]:
    """The answer's rows, to the digits that mean something: 1e-4 px, 1e-6 nm, six digits of a grey value."""
    nothing: list[float | None] = [None] * len(xy)
    ok = fits.ok.tolist() if fits is not None else [False] * len(xy)

    def fitted(values: Floats) -> list[float | None]:
        return [value if good else None for value, good in zip(values.tolist(), ok, strict=True)]

    x_px, y_px = np.round(xy, 4).T.tolist()
    x_nm, y_nm = np.round(xy * size, 6).T.tolist() if size is not None else (nothing, nothing)
    values: dict[str, list[Any]] = {"x_px": x_px, "y_px": y_px, "x_nm": x_nm, "y_nm": y_nm}
    values |= {"score": np.round(scores, 4).tolist(), "refined": ok}
    values |= dict.fromkeys(_FITTED, nothing)
    if fits is not None:
        values |= {
            "intensity": fitted(_significant(fits.amplitude)),
            "background": fitted(_significant(fits.background)),
            "sigma_major_px": fitted(np.round(fits.sigma_major_px, 4)),
            "sigma_minor_px": fitted(np.round(fits.sigma_minor_px, 4)),
            "angle_deg": fitted(np.round(fits.angle_deg, 2)),
            "fit_quality": fitted(np.round(fits.quality, 4)),
        }
    names = tuple(values)
    return [AtomColumn(**dict(zip(names, row, strict=True))) for row in zip(*values.values(), strict=True)]


def _significant(values: Floats, digits: int = 6) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        unit = 10.0 ** (np.floor(np.log10(np.abs(values))) - digits + 1)
        return np.where(unit > 0, np.round(values / unit) * unit, values)


def _notices(
    statistics: AtomsStatistics,
    size: tuple[float, float] | None,
    threshold: float,
    fits: Refined | None,
    spec: InputSpec,
) -> list[Notice]:
    notices = []
    if size is None:
        notices.append(
            Notice(
                code="pixel_size_unknown",
                message="The pixel size is not known: lengths are in pixels, and what is in nm or pm is missing.",
                remedy="Pass pixel_size_nm.",
            )
        )
    if statistics.count < _FEW_COLUMNS:
        count = f"Only {statistics.count} atom columns were" if statistics.count > 1 else "Only 1 atom column was"
        notices.append(
            Notice(
                code="few_columns",
                message=f"{count if statistics.count else 'No atom columns were'} found.",
                remedy=f"Check that the picture shows atom columns and that the pixel size is right (the model is best "
                f"at {spec.best_pixel_size_nm:g} nm), or pass a threshold below {threshold:g}.",
            )
        )
    elif fits is not None and fits.ok.mean() < 1 - _MANY_UNREFINED:
        notices.append(
            Notice(
                code="fits_failed",
                message=f"The Gaussian fit failed for {int((~fits.ok).sum())} of {len(fits.ok)} columns; "
                "they have the network's position.",
                remedy="Do not use their intensity; a picture with less noise gives more.",
            )
        )
    near = statistics.nearest_neighbour_median_pm
    if near is not None and statistics.count >= _FEW_COLUMNS and not _NEAREST_PM[0] <= near <= _NEAREST_PM[1]:
        notices.append(
            Notice(
                code="pixel_size_doubtful",
                message=f"The distance to the next column is {near:.0f} pm, "
                + ("less than in any crystal." if near < _NEAREST_PM[0] else "more than in nearly all crystals."),
                remedy="Check the pixel size and pass the right one as pixel_size_nm.",
            )
        )
    return notices
