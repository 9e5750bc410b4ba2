"""Size and shape of one defect, in px and in nm."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial import ConvexHull, QhullError

from analysis.defects.outlines import Outline, of_mask
from analysis.masks import Mask, decode

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


def measure(mask: Mask, *, pixel_size_nm: tuple[float, float] | None = None, outline: Outline | None = None) -> Shape:
    """Size and shape of a mask.

    Parameters
    ----------
    mask: with at least one pixel.
    pixel_size_nm: of a pixel in x and in y.
    outline: where there is a finer one than the mask's own, such as that of the network's soft map.

    Raises
    ------
    ValueError: the mask is empty.
    """
    if not mask.area_px:
        raise ValueError("an empty mask has no shape")
    if outline is None:
        outline = of_mask(mask)
    x, y, covariance = _moments(mask)
    hull = _hull(outline.traced)
    scale_x, scale_y = pixel_size_nm or (1.0, 1.0)
    square = scale_x == scale_y
    in_px = _lengths(mask.area_px, covariance, hull, outline, 1.0, 1.0)
    if square:
        in_nm = {name: value * scale_x for name, value in in_px.items() if name != "angle"} | {"angle": in_px["angle"]}
    else:
        in_nm = _lengths(mask.area_px, covariance, hull, outline, scale_x, scale_y)
    known = pixel_size_nm is not None
    return Shape(
        x_px=x,
        y_px=y,
        area_px=mask.area_px,
        major_px=in_px["major"],
        minor_px=in_px["minor"],
        angle_deg=in_nm["angle"],
        equivalent_diameter_px=in_px["equivalent_diameter"],
        feret_max_px=in_px["feret_max"],
        feret_min_px=in_px["feret_min"],
        perimeter_px=in_px["perimeter"],
        heywood=outline.heywood(scale_x, scale_y),
        area_nm2=mask.area_px * scale_x * scale_y if known else None,
        major_nm=in_nm["major"] if known else None,
        minor_nm=in_nm["minor"] if known else None,
        equivalent_diameter_nm=in_nm["equivalent_diameter"] if known else None,
        feret_max_nm=in_nm["feret_max"] if known else None,
        feret_min_nm=in_nm["feret_min"] if known else None,
        perimeter_nm=in_nm["perimeter"] if known else None,
    )


def _lengths(
    area_px: int, covariance: FloatArray, hull: FloatArray, outline: Outline, scale_x: float, scale_y: float
) -> dict[str, float]:
    scale = np.array((scale_x, scale_y))
    major, minor, angle = _ellipse(covariance * np.outer(scale, scale))
    largest, smallest = _feret(hull * scale)
    return {
        "major": major,
        "minor": minor,
        "angle": angle,
        "equivalent_diameter": 2 * float(np.sqrt(area_px * scale_x * scale_y / np.pi)),
        "feret_max": largest,
        "feret_min": smallest,
        "perimeter": outline.perimeter(scale_x, scale_y),
    }


def _moments(mask: Mask) -> tuple[float, float, FloatArray]:
    """Centre of mass and second central moments of the pixels' centres, at least those of one pixel."""
    pixels = decode(mask).astype(np.float64)
    x, y = np.arange(mask.width_px, dtype=float), np.arange(mask.height_px, dtype=float)
    columns, rows = pixels.sum(axis=0), pixels.sum(axis=1)
    n = columns.sum()
    centre_x, centre_y = columns @ x / n, rows @ y / n
    x, y = x - centre_x, y - centre_y
    xx, yy, xy = columns @ x**2 / n, rows @ y**2 / n, y @ pixels @ x / n
    covariance = np.array(((xx, xy), (xy, yy)))
    if (xx + yy) / 2 - np.hypot((xx - yy) / 2, xy) < _PIXEL_VARIANCE:
        variances, axes = np.linalg.eigh(covariance)
        covariance = axes * np.maximum(variances, _PIXEL_VARIANCE) @ axes.T
    return mask.x_px + float(centre_x), mask.y_px + float(centre_y), covariance


def _ellipse(covariance: FloatArray) -> tuple[float, float, float]:
    """Full axes of the ellipse of those second moments, and the angle of the major one, as seen on the screen."""
    (xx, xy), (_, yy) = covariance
    middle, spread = (xx + yy) / 2, float(np.hypot((xx - yy) / 2, xy))
    angle = 0.5 * float(np.degrees(np.arctan2(-2 * xy, xx - yy)))  # y points down, the angle goes up
    # twice, because a hair below 0 becomes 180 the first time
    return 4 * float(np.sqrt(middle + spread)), 4 * float(np.sqrt(max(middle - spread, 0.0))), angle % 180 % 180


def _hull(points: FloatArray) -> FloatArray:
    """Corners of the convex hull, in order."""
    try:
        return points[ConvexHull(points).vertices]
    except QhullError:  # all points on one line: the two ends enclose the others
        order = np.lexsort(points.T)
        return points[[order[0], order[-1]]]


def _feret(hull: FloatArray) -> tuple[float, float]:
    """Largest and smallest width of a convex polygon; the smallest is across one of its sides."""
    points = hull - hull[0]
    squares = (points**2).sum(axis=1)
    farthest = (squares[:, None] + squares - 2 * points @ points.T).max()
    sides = np.concatenate((points[1:], points[:1])) - points
    normals = np.column_stack((-sides[:, 1], sides[:, 0]))
    normals /= np.sqrt((normals**2).sum(axis=1))[:, None]
    across = normals @ points.T
    return float(np.sqrt(farthest)), float((across.max(axis=1) - across.min(axis=1)).min())
