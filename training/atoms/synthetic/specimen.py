"""The specimen's part of a picture: thickness, grains, edges and vacancies, and which columns there are."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from training.atoms.synthetic.geometry import (
    columns_in_frame,
    crystal_matrix,
    scan_coordinates,
    to_crystal,
    waves_at,
    waves_grid,
)
from training.atoms.synthetic.parameters import Crystal, Frame, Region, Source
from training.atoms.synthetic.unit_cell import UnitCell, interpolate, nearest_column, unit_cell

#: A column thinner than this share of the crystal's thickness (or, by a vacancy, this much weaker) is not labelled.
VISIBLE = 0.3
#: Between this share and `VISIBLE` nobody can say whether there is a column: neither finding nor missing it is wrong.
FAINT = 0.03


def depth_px(regions: tuple[Region, ...], x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """How far inside all the regions points (scan coordinates) lie, px; negative outside."""
    depth = np.full(np.broadcast(x, y).shape, np.inf, dtype=np.float32)
    for region in regions:
        dx, dy = x - region.centre_x_px, y - region.centre_y_px
        inside = np.full(depth.shape, np.inf, dtype=np.float32)
        for direction, distance in region.half_planes:
            angle = np.deg2rad(direction)
            inside = np.minimum(inside, distance - dx * np.cos(angle) - dy * np.sin(angle))
        if region.radius_px is not None:
            inside = np.minimum(inside, region.radius_px - np.hypot(dx, dy))
        depth = np.minimum(depth, -inside if region.inverted else inside)
    return depth


def _covariance(source: Source, rotation_deg: float) -> np.ndarray:
    """Covariance of the source's blur in the crystal's axes, Å²."""
    sigma = 10.0 * source.fwhm_nm / np.sqrt(8.0 * np.log(2.0))
    long, short = sigma * np.sqrt(source.ellipticity), sigma / np.sqrt(source.ellipticity)
    angle = np.deg2rad(source.direction_deg - rotation_deg)
    axes = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return axes @ np.diag([long**2, short**2]) @ axes.T


def render_crystal(
    frame: Frame, crystal: Crystal, source: Source, u: np.ndarray, v: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One crystal: intensity (height, width) relative to its brightest columns, its labelled columns (n, 2) in px, and
    those (m, 2) that are not to be judged.

    `u` (height, width) and `v` likewise are the scan coordinates of every pixel, jitter included. Edges run between
    columns: a column is there as a whole, or not at all.
    """
    cell = unit_cell(crystal.lattice)
    stack = cell.sample(_covariance(source, crystal.rotation_deg), source.tail)
    stack /= reference(cell, stack, crystal.thickness_nm)
    x, y = to_crystal(frame, crystal, u, v)
    width, height = cell.lattice.projected_cell
    x /= width
    y /= height
    thickness = crystal.thickness_nm * np.maximum(
        1.0 + waves_grid(crystal.thickness_waves, frame.height, frame.width), 0.0
    )
    picture = interpolate(stack, x, y, cell.layer(thickness))
    if crystal.regions:
        inside = _whole_columns(frame, crystal, u, v, x, y)
        sigma = 0.3 / (10.0 * frame.pixel_size_nm)
        picture *= ndimage.gaussian_filter(inside.astype(np.float32), sigma, mode="nearest", truncate=3.0)
    labelled, unjudged = _truth(frame, crystal, cell, picture, rng)
    return picture, labelled, unjudged


def reference(cell: UnitCell, stack: np.ndarray, thickness_nm: float) -> float:
    """Height of the brightest column of the sampled cell at one thickness."""
    layer = float(cell.layer(thickness_nm))
    below = min(int(layer), len(stack) - 2)
    share = layer - below
    return float(np.max((1.0 - share) * stack[below] + share * stack[below + 1]))


def _whole_columns(
    frame: Frame, crystal: Crystal, u: np.ndarray, v: np.ndarray, x: np.ndarray, y: np.ndarray
) -> np.ndarray:
    """Pixels whose nearest column belongs to the crystal; `x`, `y` are fractions of the projected cell at (u, v)."""
    table = nearest_column(crystal.lattice)
    size = np.array(unit_cell(crystal.lattice).lattice.projected_cell)
    x, y = x - np.floor(x), y - np.floor(y)
    rows = np.minimum((y * table.shape[0]).astype(np.intp), table.shape[0] - 1)
    columns = np.minimum((x * table.shape[1]).astype(np.intp), table.shape[1] - 1)
    # The table holds the vectors of its own points, the middles of its squares: the way to there comes on top.
    to_column = table[rows, columns].astype(np.float64)
    to_column[..., 0] += ((columns + 0.5) / table.shape[1] - x) * size[0]
    to_column[..., 1] += ((rows + 0.5) / table.shape[0] - y) * size[1]
    shift = to_column @ np.linalg.inv(crystal_matrix(frame, crystal)).T
    return depth_px(crystal.regions, u + shift[..., 0], v + shift[..., 1]) > crystal.margin_px


def _truth(
    frame: Frame, crystal: Crystal, cell: UnitCell, picture: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Labelled columns of the crystal in the frame, and unjudged ones: those too weak to be labelled that may be seen,
    and those outside the frame that still shine into it. Takes the vacancies' share out of `picture`, in place.
    """
    border = 4.0 / (10.0 * frame.pixel_size_nm)
    points = columns_in_frame(frame, crystal, cell.lattice, border_px=border)
    points = points[depth_px(crystal.regions, *scan_coordinates(frame, *points.T)) > crystal.margin_px]
    remaining = np.ones(len(points))
    chosen = rng.random(len(points)) < crystal.vacancy_fraction
    remaining[chosen] = rng.uniform(*crystal.vacancy_remaining, int(chosen.sum()))
    if chosen.any():
        radius = 0.5 * cell.lattice.smallest_distance_a / (10.0 * frame.pixel_size_nm)
        for (cx, cy), share in zip(points[chosen], remaining[chosen], strict=True):
            _weaken(picture, cx, cy, radius, share)
    relative = np.maximum(1.0 + waves_at(crystal.thickness_waves, *(points / [frame.width, frame.height]).T), 0.0)
    left = remaining * relative
    inside = (points >= 0).all(axis=1) & (points <= [frame.width - 1, frame.height - 1]).all(axis=1)
    labelled = (left > VISIBLE) & inside
    return points[labelled], points[~labelled & (left > FAINT)]


def _weaken(picture: np.ndarray, x: float, y: float, radius: float, remaining: float) -> None:
    """Take a share of one column's intensity above its surroundings away, in place."""
    reach = int(np.ceil(2.0 * radius))
    rows = slice(max(round(y) - reach, 0), max(min(round(y) + reach + 1, picture.shape[0]), 0))
    columns = slice(max(round(x) - reach, 0), max(min(round(x) + reach + 1, picture.shape[1]), 0))
    patch = picture[rows, columns]
    if patch.size == 0:
        return
    dy = np.arange(rows.start, rows.stop)[:, None] - y
    dx = np.arange(columns.start, columns.stop)[None, :] - x
    window = np.exp(-(((dx**2 + dy**2) / (1.1 * radius) ** 2) ** 2))
    floor = float(np.quantile(patch, 0.1))
    patch -= ((1.0 - remaining) * window * np.maximum(patch - floor, 0.0)).astype(np.float32)
