"""Pile-ups: lines between two slip traces, one behind the other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from training.dislocations import curves
from training.dislocations.curves import FloatArray
from training.dislocations.synthetic.distributions import Free, Geometry, Modes
from training.synthetic.dice import Dice, Spread

SHORTEST_PX = 40.0  # of a line inside the frame
_TRIES = 12
_PLACES = 6
_CROSSING_PX = 12.0  # within which two lines are near each other
_SHARPEST = 1.9  # rad that a line turns by within 16 px
_MOST_TURNED = 4.0  # rad


@dataclass(frozen=True, eq=False)
class Band:
    """Two slip traces. (u, v) are slip widths along the traces from `start` on, and 0 to 1 from the first trace across.

    start: (x, y) on the first trace, px. angle_deg: of the traces, as in ImageJ. width_px: their distance at u = 0;
    it grows by the tangent of `splay_deg` along them.
    """

    start: tuple[float, float]
    angle_deg: float
    width_px: float
    splay_deg: float = 0.0

    @property
    def axes(self) -> tuple[FloatArray, FloatArray]:
        """Unit vectors along the first trace and across, towards the second."""
        angle = np.deg2rad(self.angle_deg)
        cos, sin = float(np.cos(angle)), float(np.sin(angle))
        return np.array([cos, -sin]), np.array([sin, cos])

    def to_px(self, uv: FloatArray) -> FloatArray:
        """Points (n, 2) x, y of points (n, 2) u, v."""
        along, across = self.axes
        growing = 1 + uv[:, :1] * np.tan(np.deg2rad(self.splay_deg))
        return np.array(self.start) + self.width_px * (uv[:, :1] * along + uv[:, 1:] * growing * across)

    def to_uv(self, points: FloatArray) -> FloatArray:
        """Points (n, 2) u, v of points (n, 2) x, y."""
        along, across = self.axes
        away = (points - np.array(self.start)) / self.width_px
        u = away @ along
        return np.stack([u, (away @ across) / (1 + u * np.tan(np.deg2rad(self.splay_deg)))], axis=1)

    def moved(self, dx: float, dy: float) -> Band:
        """The same band elsewhere."""
        return Band((self.start[0] + dx, self.start[1] + dy), self.angle_deg, self.width_px, self.splay_deg)


@dataclass(frozen=True, eq=False)
class PileUp:
    """The lines of one band: support points (m, 2) u, v of each, in the order in which they follow each other."""

    band: Band
    lines: tuple[FloatArray, ...]


def draw_pile_up(dice: Dice, geometry: Geometry, height: int, width: int, *, taken: FloatArray | None = None) -> PileUp:
    """A pile-up in a frame of that size; lines that would touch the one before or hardly be seen are left out.

    The first line is drawn from the geometry's shape; each next one is the first, moved along the traces, and varied.

    Parameters
    ----------
    taken: points (n, 2) of other pile-ups' lines: of a few places the pile-up takes the one where it crosses least.
    """
    width_px = geometry.slip_width.draw(dice) * min(height, width)
    splay = geometry.splay_deg.draw(dice)
    band = Band((0.0, 0.0), geometry.angle_deg.draw(dice), width_px, splay)
    variation = geometry.variation.draw(dice)
    mirrored = isinstance(geometry.shape, Free) and dice.chance(0.5)
    first = _first(dice, geometry.shape, width_px)
    count = max(1, round(geometry.lines.draw(dice)))
    shapes = [first.points]
    starts = [0.0]
    for _ in range(count - 1):
        for _ in range(_TRIES):
            start = starts[-1] + geometry.spacing.draw(dice)
            shape = first.varied(dice, variation)
            if natural(shape * width_px) and _apart(band, _along(shapes[-1], starts[-1]), _along(shape, start)):
                starts.append(start)
                shapes.append(shape)
                break
    middle = 0.5 * (starts[0] + starts[-1] + float(np.mean([shape[-1, 0] for shape in shapes])))
    lines = [_along(shape, start - middle) for start, shape in zip(starts, shapes, strict=True)]
    if mirrored:
        lines = [line * [-1.0, 1.0] for line in lines]
    band = _placed(dice, band, lines, height, width, taken)
    seen = [line for line in lines if visible(curves.spline(band.to_px(line)), height, width)]
    return PileUp(band, tuple(seen))


def _placed(dice: Dice, band: Band, lines: list[FloatArray], height: int, width: int, taken: FloatArray | None) -> Band:
    """The band where the middle of its pile-up lies anywhere but near the frame's rim."""
    centre = band.to_px(np.array([[0.0, 0.5]]))[0]
    places = [
        band.moved(dice.even(0.2, 0.8) * width - float(centre[0]), dice.even(0.2, 0.8) * height - float(centre[1]))
        for _ in range(1 if taken is None else _PLACES)
    ]
    if taken is None:
        return places[0]
    tree = cKDTree(taken)

    def crossings(place: Band) -> int:
        points = np.concatenate([curves.resampled(place.to_px(line), 6.0) for line in lines])
        return int((tree.query(points, distance_upper_bound=_CROSSING_PX)[0] < _CROSSING_PX).sum())

    return min(places, key=crossings)


def natural(points: FloatArray) -> bool:
    """Whether the spline through points (n, 2), px, neither turns back sharply nor comes near itself again."""
    line = curves.spline(points, 4.0)
    if len(line) < 8:
        return True
    heading = np.unwrap(np.arctan2(*np.diff(line, axis=0).T[::-1]))
    if np.abs(heading[4:] - heading[:-4]).max() > _SHARPEST or np.ptp(heading) > _MOST_TURNED:
        return False
    apart = np.linalg.norm(line[:, None] - line[None], axis=2)
    number = np.arange(len(line))
    far = np.abs(number[:, None] - number) > 10
    return not far.any() or bool(apart[far].min() > _CROSSING_PX)


def visible(points: FloatArray, height: int, width: int) -> bool:
    """Whether a line (n, 2) is in the frame in one piece, and long enough to be found."""
    pieces = [piece for piece in curves.inside(points, height, width) if len(piece) > 3]
    return len(pieces) == 1 and float(curves.lengths(pieces[0])[-1]) >= SHORTEST_PX


def _along(shape: FloatArray, u: float) -> FloatArray:
    return shape + np.array([u, 0.0])


def _apart(band: Band, one: FloatArray, other: FloatArray) -> bool:
    """Whether two lines of a band stay clear of each other: by 7 px, and in the same order all the way."""
    a, b = (curves.spline(band.to_px(line), 4.0) for line in (one, other))
    return bool(cKDTree(a).query(b)[0].min() > 7.0)


@dataclass(frozen=True, eq=False)
class _First:
    """The first line of a pile-up, and how to draw others like it."""

    points: FloatArray
    shape: Modes | Free

    def varied(self, dice: Dice, variation: float) -> FloatArray:
        """A line like it: its beginning stays at u = 0 on the first trace, its end on the second."""
        if isinstance(self.shape, Modes):
            away = _scatter(dice, self.shape) * variation
        else:
            away = np.zeros_like(self.points)
            away[1:] = dice.rng.normal(0.0, 0.12 * variation, (len(away) - 1, 2)) * [1.0, 0.5]
            away[-1, 1] = 0.0
        return self.points + away


def _scatter(dice: Dice, shape: Modes) -> FloatArray:
    away = np.zeros((len(shape.mean), 2))
    for mode in shape.modes:
        away += np.array(mode.points) * dice.near(Spread(0.0, mode.deviation, -2 * mode.deviation, 2 * mode.deviation))
    return away


def _first(dice: Dice, shape: Modes | Free, width_px: float) -> _First:
    if isinstance(shape, Modes):
        return _First(np.array(shape.mean) + _scatter(dice, shape), shape)
    number = int(dice.rng.integers(shape.supports[0], shape.supports[1] + 1))
    t = np.linspace(0.0, 1.0, number)
    points = np.stack([t, t], axis=1)
    for _ in range(_TRIES):
        points = np.stack([t * shape.reach.draw(dice) + shape.bow.draw(dice) * 4 * t * (1 - t), t], axis=1)
        wander = shape.wander.draw(dice) / max(number - 1, 1)
        points[1:-1] += dice.rng.normal(0.0, wander, (number - 2, 2)) * [1.0, 0.6]
        if natural(points * width_px):
            break
    return _First(points, shape)
