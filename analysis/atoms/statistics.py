"""Columns → numbers of the whole picture: how many, how dense, how far apart, on which lattice."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from analysis.atoms.lattice import angle_deg, find_vectors
from emserve.results import AtomsStatistics, Lattice, LatticeVector

Floats = npt.NDArray[np.float64]

_SHELL = 1.25  # the second shell begins at 1.41 in a square lattice


def describe(
    xy_px: npt.NDArray[np.floating], shape: tuple[int, int], pixel_size_nm: tuple[float, float] | None
) -> AtomsStatistics:
    """Statistics of the columns of one picture.

    Nearest-neighbour distances are the lengths of all bonds of the first shell (`first_shell`). Distances in pm, and
    the lattice, are those of the specimen: with non-square pixels x and y are scaled each by its own pixel size before
    anything is measured. Distances in px are taken in the picture as it is stored. Without a pixel size, pixels are
    taken for square and what has a unit is None.

    Parameters
    ----------
    xy_px: (n, 2) columns.
    shape: (height, width) of the picture, the field of view.
    pixel_size_nm: of x and y, or None.
    """
    xy = np.asarray(xy_px, np.float64).reshape(-1, 2)
    near_px = first_shell(xy)
    near_pm = np.empty(0) if pixel_size_nm is None else first_shell(xy * pixel_size_nm) * 1000
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


def first_shell(xy: npt.NDArray[np.floating]) -> Floats:
    """Lengths of the bonds between nearest neighbours, each bond once.

    Bonds are the pairs closer than 1.25 times the median distance to the one nearest column: all neighbours of the
    first shell (four in a square lattice, three in a honeycomb, one in a dumbbell). The distance to the one nearest
    column alone would come out too small: it is the smallest of several that noise and shear make unequal.
    """
    xy = np.asarray(xy, np.float64).reshape(-1, 2)
    if len(xy) < 2:
        return np.empty(0)
    tree = cKDTree(xy)
    reach = _SHELL * float(np.median(tree.query(xy, k=2)[0][:, 1]))
    pairs = tree.query_pairs(reach, output_type="ndarray")
    return np.hypot(*(xy[pairs[:, 0]] - xy[pairs[:, 1]]).T)


def _number(values: Floats, of: Callable[[Floats], np.floating]) -> float | None:
    return float(of(values)) if len(values) else None


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
