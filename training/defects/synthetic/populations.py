"""The defects that are labelled: how many, where, how large, how they look."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from training.defects.synthetic.marks import Bar, Disc, Harmonic, Line, Ring, SecondEdge
from training.defects.synthetic.parameters import Frame
from training.defects.synthetic.ranges import Form, Population, Ranges
from training.synthetic.dice import Dice

Drawn = Ring | Disc | Bar
Allowed = Callable[[float, float, float], bool]
"""Whether a mark of that radius (nm) may lie at (x, y) in nm."""


class Look:
    """What the defects of one picture share: the crystal's turn, focus, contrast, crowding."""

    def __init__(self, dice: Dice, ranges: Ranges) -> None:
        self.turn_deg = dice.even(0.0, 90.0)
        self.focus = dice.decades(ranges.focus)
        self.vigour = dice.even(*ranges.vigour)
        self.edge_nm = dice.even(*ranges.edge_nm) * self.focus
        self.clustered = dice.even(*ranges.clustered)
        self.apart = dice.even(0.35, 0.95)  # centres of two like-sized marks are that share of their radii apart


def defects(
    dice: Dice, ranges: Ranges, frame: Frame, look: Look, lines: Sequence[Line], allowed: Allowed
) -> list[Drawn]:
    """All labelled marks of a picture; those of the densest kinds first."""
    field_nm2 = frame.height * frame.width * frame.pixel_size_nm**2
    present = [kind for kind in ranges.populations if not dice.chance(kind.absent)]
    expected = [dice.decades(kind.density_per_nm2) * field_nm2 for kind in present]
    room = ranges.most_marks * frame.height * frame.width / 512**2
    thinned = min(1.0, room / max(sum(expected), 1e-9))
    made: list[Drawn] = []
    places = _Places(dice, frame, look, lines, allowed)
    for kind, mean in zip(present, expected, strict=True):
        for _ in range(dice.count(mean * thinned)):
            size = dice.size(kind.size_nm)
            place = places.free(size / 2)
            if place is not None:
                made.append(_mark(dice, kind, look, *place, size))
    return made


class _Places:
    """Finds places that are not taken: in the frame and a little around it, alone or beside what is there already."""

    def __init__(self, dice: Dice, frame: Frame, look: Look, lines: Sequence[Line], allowed: Allowed) -> None:
        self.dice, self.look, self.allowed = dice, look, allowed
        self.width_nm, self.height_nm = frame.width * frame.pixel_size_nm, frame.height * frame.pixel_size_nm
        inside = [point for line in lines for point in line.points_nm if self._in_frame(*point)]
        self.on_lines = inside[:: max(1, len(inside) // 50)]
        self.taken = np.zeros((0, 3))

    def _in_frame(self, x: float, y: float) -> bool:
        return 0.0 <= x <= self.width_nm and 0.0 <= y <= self.height_nm

    def free(self, radius_nm: float) -> tuple[float, float] | None:
        """A place for a mark of that radius, nm; None where there is hardly any left."""
        for _ in range(12):
            x, y = self._proposed(radius_nm)
            if self.allowed(x, y, radius_nm) and not self._crowded(x, y, radius_nm):
                self.taken = np.concatenate([self.taken, [[x, y, radius_nm]]])
                return x, y
        return None

    def _proposed(self, radius_nm: float) -> tuple[float, float]:
        dice = self.dice
        if dice.chance(self.look.clustered):
            on_line = bool(self.on_lines) and (not len(self.taken) or dice.chance(0.4))
            if on_line:
                x, y = dice.one_of(self.on_lines)
                return x + dice.normal(0.0, 4.0), y + dice.normal(0.0, 4.0)
            if len(self.taken):
                x, y, radius = (float(value) for value in self.taken[int(dice.rng.integers(len(self.taken)))])
                angle = dice.even(0.0, 2.0 * np.pi)
                away = (radius + radius_nm) * dice.even(0.6, 1.6)
                return x + away * float(np.cos(angle)), y + away * float(np.sin(angle))
        margin = 0.5 * radius_nm
        return dice.even(-margin, self.width_nm + margin), dice.even(-margin, self.height_nm + margin)

    def _crowded(self, x: float, y: float, radius_nm: float) -> bool:
        if not len(self.taken):
            return False
        distance = np.hypot(self.taken[:, 0] - x, self.taken[:, 1] - y)
        sizes = self.taken[:, 2]
        small, large = np.minimum(sizes, radius_nm), np.maximum(sizes, radius_nm)
        # a small mark may lie inside a much larger one, but not where both have the same middle
        return bool((distance < np.where(large > 2.5 * small, small, self.look.apart * (small + large))).any())


def _mark(dice: Dice, kind: Population, look: Look, x: float, y: float, size: float) -> Drawn:
    angle = dice.even(0.0, 180.0)
    if kind.along_deg is not None and not dice.chance(kind.stray):
        angle = (look.turn_deg + dice.one_of(kind.along_deg) + dice.normal(0.0, kind.turn_deg)) % 180.0
    return _FORMS[kind.form](dice, kind, look, x, y, size, angle)


def harmonics(dice: Dice, amplitudes: dict[int, float]) -> tuple[Harmonic, ...]:
    """One harmonic of each order, with an amplitude up to the given one and any phase."""
    return tuple(
        Harmonic(order=order, amplitude=dice.even(0.0, most), phase_rad=dice.even(0.0, 2.0 * np.pi))
        for order, most in amplitudes.items()
    )


def _open(dice: Dice, kind: Population, look: Look, x: float, y: float, size: float, angle: float) -> Ring:
    minor = size * dice.near(kind.aspect)
    # the line of a large loop is paler
    depth = dice.even(*kind.depth) * look.vigour * (1.0 - 0.25 * min(max((size - 10.0) / 35.0, 0.0), 1.0))
    # Most loops are darkest along their long sides, some at their ends.
    sides = np.pi if dice.chance(0.7) else 0.0
    lobes = Harmonic(order=2, amplitude=dice.even(0.0, 0.35), phase_rad=float(sides + dice.normal(0.0, 0.4)))
    return Ring(
        class_name=kind.class_name,
        x_nm=x,
        y_nm=y,
        major_nm=size,
        minor_nm=minor,
        angle_deg=angle,
        depth=depth,
        edge_nm=min(look.edge_nm * dice.even(0.85, 1.15), 0.75 * minor),
        fill=depth * dice.even(0.0, 0.6) * float(np.exp(-minor / 20.0)),
        lobes=(lobes, *harmonics(dice, {1: 0.3, 3: 0.2, 5: 0.2})),
        outline=harmonics(dice, {3: 0.045, 4: 0.04}),
        gap=dice.even(0.08, 0.3) if dice.chance(0.1) else 0.0,
        gap_end=1 if dice.chance(0.5) else -1,
    )


def _double(dice: Dice, kind: Population, look: Look, x: float, y: float, size: float, angle: float) -> Ring:
    minor = size * dice.near(kind.aspect)
    depth = dice.even(*kind.depth) * look.vigour
    inset = min(look.edge_nm * dice.even(0.85, 1.3), 0.33 * minor)
    core = {"none": 0.0, "bright": -dice.even(0.05, 0.2), "dark": dice.even(0.1, 0.5)}
    return Ring(
        class_name=kind.class_name,
        x_nm=x,
        y_nm=y,
        major_nm=size,
        minor_nm=minor,
        angle_deg=angle,
        depth=depth,
        edge_nm=min(0.9 * look.edge_nm * dice.even(0.8, 1.2), 1.2 * inset),
        lobes=harmonics(dice, {1: 0.3, 2: 0.3, 5: 0.2}),
        outline=harmonics(dice, {3: 0.035, 4: 0.03}),
        core=core[dice.weighted({"none": 0.4, "bright": 0.35, "dark": 0.25})],
        second=SecondEdge(inset_nm=inset, depth=depth * dice.even(0.5, 1.1), between=depth * dice.even(0.0, 0.25)),
    )


def _edge_on(dice: Dice, kind: Population, look: Look, x: float, y: float, size: float, angle: float) -> Bar:
    thick = min(dice.near(kind.aspect) * look.focus, 0.5 * size)
    depth = dice.even(*kind.depth) * look.vigour
    return Bar(
        class_name=kind.class_name,
        x_nm=x,
        y_nm=y,
        major_nm=size,
        minor_nm=thick,
        angle_deg=angle,
        depth=depth,
        soft_nm=dice.even(1.8, 3.2) * look.focus,
        bow_nm=dice.normal(0.0, 0.012) * size,
        taper=dice.even(0.0, 0.5),
        waves=harmonics(dice, {1: 0.15, 2: 0.15, 3: 0.08}),
        halo=depth * dice.even(0.05, 0.28),
        halo_nm=dice.even(2.0, 5.0) * look.focus,
        halo_side=dice.even(-0.9, 0.9),
    )


def _solid(dice: Dice, kind: Population, look: Look, x: float, y: float, size: float, angle: float) -> Disc:
    aspect = dice.near(kind.aspect)
    major = size / float(np.sqrt(aspect)) if kind.form == "dot" else size
    return Disc(
        class_name=kind.class_name,
        x_nm=x,
        y_nm=y,
        major_nm=major,
        minor_nm=major * aspect,
        angle_deg=angle,
        depth=dice.even(*kind.depth) * look.vigour,
        soft_nm=min(dice.even(*kind.soft_nm) * look.focus, 0.8 * major * aspect),
        lobes=harmonics(dice, {1: 0.5, 2: 0.3}),
        split=dice.even(0.2, 0.6) if dice.chance(0.15) else 0.0,
        outline=harmonics(dice, {2: 0.08, 3: 0.09}),
    )


_FORMS: dict[Form, Callable[[Dice, Population, Look, float, float, float, float], Drawn]] = {
    "open": _open,
    "double": _double,
    "edge_on": _edge_on,
    "solid": _solid,
    "dot": _solid,
}
