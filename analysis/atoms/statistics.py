"""Columns → numbers of the whole picture: how many, how dense, how far apart, on which lattice."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from analysis.atoms.lattice import angle_deg, find_vectors
from emserve.results import AtomsStatistics, Lattice, LatticeVector

Floats = npt.NDArray[np.float64]


def describe(
    xy_px: npt.NDArray[np.floating], shape: tuple[int, int], pixel_size_nm: tuple[float, float] | None
) -> AtomsStatistics:
    """Statistics of the columns of one picture.

    Distances in pm, and the lattice, are those of the specimen: with non-square pixels x and y are scaled each by its
    own pixel size before anything is measured. Distances in px are taken in the picture as it is stored. Without a
    pixel size, pixels are taken for square and what has a unit is None.

    Parameters
    ----------
    xy_px: (n, 2) columns.
    shape: (height, width) of the picture, the field of view.
    pixel_size_nm: of x and y, or None.
    """
    xy = np.asarray(xy_px, np.float64).reshape(-1, 2)
    near_px = _nearest(xy)
    near_pm = near_px * np.nan if pixel_size_nm is None else _nearest(xy * pixel_size_nm) * 1000
    density = None
    if pixel_size_nm is not None:
        density = len(xy) / (shape[0] * shape[1] * pixel_size_nm[0] * pixel_size_nm[1])
    return AtomsStatistics(
        count=len(xy),
        density_per_nm2=density,
        nearest_neighbour_mean_px=_number(near_px, np.mean),
        nearest_neighbour_median_px=_number(near_px, np.median),
        nearest_neighbour_std_px=_number(near_px, np.std),
        nearest_neighbour_mean_pm=_number(near_pm, np.mean),
        nearest_neighbour_median_pm=_number(near_pm, np.median),
        nearest_neighbour_std_pm=_number(near_pm, np.std),
        lattice=_lattice(xy, pixel_size_nm),
    )


def _nearest(xy: Floats) -> Floats:
    """Distance of each point to the next; none for fewer than two points."""
    return cKDTree(xy).query(xy, k=2)[0][:, 1] if len(xy) > 1 else np.empty(0)


def _number(values: Floats, of: Callable[[Floats], np.floating]) -> float | None:
    return float(of(values)) if len(values) and np.isfinite(values).all() else None


def _lattice(xy: Floats, pixel_size_nm: tuple[float, float] | None) -> Lattice | None:
    size = np.array(pixel_size_nm if pixel_size_nm is not None else (1.0, 1.0))
    vectors = find_vectors(xy * size)
    if vectors is None:
        return None
    a, b = (_vector(v, size, pixel_size_nm is not None) for v in vectors)
    return Lattice(a=a, b=b, gamma_deg=abs(a.angle_deg - b.angle_deg))


def _vector(vector: Floats, size: Floats, calibrated: bool) -> LatticeVector:
    x_px, y_px = (float(v) for v in vector / size)
    return LatticeVector(
        x_px=x_px,
        y_px=y_px,
        length_px=float(np.hypot(x_px, y_px)),
        length_pm=float(np.hypot(*vector)) * 1000 if calibrated else None,
        angle_deg=angle_deg(vector),
    )
