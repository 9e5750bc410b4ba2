"""Sizes and shapes of defects, in px and in nm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from analysis.defects.hulls import Hulls, hulls
from analysis.defects.outlines import Outline, heywoods, of_masks, perimeters
from analysis.masks import Mask
from analysis.runs import runs_of

FloatArray = npt.NDArray[np.float64]

_PIXEL_VARIANCE = 1 / 12  # of a unit square around its centre: no mask is thinner than a pixel


@dataclass(frozen=True)
class Shape:
    """What a mask measures.

    Lengths in px are taken in the picture's own pixels, those in nm with the pixel size in x and in y; the ratio and
    the angle are those in nm where the pixel size is known, which differs only where pixels are not square. Everything
    in nm is None where it is not.

    x_px, y_px: centre of mass. area_px: number of pixels. major, minor: full axes of the ellipse that has the second
    moments of the mask (as scikit-image's; unbiased for digital ellipses), at least those of one pixel. angle_deg: of
    the major axis, counter-clockwise from x as seen on the screen, 0 to 180 (ImageJ's). equivalent_diameter: of the
    circle of the mask's area. feret_max, feret_min: largest and smallest distance of two parallel lines that enclose
    the outline. perimeter: length of the sub-pixel outline. heywood: perimeter over the circumference of the circle of
    the outline's area, at least 1. The outline goes around the largest connected piece of the mask, holes and all.
    """

    x_px: float
    y_px: float
    area_px: int
    major_px: float
    minor_px: float
    angle_deg: float
    equivalent_diameter_px: float
    feret_max_px: float
    feret_min_px: float
    perimeter_px: float
    heywood: float
    area_nm2: float | None
    major_nm: float | None
    minor_nm: float | None
    equivalent_diameter_nm: float | None
    feret_max_nm: float | None
    feret_min_nm: float | None
    perimeter_nm: float | None


def measure(
    masks: Sequence[Mask],
    *,
    pixel_size_nm: tuple[float, float] | None = None,
    outlines: Sequence[Outline | None] | None = None,
) -> list[Shape]:
    """Sizes and shapes of masks, all measured at once.

    Parameters
    ----------
    masks: each with at least one pixel.
    pixel_size_nm: of a pixel in x and in y.
    outlines: of each mask, where there is a finer one than its own, such as that of the network's soft map.

    Raises
    ------
    ValueError: a mask is empty.
    """
    if not all(mask.area_px for mask in masks):
        raise ValueError("an empty mask has no shape")
    if not masks:
        return []
    lines = _with_own(masks, outlines or [None] * len(masks))
    area = np.array([mask.area_px for mask in masks], float)
    centre, covariance = _moments(masks, area)
    traced = hulls(np.concatenate([line.traced for line in lines]), np.array([len(line.traced) for line in lines]))
    scale_x, scale_y = pixel_size_nm or (1.0, 1.0)
    in_px = _lengths(area, covariance, traced, lines, 1.0, 1.0)
    if scale_x == scale_y:
        in_nm = {name: values * scale_x for name, values in in_px.items()} | {"angle": in_px["angle"]}
    else:
        in_nm = _lengths(area, covariance, traced, lines, scale_x, scale_y)
    columns: dict[str, list[Any]] = {
        "x_px": centre[:, 0].tolist(),
        "y_px": centre[:, 1].tolist(),
        "area_px": [mask.area_px for mask in masks],
        "angle_deg": in_nm["angle"].tolist(),
        "heywood": heywoods(lines, scale_x, scale_y).tolist(),
    }
    columns |= {f"{name}_px": values.tolist() for name, values in in_px.items() if name != "angle"}
    if pixel_size_nm is not None:
        columns |= {f"{name}_nm": values.tolist() for name, values in in_nm.items() if name != "angle"}
        columns["area_nm2"] = (area * scale_x * scale_y).tolist()
    unknown = [None] * len(masks)
    return [Shape(*row) for row in zip(*(columns.get(f.name, unknown) for f in fields(Shape)), strict=True)]


def _with_own(masks: Sequence[Mask], outlines: Sequence[Outline | None]) -> list[Outline]:
    """The outlines, those of the masks themselves in the place of missing ones."""
    own = iter(of_masks([mask for mask, outline in zip(masks, outlines, strict=True) if outline is None]))
    return [next(own) if outline is None else outline for outline in outlines]


def _lengths(
    area: FloatArray, covariance: FloatArray, traced: Hulls, lines: Sequence[Outline], scale_x: float, scale_y: float
) -> dict[str, FloatArray]:
    major, minor, angle = _ellipse(covariance * (scale_x**2, scale_y**2, scale_x * scale_y))
    largest, smallest = traced.ferets(scale_x, scale_y)
    return {
        "major": major,
        "minor": minor,
        "angle": angle,
        "equivalent_diameter": 2 * np.sqrt(area * scale_x * scale_y / np.pi),
        "feret_max": largest,
        "feret_min": smallest,
        "perimeter": perimeters(lines, scale_x, scale_y),
    }


def _moments(masks: Sequence[Mask], area: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Centres of mass (N, 2) and second central moments xx, yy, xy (N, 3) of the pixels' centres, the latter at least
    those of one pixel. From sums over vertical runs, relative to the middle of each crop."""
    runs, count = runs_of(masks), len(masks)
    middle = np.array([(m.x_px + m.right_px - 1, m.y_px + m.bottom_px - 1) for m in masks]) / 2
    x = runs.column - middle[runs.owner, 0]
    top = runs.top - middle[runs.owner, 1]
    length = (runs.bottom - runs.top).astype(float)
    y = top + (length - 1) / 2  # of a run's middle; its own spread is that of so many steps of 1
    rows = ((x * length), (y * length), (x * x * length), (y * y + (length**2 - 1) / 12) * length, (x * y * length))
    mean_x, mean_y, xx, yy, xy = (np.bincount(runs.owner, row, minlength=count) / area for row in rows)
    covariance = np.column_stack((xx - mean_x**2, yy - mean_y**2, xy - mean_x * mean_y))
    thin = np.flatnonzero(_principal(covariance)[1] < _PIXEL_VARIANCE)
    if thin.size:
        (xx, yy, xy) = covariance[thin].T
        variances, axes = np.linalg.eigh(np.stack((np.stack((xx, xy), -1), np.stack((xy, yy), -1)), -1))
        widened = np.einsum("nij,nj,nkj->nik", axes, np.maximum(variances, _PIXEL_VARIANCE), axes)
        covariance[thin] = np.column_stack((widened[:, 0, 0], widened[:, 1, 1], widened[:, 0, 1]))
    return middle + np.column_stack((mean_x, mean_y)), covariance


def _principal(covariance: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Largest and smallest variance along any direction."""
    xx, yy, xy = covariance.T
    middle, spread = (xx + yy) / 2, np.hypot((xx - yy) / 2, xy)
    return middle + spread, middle - spread


def _ellipse(covariance: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Full axes of the ellipses of those second moments, and the angle of the major ones, as seen on the screen."""
    xx, yy, xy = covariance.T
    largest, smallest = _principal(covariance)
    angle = 0.5 * np.degrees(np.arctan2(-2 * xy, xx - yy))  # y points down, the angle goes up
    # twice, because a hair below 0 becomes 180 the first time
    return 4 * np.sqrt(largest), 4 * np.sqrt(np.maximum(smallest, 0.0)), angle % 180 % 180
