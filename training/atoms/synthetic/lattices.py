"""Crystals and viewing directions of the simulated micrographs, and which of their columns count as atom columns.

Every crystal is described by an orthogonal cell whose z axis is the beam, x and y the directions across the picture. A
projected cell is the smallest orthogonal rectangle that repeats in projection; the cell may hold two of them in x where
the crystal's layers are stacked with a shift.

Which columns are labelled: those that stand out by themselves in a high-angle annular dark-field (HAADF) picture of
usual quality. Intensity goes about as Z^1.7, so columns of oxygen alone (Z = 8, next to Sr, Ti or Dy) are not labelled;
in WS2 both W and the pair of S atoms are (they share no site with anything brighter). In DyScO3 [110] the mixed Sc-O
columns stand alone between the much brighter Dy ones and are resolved, as the Ti-O columns of SrTiO3 [100] are, so both
sublattices are labelled. A Dy column looks a little wide: its atoms sit at two sites 0.13 Å apart, one column, not two.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

#: Root mean square displacement along one direction at room temperature, Å. Sr, Ti, O, W and S as published with the
#: benchmark of atom-finding networks; Si from its B factor of 0.46 Å²; Dy and Sc of the heavy perovskite sites' size.
RMS_DISPLACEMENT = {
    "Sr": 0.0887,
    "Ti": 0.0746,
    "O": 0.0947,
    "W": 0.0230,
    "S": 0.0710,
    "Si": 0.0760,
    "Dy": 0.0700,
    "Sc": 0.0750,
}


@dataclass(frozen=True)
class Lattice:
    """One crystal seen along one direction.

    `cell` is the orthogonal repeat in Å along (x, y, beam); `sites` are (element, x, y, z) in fractions of it.
    `columns` are the labelled columns (name, x, y) in fractions of the projected cell, which is `cell[0] / periods_x`
    by `cell[1]`. `layers` is the number of repeats along the beam of a free-standing 2-D crystal, None for a foil
    of any thickness.
    """

    name: str
    title: str
    cell: tuple[float, float, float]
    sites: tuple[tuple[str, float, float, float], ...]
    columns: tuple[tuple[str, float, float], ...]
    periods_x: int = 1
    layers: int | None = None

    @property
    def projected_cell(self) -> tuple[float, float]:
        """Size (x, y) of the rectangle that repeats in projection, Å."""
        return self.cell[0] / self.periods_x, self.cell[1]

    @property
    def column_positions(self) -> np.ndarray:
        """Labelled columns of one projected cell, (n, 2) in Å, all inside it."""
        fractions = np.array([column[1:] for column in self.columns], dtype=float) % 1.0
        return fractions * np.array(self.projected_cell)

    @property
    def smallest_distance_a(self) -> float:
        """Smallest distance between two labelled columns, Å."""
        size = np.array(self.projected_cell)
        difference = self.column_positions[:, None] - self.column_positions[None]
        difference -= np.round(difference / size) * size
        distance = np.linalg.norm(difference, axis=-1)
        return float(np.min(distance[distance > 0], initial=float(size.min())))

    @property
    def density_per_nm2(self) -> float:
        """Labelled columns per square nanometre."""
        width, height = self.projected_cell
        return 100.0 * len(self.columns) / (width * height)


def _strontium_titanate_100() -> Lattice:
    a = 3.905
    sites = (
        ("Sr", 0.0, 0.0, 0.0),
        ("Ti", 0.5, 0.5, 0.5),
        ("O", 0.5, 0.5, 0.0),
        ("O", 0.5, 0.0, 0.5),
        ("O", 0.0, 0.5, 0.5),
    )
    return Lattice("srtio3_100", "SrTiO3 [100]", (a, a, a), sites, (("Sr", 0.0, 0.0), ("Ti-O", 0.5, 0.5)))


def _strontium_titanate_110() -> Lattice:
    a = 3.905
    diagonal = a * np.sqrt(2.0)
    # x = [1-10], y = [001], beam = [110]; the fractions below are of (a√2, a, a√2).
    cubic = (
        ("Sr", 0.0, 0.0, 0.0),
        ("Ti", 0.5, 0.5, 0.5),
        ("O", 0.5, 0.5, 0.0),
        ("O", 0.5, 0.0, 0.5),
        ("O", 0.0, 0.5, 0.5),
    )
    sites = []
    for element, x, y, z in cubic:
        for shift in (0.0, 1.0):
            sites.append((element, (x + shift - y) / 2 % 1.0, z, (x + shift + y) / 2 % 1.0))
    columns = (("Sr-O", 0.0, 0.0), ("Ti", 0.0, 0.5))
    return Lattice("srtio3_110", "SrTiO3 [110]", (diagonal, a, diagonal), tuple(sites), columns, periods_x=2)


def _silicon_110() -> Lattice:
    a = 5.431
    half = a / np.sqrt(2.0)
    # x = [1-10], y = [001], beam = [110]; one dumbbell is two columns a/4 = 1.358 Å apart along y.
    sites = (("Si", 0.0, 0.0, 0.0), ("Si", 0.0, 0.25, 0.5), ("Si", 0.5, 0.5, 0.5), ("Si", 0.5, 0.75, 0.0))
    columns = (("Si", 0.0, 0.0), ("Si", 0.0, 0.25), ("Si", 0.5, 0.5), ("Si", 0.5, 0.75))
    return Lattice("si_110", "Si [110]", (half, a, half), sites, columns)


def _tungsten_disulfide_0001() -> Lattice:
    a = 3.153
    cell = (a, a * np.sqrt(3.0), 12.0)
    sulphur = 1.57 / cell[2]  # half the distance between the two S planes
    sites = []
    for x, y in ((0.0, 0.0), (0.5, 0.5)):
        sites.append(("W", x, y, 0.5))
        for sign in (-1.0, 1.0):
            sites.append(("S", x, (y + 1.0 / 3.0) % 1.0, 0.5 + sign * sulphur))
    columns = (("W", 0.0, 0.0), ("W", 0.5, 0.5), ("S2", 0.0, 1.0 / 3.0), ("S2", 0.5, 5.0 / 6.0))
    return Lattice("ws2_0001", "WS2 [0001], one layer", cell, tuple(sites), columns, layers=1)


def _dysprosium_scandate_110() -> Lattice:
    # GdFeO3 type, Pbnm, a = 5.443, b = 5.717, c = 7.901 Å; rounded positions with Sc-O bonds of 2.07 to 2.11 Å. [110]
    # and [1-10] are 2.8° off square, so the cell across the beam is made square at the same area, a = b = √(ab), which
    # changes the spacing across the beam by 0.1 %.
    a, c = float(np.sqrt(5.443 * 5.717)), 7.901
    diagonal = a * np.sqrt(2.0)
    dy, o1, o2 = (-0.0172, 0.0609), (0.1196, 0.4437), (0.6926, 0.3039, 0.0613)
    orthorhombic: list[tuple[str, float, float, float]] = []
    for element, (x, y) in (("Dy", dy), ("O", o1)):
        orthorhombic += [
            (element, x, y, 0.25),
            (element, -x, -y, 0.75),
            (element, x + 0.5, 0.5 - y, 0.75),
            (element, 0.5 - x, y + 0.5, 0.25),
        ]
    orthorhombic += [("Sc", 0.5, 0.0, 0.0), ("Sc", 0.5, 0.0, 0.5), ("Sc", 0.0, 0.5, 0.0), ("Sc", 0.0, 0.5, 0.5)]
    x, y, z = o2
    for sign in (1.0, -1.0):
        orthorhombic += [
            ("O", sign * x, sign * y, sign * z),
            ("O", 0.5 - sign * x, 0.5 + sign * y, 0.5 - sign * z),
            ("O", sign * x, sign * y, 0.5 - sign * z),
            ("O", 0.5 - sign * x, 0.5 + sign * y, sign * z),
        ]
    sites = []
    for element, x, y, z in orthorhombic:
        for shift in (0.0, 1.0):
            sites.append((element, (x + shift - y) / 2 % 1.0, z % 1.0, (x + shift + y) / 2 % 1.0))
    # Two Dy sites follow each other along the beam, at x - y of -0.0781 and -0.0437 (the opposite in the other row).
    dy_x = float(np.mean([dy[0] - dy[1], -dy[0] - dy[1]]))
    columns = (("Dy", dy_x, 0.25), ("Dy", -dy_x, 0.75), ("Sc-O", 0.5, 0.0), ("Sc-O", 0.5, 0.5))
    return Lattice("dysco3_110", "DyScO3 [110]", (diagonal, c, diagonal), tuple(sites), columns, periods_x=2)


@cache
def lattices() -> dict[str, Lattice]:
    """All lattices by name, in the benchmark paper's order."""
    made = (
        _strontium_titanate_100(),
        _strontium_titanate_110(),
        _silicon_110(),
        _tungsten_disulfide_0001(),
        _dysprosium_scandate_110(),
    )
    return {lattice.name: lattice for lattice in made}


#: Names of the lattices that pictures can be drawn of.
LATTICES: tuple[str, ...] = tuple(lattices())
