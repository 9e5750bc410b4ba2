"""How far the weakest columns of a lattice stand out, and how much blur leaves them visible."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy import ndimage

from training.atoms.synthetic.random_lattices import is_random
from training.atoms.synthetic.unit_cell import unit_cell

#: Full width at half maximum of a column before the source's blur (probe and vibrating atoms), nm.
PROBE_FWHM_NM = 0.075
#: Full width at half maximum of a Gaussian over its standard deviation.
FWHM = float(np.sqrt(8.0 * np.log(2.0)))


def contrast(name: str, fwhm_nm: float, tail: float, thickness_nm: float) -> float:
    """Height of the weakest labelled column over its surroundings, relative to the brightest column's height.

    The surroundings are the circle half-way to the nearest column of the lattice: where the weak column drowns in the
    flanks of bright neighbours this is negative, though there is an atom.
    """
    cell = unit_cell(name)
    stack = cell.sample(np.eye(2) * (10.0 * fwhm_nm / FWHM) ** 2, tail)
    picture = stack[max(1, round(float(cell.layer(thickness_nm))))]
    size = np.array(cell.lattice.projected_cell)
    angle = np.linspace(0.0, 2.0 * np.pi, 24, endpoint=False)
    circle = 0.5 * cell.lattice.smallest_distance_a * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    centres = cell.lattice.column_positions
    points = np.concatenate([centres[:, None], centres[:, None] + circle], axis=1) / size
    points = points % 1.0 * [picture.shape[1], picture.shape[0]]
    values = ndimage.map_coordinates(picture, [points[..., 1], points[..., 0]], order=1, mode="grid-wrap")
    heights = values[:, 0] - values[:, 1:].mean(axis=1)
    return float(heights.min() / (picture.max() - np.quantile(picture, 0.1)))


@lru_cache(maxsize=64)
def widest_source_nm(name: str, least: float) -> float:
    """Largest full width at half maximum of the source that leaves the weakest column a contrast of `least`.

    Never more than 0.8 of the smallest distance between columns, which keeps the closest two apart.
    """
    # Coarser for a random lattice: it is drawn once, and each width costs as much as a tenth of its picture.
    widths = np.arange(0.03, 0.25, 0.03 if is_random(name) else 0.005)
    seen = [width for width in widths if contrast(name, float(width), 0.1, 8.0) >= least]
    return float(min(max(seen, default=widths[0]), 0.08 * unit_cell(name).lattice.smallest_distance_a))
