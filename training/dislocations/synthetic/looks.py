"""How drawn lines, slip traces and slipped areas look."""

from __future__ import annotations

import itertools

import numpy as np

from training.dislocations import curves
from training.dislocations.curves import FloatArray
from training.dislocations.synthetic.distributions import LineContrast, TraceContrast
from training.dislocations.synthetic.parameters import Line, Point, Region, Speck, Trace, Wave
from training.dislocations.synthetic.pile_ups import Band, PileUp
from training.synthetic.dice import Dice

_NARROWEST_MASK_PX = 3.0
_FAINTEST = 0.01  # depth of a trace that is drawn
_BEYOND = 2.5  # slip widths that a trace goes on after its last line
_OUTLINE_PX = 4.0  # between the points of a region's outline


class Look:
    """What the lines of one frame have in common."""

    def __init__(self, dice: Dice, ranges: LineContrast) -> None:
        self.ranges = ranges
        self.depth = ranges.depth.draw(dice)
        self.width_px = ranges.width_px.draw(dice)
        self.exponent = ranges.exponent.draw(dice)
        self.skew = ranges.skew.draw(dice)

    def near(self, dice: Dice, value: float) -> float:
        """A value of one line, near the frame's."""
        return value * float(np.exp(np.clip(dice.normal(0.0, self.ranges.scatter), -0.7, 0.7)))


def draw_line(dice: Dice, look: Look, supports: FloatArray, waves: tuple[Wave, ...]) -> Line:
    """A line through support points (m, 2) with the look of its frame."""
    width = look.near(dice, look.width_px)
    return Line(
        supports=_points(supports),
        waves=waves,
        depth=look.near(dice, look.depth),
        width_px=width,
        exponent=max(0.75, look.near(dice, look.exponent)),
        skew=float(np.clip(look.skew + dice.normal(0.0, 0.05), -0.6, 0.6)),
        ends=(look.ranges.end.draw(dice), look.ranges.end.draw(dice)),
        taper_px=dice.even(0.3, 1.5) * width,
        beads=dice.even(0.2, 0.8) if dice.chance(look.ranges.beads) else 0.0,
        bead_px=dice.even(1.2, 2.5) * width,
        bead_decay_px=dice.even(10, 60),
        mask_width_px=max(_NARROWEST_MASK_PX, width),
    )


def dots(dice: Dice, look: Look, line: Line) -> list[Speck]:
    """Dark dots where a line comes out of the surface."""
    made = []
    for x, y in (line.supports[0], line.supports[-1]):
        if dice.chance(look.ranges.dots):
            size = dice.even(1.0, 2.0) * line.width_px
            made.append(
                Speck(
                    x_px=x + dice.normal(0, 1),
                    y_px=y + dice.normal(0, 1),
                    major_px=size,
                    minor_px=size * dice.even(0.5, 1.0),
                    angle_deg=dice.even(0, 180),
                    depth=line.depth * dice.even(0.3, 1.0),
                )
            )
    return made


def bands(dice: Dice, ranges: TraceContrast, pile_up: PileUp) -> tuple[list[Trace], list[Region]]:
    """The slip traces of a pile-up, piece by piece between its lines, and the slipped areas between these."""
    if not pile_up.lines or not dice.chance(ranges.chance):
        return [], []
    band = pile_up.band
    traces: list[Trace] = []
    look = _trace_look(dice, ranges)
    beyond = ranges.beyond.draw(dice), ranges.beyond.draw(dice)
    ordered = sorted(pile_up.lines, key=lambda line: float(line[0, 0]))
    strengths = [dice.even(0.5, 1.1) for _ in ordered[1:]]
    for v, outside_left in ((0.0, True), (1.0, False)):
        at = sorted(float(line[0 if v == 0.0 else -1, 0]) for line in ordered)
        edges = [at[0] - _BEYOND, *at, at[-1] + _BEYOND]
        for number, (begin, end) in enumerate(itertools.pairwise(edges)):
            last = len(edges) - 2
            strength = beyond[number > 0] if number in (0, last) else strengths[number - 1]
            fading = 0.8 * _BEYOND * band.width_px
            taper = (fading if number == 0 else 3.0, fading if number == last else 3.0)
            ends = band.to_px(np.array([[begin, v], [end, v]]))
            traces += _trace(ends, look, strength, taper, outside_left)
    step = ranges.step.draw(dice)
    regions = [
        _region(band, one, other, step * dice.even(0.3, 1.0)) for one, other in itertools.pairwise(ordered) if step
    ]
    return traces, regions


def loose_trace(dice: Dice, ranges: TraceContrast, points: FloatArray) -> list[Trace]:
    """A labelled slip trace (n, 2), straight from point to point."""
    look, outside_left = _trace_look(dice, ranges), dice.chance(0.5)
    pieces = []
    for begin, end in itertools.pairwise(points):
        pieces += _trace(np.stack([begin, end]), look, dice.even(0.5, 1.1), (3.0, 3.0), outside_left)
    return pieces


def _trace_look(dice: Dice, ranges: TraceContrast) -> tuple[float, float, float, float]:
    depths = ranges.dark.draw(dice), ranges.light.draw(dice)
    return (*depths, ranges.width_px.draw(dice), ranges.apart_px.draw(dice))


def _trace(
    ends: FloatArray,
    look: tuple[float, float, float, float],
    strength: float,
    taper_px: tuple[float, float],
    outside_left: bool,
) -> list[Trace]:
    dark, light, width_px, apart_px = look
    depths = [value if abs(value) >= _FAINTEST else 0.0 for value in (dark * strength, light * strength)]
    length = float(np.linalg.norm(ends[1] - ends[0]))
    if length < 1.0 or not any(depths):
        return []
    left, right = depths if outside_left else reversed(depths)
    both = any(depths) and all(depths)
    return [
        Trace(
            points=(_points(ends)[0], _points(ends)[1]),
            depth=left,
            other_depth=right,
            width_px=width_px,
            apart_px=apart_px if both else 0.0,
            taper_px=taper_px,
        )
    ]


def _region(band: Band, one: FloatArray, other: FloatArray, depth: float) -> Region:
    a, b = (curves.spline(band.to_px(line), _OUTLINE_PX) for line in (one, other))
    return Region(outline=_points(np.concatenate([a, b[::-1]])), depth=depth)


def _points(points: FloatArray) -> tuple[Point, ...]:
    return tuple((float(x), float(y)) for x, y in points)
