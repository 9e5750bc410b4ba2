"""What is not labelled and must be passed over: dislocations, specks, precipitates, borders, bend contours."""

from __future__ import annotations

import numpy as np

from training.defects.synthetic.marks import Disc, Line
from training.defects.synthetic.parameters import Band, Border, Frame
from training.defects.synthetic.populations import Look, harmonics
from training.defects.synthetic.ranges import Ranges
from training.synthetic.dice import Dice, Spread

_STEP_NM = 9.0  # between the points of a dislocation
_AROUND_NM = 60.0  # lines begin that far outside the frame, too


def dislocations(dice: Dice, ranges: Ranges, frame: Frame, look: Look) -> list[Line]:
    """Lines that wander, bow out or run straight, and now and then a low-angle boundary's network of them."""
    made: list[Line] = []
    if not dice.chance(ranges.lines_absent):
        width, height = frame.width * frame.pixel_size_nm, frame.height * frame.pixel_size_nm
        area = (width + 2 * _AROUND_NM) * (height + 2 * _AROUND_NM)
        kind = {"wander": dice.even(0.2, 1.0), "bow": dice.even(0.1, 0.7), "straight": dice.even(0.0, 0.2)}
        longest, joined = dice.decades((80.0, 500.0)), dice.even(0.0, 0.5)
        for _ in range(min(dice.count(dice.decades(ranges.line_density_per_nm2) * area), 70)):
            x = dice.even(-_AROUND_NM, width + _AROUND_NM)
            y = dice.even(-_AROUND_NM, height + _AROUND_NM)
            if made and dice.chance(joined):
                x, y = dice.one_of(dice.one_of(made).points_nm)
            points = _course(dice, x, y, dice.decades((25.0, longest)), dice.weighted(kind))
            made.append(_line(dice, ranges, look, points))
    if dice.chance(ranges.network_chance):
        made += _network(dice, frame, look)
    return made


def _course(dice: Dice, x: float, y: float, length: float, kind: str) -> tuple[tuple[float, float], ...]:
    """Points of a line from (x, y) on: its heading turns at a rate that itself wanders."""
    number = max(3, round(length / _STEP_NM) + 1)
    step = length / (number - 1)
    heading = dice.even(0.0, 2.0 * np.pi)
    rate = {"wander": dice.normal(0.0, 0.006), "bow": dice.normal(0.0, 1.6 / length), "straight": 0.0}[kind]
    restless = {"wander": 0.006, "bow": 0.002, "straight": 0.0006}[kind] * np.sqrt(step / _STEP_NM)
    rates = rate + np.cumsum(dice.rng.normal(0.0, restless, number - 1))
    # a line that curls up would be a loop
    kinks = (dice.rng.random(number - 1) < 0.05) * dice.rng.normal(0.0, 0.9, number - 1)
    headings = heading + np.clip(np.cumsum(rates * step + kinks), -3.6, 3.6)
    steps = np.stack([np.cos(headings), np.sin(headings)], axis=1) * step
    points = np.cumsum(np.concatenate([[[x, y]], steps]), axis=0)
    return tuple((float(px), float(py)) for px, py in points)


def _line(dice: Dice, ranges: Ranges, look: Look, points: tuple[tuple[float, float], ...]) -> Line:
    width = dice.even(*ranges.line_width_nm) * look.focus
    fade = dice.decades((2.0, 30.0)) if dice.chance(0.5) else 0.0
    beaded = fade < 8.0 and dice.chance(0.3)
    return Line(
        points_nm=points,
        depth=dice.even(*ranges.line_depth) * look.vigour * (1.0 + fade / 30.0) ** -0.5,
        width_nm=width,
        fade_nm=fade,
        taper_nm=dice.decades((2.0, 25.0)) + 0.6 * fade,
        ends=(dice.even(0.4, 1.35), dice.even(0.4, 1.35)),
        waves=harmonics(dice, {2: 0.25, 4: 0.2, 7: 0.2, 11: 0.15}),
        beads=dice.even(0.05, 0.35) if beaded else 0.0,
        bead_nm=dice.even(1.3, 5.0) * width,
        bead_phase_rad=dice.even(0.0, 2.0 * np.pi),
    )


def _network(dice: Dice, frame: Frame, look: Look) -> list[Line]:
    """Two families of nearly straight, nearly parallel lines that cross."""
    x = dice.even(0.0, frame.width * frame.pixel_size_nm)
    y = dice.even(0.0, frame.height * frame.pixel_size_nm)
    turn, apart, depth = dice.even(0.0, np.pi), dice.even(25.0, 70.0), dice.even(0.2, 0.5) * look.vigour
    made = []
    for direction, count in (
        (turn, 2 + dice.count(2.0)),
        (turn + np.pi / 2 + dice.normal(0.0, 0.2), 2 + dice.count(1)),
    ):
        for index in range(count):
            away = (index - (count - 1) / 2) * apart * dice.even(0.8, 1.2)
            length = dice.even(120.0, 350.0)
            t = np.linspace(-0.5, 0.5, 9) * length
            bow = away + dice.normal(0.0, 6.0) * np.cos(t / length * np.pi) + dice.rng.normal(0.0, 1.2, len(t))
            points = np.stack(
                [
                    x + t * np.cos(direction) - bow * np.sin(direction),
                    y + t * np.sin(direction) + bow * np.cos(direction),
                ],
                axis=1,
            )
            made.append(
                Line(
                    points_nm=tuple((float(px), float(py)) for px, py in points),
                    depth=depth * dice.even(0.6, 1.2),
                    width_nm=dice.even(4.0, 6.5) * look.focus,
                    taper_nm=dice.even(5.0, 20.0),
                )
            )
    return made


def small_things(dice: Dice, ranges: Ranges, frame: Frame, look: Look) -> list[Disc]:
    """Specks too small or too faint to be labelled, and precipitates, larger and paler than any black dot."""
    made = []
    width, height = frame.width * frame.pixel_size_nm, frame.height * frame.pixel_size_nm
    if dice.chance(ranges.specks_chance):
        smallest = max(1.0, 2.5 * frame.pixel_size_nm)
        for _ in range(min(dice.count(dice.decades(ranges.speck_density_per_nm2) * width * height), 60)):
            size = dice.even(smallest, max(3.0, 1.5 * smallest))
            made.append(_disc(dice, (width, height), size, dice.even(0.08, 0.3) * look.vigour, dice.even(1.0, 2.0)))
    if dice.chance(ranges.precipitate_chance):
        depth = dice.even(-0.2, 0.3)
        rim = dice.even(0.0, 0.35)
        for _ in range(1 + dice.count(width * height * 1e-5)):
            size = dice.size(Spread(30.0, 14.0, 18.0, 70.0))
            made.append(_disc(dice, (width, height), size, depth, dice.even(0.8, 2.0), rim))
    return made


def _disc(dice: Dice, field_nm: tuple[float, float], size: float, depth: float, soft: float, rim: float = 0.0) -> Disc:
    aspect = dice.near(Spread(0.9, 0.12, 0.6, 1.0))
    return Disc(
        x_nm=dice.even(0.0, field_nm[0]),
        y_nm=dice.even(0.0, field_nm[1]),
        major_nm=size / float(np.sqrt(aspect)),
        minor_nm=size * float(np.sqrt(aspect)),
        angle_deg=dice.even(0.0, 180.0),
        depth=depth,
        soft_nm=soft,
        outline=harmonics(dice, {3: 0.05, 4: 0.06, 6: 0.03}),
        rim=rim,
    )


def borders(dice: Dice, ranges: Ranges, frame: Frame) -> list[Border]:
    """A grain boundary or the foil's edge in some pictures."""
    scene = dice.weighted(ranges.scenes)
    reach = 0.45 * min(frame.width, frame.height) * frame.pixel_size_nm
    made = []
    if scene in ("boundary", "both"):
        fringes = dice.chance(0.5)
        made.append(
            Border(
                normal_deg=dice.even(0.0, 360.0),
                offset_nm=dice.even(-0.2, 1.0) * reach,
                sway_nm=dice.even(0.0, 12.0),
                sway_period_nm=dice.even(100.0, 400.0),
                sway_phase_rad=dice.even(0.0, 2.0 * np.pi),
                step=dice.even(0.65, 1.3),
                depth=dice.even(0.0, 0.8),
                width_nm=dice.even(2.0, 10.0),
                fringe_depth=dice.even(0.05, 0.25) if fringes else 0.0,
                fringe_nm=dice.even(6.0, 22.0),
                fringe_decay_nm=dice.even(8.0, 25.0),
            )
        )
    if scene in ("edge", "both"):
        made.append(
            Border(
                normal_deg=dice.even(0.0, 360.0),
                offset_nm=dice.even(0.3, 1.0) * reach,
                sway_nm=dice.even(0.0, 6.0),
                sway_period_nm=dice.even(60.0, 300.0),
                sway_phase_rad=dice.even(0.0, 2.0 * np.pi),
                step=dice.even(1.2, 2.0),
                vacuum=True,
                depth=dice.even(0.0, 0.5),
                width_nm=dice.even(2.0, 6.0),
            )
        )
    return made


def bands(dice: Dice, ranges: Ranges, frame: Frame) -> tuple[Band, ...]:
    """Bend contours in some pictures."""
    if not dice.chance(ranges.band_chance):
        return ()
    side = max(frame.width, frame.height) * frame.pixel_size_nm
    return tuple(
        Band(
            normal_deg=dice.even(0.0, 360.0),
            offset_nm=dice.even(-0.6, 0.6) * side,
            bend_per_nm=dice.normal(0.0, 0.4) / side,
            width_nm=dice.decades((25.0, 200.0)),
            depth=dice.even(0.1, 0.5),
        )
        for _ in range(1 + int(dice.chance(0.3)))
    )
