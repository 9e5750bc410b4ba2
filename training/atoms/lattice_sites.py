"""The sites of a real lattice, fitted to the columns that were found: the truth where nobody marked the columns.

Columns that are a lattice vector apart belong to the same sublattice. Walking from column to column gives each its
indices (i, j); a polynomial of low order in the indices then says where every site of the field of view is, for it
follows the scan's slow distortions and not the single column.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

Points = npt.NDArray[np.float64]


@dataclass(frozen=True)
class SiteReport:
    """How the found columns compare with the sites of their own lattice, well inside the picture.

    found: share of the sites that have a column. off: share of the columns that are at no site. rms_px: of the
    columns from their sites. sublattices: how many sublattices the motif has. sites: the (n, 2) positions.
    """

    found: float
    off: float
    rms_px: float
    sublattices: int
    n_sites: int
    n_columns: int
    sites: Points
    missed: Points
    stray: Points


def compare_with_sites(
    xy: Points,
    vectors: npt.NDArray[np.float64],
    shape: tuple[int, int],
    *,
    tolerance_px: float,
    margin_px: float,
    order: int = 3,
) -> SiteReport:
    """Fits the sites of the lattice with the two given vectors to columns, and compares.

    Args:
        xy: (n, 2) columns. vectors: (2, 2), the lattice vectors a and b in rows, px. shape: (height, width).
        tolerance_px: how far from its site a column may be. margin_px: sites and columns nearer to the border are left
            out. order: of the polynomial.

    Raises:
        ValueError: no sublattice has enough columns to be fitted.
    """
    members = [part for part in _sublattices(xy, vectors) if len(part) >= max(20, len(xy) // 50)]
    if not members:
        raise ValueError("the columns form no lattice with these vectors")
    height, width = shape
    low, high = np.array([margin_px, margin_px]), np.array([width - 1 - margin_px, height - 1 - margin_px])
    sites = []
    for part in members:
        index = np.array(list(part.values()), dtype=np.float64)
        place = xy[list(part)]
        fit = _Polynomial.fit(index, place, order)
        reach = 3
        first, last = index.min(axis=0) - reach, index.max(axis=0) + reach
        grid = np.stack(np.meshgrid(*(np.arange(a, b + 1) for a, b in zip(first, last, strict=True))), axis=-1).reshape(
            -1, 2
        )
        # Far from any column the polynomial means nothing.
        grid = grid[cKDTree(index).query(grid)[0] <= reach]
        sites.append(fit(grid))
    site = np.concatenate(sites)
    site = site[((site >= low) & (site <= high)).all(axis=1)]
    inner = xy[((xy >= low) & (xy <= high)).all(axis=1)]
    to_column, _ = cKDTree(xy).query(site)
    to_site, _ = cKDTree(np.concatenate(sites)).query(inner)
    hit, on = to_column <= tolerance_px, to_site <= tolerance_px
    return SiteReport(
        found=float(hit.mean()),
        off=float(1 - on.mean()),
        rms_px=float(np.sqrt(np.mean(to_site[on] ** 2))),
        sublattices=len(members),
        n_sites=len(site),
        n_columns=len(inner),
        sites=site,
        missed=site[~hit],
        stray=inner[~on],
    )


def _sublattices(xy: Points, vectors: npt.NDArray[np.float64]) -> list[dict[int, tuple[int, int]]]:
    """Columns reached from one another by lattice vectors: for each such set, column → indices, largest set first."""
    tree = cKDTree(xy)
    tolerance = 0.18 * float(np.linalg.norm(vectors, axis=1).min())
    steps = [(1, 0), (-1, 0), (0, 1), (0, -1)]
    neighbours = []
    for step in steps:
        distance, neighbour = tree.query(xy + np.array(step) @ vectors)
        neighbours.append(np.where(distance <= tolerance, neighbour, -1))
    out: list[dict[int, tuple[int, int]]] = []
    seen = np.zeros(len(xy), bool)
    for start in range(len(xy)):
        if seen[start]:
            continue
        part = {start: (0, 0)}
        queue = deque([start])
        seen[start] = True
        while queue:
            current = queue.popleft()
            i, j = part[current]
            for (di, dj), table in zip(steps, neighbours, strict=True):
                neighbour = int(table[current])
                if neighbour >= 0 and not seen[neighbour]:
                    seen[neighbour] = True
                    part[neighbour] = (i + di, j + dj)
                    queue.append(neighbour)
        out.append(part)
    return sorted(out, key=len, reverse=True)


@dataclass(frozen=True)
class _Polynomial:
    coefficients: npt.NDArray[np.float64]
    centre: npt.NDArray[np.float64]
    reach: npt.NDArray[np.float64]
    order: int

    @staticmethod
    def fit(index: Points, place: Points, order: int) -> _Polynomial:
        """Least squares, twice: the second time without what is far from the first fit."""
        centre = (index.min(axis=0) + index.max(axis=0)) / 2
        reach = np.maximum(np.ptp(index, axis=0) / 2, 1.0)
        keep = np.ones(len(index), bool)
        polynomial = _Polynomial(np.zeros((1, 2)), centre, reach, order)
        for _ in range(3):
            terms = polynomial._terms(index[keep])
            coefficients = np.linalg.lstsq(terms, place[keep], rcond=None)[0]
            polynomial = _Polynomial(coefficients, centre, reach, order)
            error = np.linalg.norm(polynomial(index) - place, axis=1)
            keep = error <= max(4 * float(np.median(error)), 1e-6)
        return polynomial

    def _terms(self, index: Points) -> Points:
        u, v = ((index - self.centre) / self.reach).T
        return np.stack([u**p * v**q for p in range(self.order + 1) for q in range(self.order + 1 - p)], axis=1)

    def __call__(self, index: Points) -> Points:
        return self._terms(index) @ self.coefficients
