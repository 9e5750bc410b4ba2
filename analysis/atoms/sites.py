"""Which sites of a fitted lattice hold a column, and which columns sit on no site: the judge of real micrographs.

A real micrograph has no list of true columns, but a crystal has no missing rows either: the lattice is fitted to the
columns, with the slow distortion that drift and scan give the picture, and its sites are the truth.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import breadth_first_order, connected_components
from scipy.spatial import ConvexHull, cKDTree

from analysis.atoms.lattice import find_vectors
from analysis.atoms.metrics import match

Floats = npt.NDArray[np.float64]

TOLERANCE = 0.3  # of the distance between nearest columns
_MIN_GROUP = 6  # columns that translations connect, to count as a sublattice
_MIN_OCCUPATION = 0.3  # of the fullest sublattice: less is a row of strays
_LOCAL = 12  # neighbours whose mean misfit moves a site


@dataclass(frozen=True)
class Sites:
    """A lattice fitted to columns, and its sites.

    Attributes
    ----------
    a, b: (2,) mean translations; basis: (m, 2) positions of the cell's columns in units of them.
    xy: (k, 2) sites, where slow distortion puts them.
    occupied: (k,) bool, whether a column is there.
    on_site: (n,) bool, which of the columns sit on a site.
    """

    a: Floats
    b: Floats
    basis: Floats
    xy: Floats
    occupied: npt.NDArray[np.bool_]
    on_site: npt.NDArray[np.bool_]

    @property
    def found(self) -> float:
        """Share of the sites that hold a column."""
        return float(self.occupied.mean()) if len(self.occupied) else 0.0

    @property
    def off_lattice(self) -> float:
        """Share of the columns that sit on no site."""
        return float(1 - self.on_site.mean()) if len(self.on_site) else 0.0


def fit_sites(
    xy: npt.NDArray[np.floating], *, shape: tuple[int, int] | None = None, margin_px: float = 0.0
) -> Sites | None:
    """Fit a lattice with its basis and a smooth distortion to columns, and look which sites are occupied.

    Columns that lattice translations connect are numbered along the translations, which follows any slow distortion.
    A cubic polynomial of the two numbers, and the mean misfit of the nearest columns, then say where the sites are.

    Parameters
    ----------
    xy: (n, 2) columns, square pixels.
    shape: (height, width): sites at least `margin_px` inside the picture are looked at; without it, those inside the
        convex hull of the columns.

    Returns
    -------
    None where the columns form no lattice.
    """
    xy = np.asarray(xy, np.float64).reshape(-1, 2)
    vectors = find_vectors(xy)
    if vectors is None:
        return None
    a, b = vectors
    nearest = float(np.median(cKDTree(xy).query(xy, k=2)[0][:, 1]))
    numbers, group = _number(xy, a, b, 0.25 * nearest)
    sizes = np.bincount(group)
    main = group == int(sizes.argmax())
    if sizes.max() < _MIN_GROUP:
        return None
    cell_vectors = np.column_stack([a, b])
    warp = _Warp.fit(numbers[main].astype(np.float64), xy[main])
    basis = _basis(warp.inverse(xy), group, cell_vectors, TOLERANCE * nearest)
    for _ in range(3):
        cell, site = _assign(warp.inverse(xy), basis, cell_vectors)
        near = np.hypot(*(warp(cell + basis[site]) - xy).T) < TOLERANCE * nearest
        offsets = warp.inverse(xy) - cell
        members = [near & (site == k) for k in range(len(basis))]
        basis = np.array([offsets[m].mean(axis=0) if m.any() else basis[k] for k, m in enumerate(members)])
        warp = _Warp.fit((cell + basis[site])[near], xy[near])
    low, high = cell[near].min(axis=0) - 3, cell[near].max(axis=0) + 3
    i, j = np.mgrid[low[0] : high[0] + 1, low[1] : high[1] + 1]
    cells = np.column_stack([i.ravel(), j.ravel()])
    sites = np.concatenate([warp(cells + offset) for offset in basis])
    misfit = xy[near] - warp((cell + basis[site])[near])
    _, index = cKDTree(xy[near]).query(sites, k=min(_LOCAL, int(near.sum())))
    sites = sites + misfit[index].mean(axis=1)
    looked_at = _region(sites, xy[near], shape, margin_px)
    pairs = match(xy, sites, TOLERANCE * nearest)
    occupied, on_site = np.zeros(len(sites), bool), np.zeros(len(xy), bool)
    occupied[pairs[:, 1]], on_site[pairs[:, 0]] = True, True
    return Sites(a, b, basis, sites[looked_at], occupied[looked_at], on_site)


@dataclass(frozen=True)
class _Warp:
    """A cubic polynomial from lattice numbers (i, j) to positions, and back."""

    centre: Floats
    extent: float
    coefficients: Floats  # (terms, 2)
    affine: Floats  # (3, 2): constant, i, j

    @classmethod
    def fit(cls, numbers: Floats, xy: Floats) -> _Warp:
        centre = numbers.mean(axis=0)
        extent = float(np.abs(numbers - centre).max())
        scaled = (numbers - centre) / extent
        affine = np.asarray(np.linalg.lstsq(_terms(scaled, 1), xy)[0], np.float64)
        if len(numbers) < 100:
            return cls(centre, extent, affine, affine)
        return cls(centre, extent, np.asarray(np.linalg.lstsq(_terms(scaled, 3), xy)[0], np.float64), affine)

    def __call__(self, numbers: Floats) -> Floats:
        return _terms((numbers - self.centre) / self.extent, 3)[:, : len(self.coefficients)] @ self.coefficients

    def inverse(self, xy: Floats) -> Floats:
        linear = np.linalg.inv(self.affine[1:])
        numbers = (xy - self.affine[0]) @ linear * self.extent + self.centre
        for _ in range(4):  # the distortion is small, so stepping with the affine part converges fast
            numbers = numbers + (xy - self(numbers)) @ linear * self.extent
        return numbers


def _terms(z: Floats, degree: int) -> Floats:
    x, y = z.T
    columns = [np.ones_like(x), x, y]
    if degree > 1:
        columns += [x * x, x * y, y * y, x**3, x * x * y, x * y * y, y**3]
    return np.column_stack(columns)


def _number(xy: Floats, a: Floats, b: Floats, tolerance: float) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Lattice numbers (n, 2) of the columns, from zero in each connected group, and the number of that group (n,)."""
    tree = cKDTree(xy)
    n = len(xy)
    steps: dict[tuple[int, int], tuple[int, int]] = {}
    for vector, number in ((a, (1, 0)), (b, (0, 1))):
        distance, target = tree.query(xy + vector, distance_upper_bound=tolerance)
        for i in np.flatnonzero(np.isfinite(distance)):
            steps[int(i), int(target[i])] = number
            steps[int(target[i]), int(i)] = (-number[0], -number[1])
    numbers = np.zeros((n, 2), np.intp)
    if not steps:
        return numbers, np.arange(n)
    edges = np.array(list(steps))
    graph = coo_array((np.ones(len(edges)), edges.T), shape=(n, n)).tocsr()
    group = connected_components(graph, directed=False)[1].astype(np.intp)
    for first in np.unique(group, return_index=True)[1]:
        order, parent = breadth_first_order(graph, first, directed=False)
        for i in order[1:]:
            numbers[i] = numbers[parent[i]] + steps[int(parent[i]), int(i)]
    return numbers, group


def _basis(numbers: Floats, group: npt.NDArray[np.intp], cell: Floats, tolerance: float) -> Floats:
    """Offsets (m, 2) of the sublattices, in units of the translations."""
    sizes = np.bincount(group)
    offsets: list[Floats] = []
    members: list[int] = []
    for number in np.argsort(-sizes, kind="stable"):
        if sizes[number] < min(_MIN_GROUP, int(sizes.max())):
            break
        phase = np.exp(2j * np.pi * numbers[group == number]).mean(axis=0)
        offset = np.angle(phase) / (2 * np.pi)
        for k, known in enumerate(offsets):
            apart = offset - known
            if np.hypot(*(cell @ (apart - np.rint(apart)))) < tolerance:
                members[k] += int(sizes[number])
                break
        else:
            offsets.append(offset)
            members.append(int(sizes[number]))
    full = np.array(members) >= _MIN_OCCUPATION * max(members)
    return np.array(offsets)[full]


def _assign(numbers: Floats, basis: Floats, cell: Floats) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """The cell (n, 2) and the member of the basis (n,) that each column is nearest to."""
    cells = np.rint(numbers[:, None] - basis).astype(np.intp)
    apart = (numbers[:, None] - basis - cells) @ cell.T
    site = np.hypot(apart[..., 0], apart[..., 1]).argmin(axis=1)
    return cells[np.arange(len(numbers)), site], site


def _region(sites: Floats, xy: Floats, shape: tuple[int, int] | None, margin: float) -> npt.NDArray[np.bool_]:
    if shape is None:
        hull = ConvexHull(xy).equations
        return (sites @ hull[:, :2].T + hull[:, 2] <= -margin).all(axis=1)
    height, width = shape
    high = np.array([width, height]) - 0.5 - margin
    inside: npt.NDArray[np.bool_] = np.all((sites >= margin - 0.5) & (sites <= high), axis=1)
    return inside
