"""The simulated HAADF intensity of one projected cell, at any position, for any thickness and any source size."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

from training.atoms.synthetic.lattices import Lattice, lattices
from training.atoms.synthetic.random_lattices import DEPTH_A, is_random, random_cell

FOLDER = Path(__file__).parent / "unit_cells"

#: Step of the grid that is interpolated linearly, Å; a sharp column loses at most 0.4 % of its height between points.
STEP_A = 0.05


@dataclass(frozen=True)
class UnitCell:
    """Fourier coefficients of the picture of one projected cell for several thicknesses.

    `coefficients` is (n, y, x) complex, of the fraction of the beam on the detector; `thickness_nm` is (n,), rising
    from 0, where the intensity is 0. Between two thicknesses intensity is linear.
    """

    lattice: Lattice
    coefficients: np.ndarray
    thickness_nm: np.ndarray
    meta: dict[str, Any]

    def sample(self, covariance_a2: np.ndarray, tail: float = 0.0) -> np.ndarray:
        """Picture of the cell, (n, y, x) float32 at steps of about STEP_A, blurred by the source.

        The blur is a Gaussian of the 2 × 2 covariance in Å² (crystal axes); a share `tail` of it is three times as
        wide, which is what a real source and a contaminated lens leave around a column.
        """
        width, height = self.lattice.projected_cell
        nx, ny = (int(np.ceil(length / STEP_A / 2)) * 2 for length in (width, height))
        _, rows, columns = self.coefficients.shape
        ky = np.fft.fftfreq(rows, height / rows)[:, None]
        kx = np.fft.fftfreq(columns, width / columns)[None, : columns // 2 + 1]
        exponent = (
            -2.0
            * np.pi**2
            * (covariance_a2[0, 0] * kx**2 + 2.0 * covariance_a2[0, 1] * kx * ky + covariance_a2[1, 1] * ky**2)
        )
        envelope = (1.0 - tail) * np.exp(exponent) + tail * np.exp(9.0 * exponent)
        padded = np.zeros((len(self.coefficients), ny, nx // 2 + 1), dtype=np.complex64)
        half = rows // 2 + 1
        kept = self.coefficients[:, :, : columns // 2 + 1] * envelope
        padded[:, :half, : columns // 2 + 1] = kept[:, :half]
        padded[:, ny - rows // 2 :, : columns // 2 + 1] = kept[:, half:]
        return np.fft.irfft2(padded, s=(ny, nx)).astype(np.float32) * np.float32(nx * ny / (rows * columns))

    def layer(self, thickness_nm: np.ndarray | float) -> np.ndarray:
        """Fractional index into the thickness series; more than the thickest counts as the thickest."""
        return np.interp(np.asarray(thickness_nm), self.thickness_nm, np.arange(len(self.thickness_nm)))


def unit_cell(name: str) -> UnitCell:
    """The unit cell of one lattice: a committed one, or that of a random lattice.

    An unknown name is a KeyError that lists the known ones.
    """
    return _random(name) if is_random(name) else _committed(name)


@lru_cache(maxsize=16)
def _random(name: str) -> UnitCell:
    cell = random_cell(name)
    coefficients = np.stack([np.zeros_like(cell.coefficients), cell.coefficients])
    return UnitCell(cell.lattice, coefficients, np.array([0.0, DEPTH_A / 10.0]), {"lattice": name})


@cache
def _committed(name: str) -> UnitCell:
    if name not in lattices():
        raise KeyError(f"unknown lattice {name!r}; known: {', '.join(lattices())}")
    with np.load(FOLDER / f"{name}.npz", allow_pickle=False) as arrays:
        intensity = arrays["intensity"].astype(np.float64)
        thickness = arrays["thickness_nm"]
        meta = json.loads(str(arrays["meta"]))
    coefficients = np.fft.fft2(np.concatenate([np.zeros_like(intensity[:1]), intensity]))
    return UnitCell(lattices()[name], coefficients.astype(np.complex64), np.concatenate([[0.0], thickness]), meta)


def interpolate(stack: np.ndarray, u: np.ndarray, v: np.ndarray, layer: np.ndarray) -> np.ndarray:
    """Linear interpolation in a periodic cell and, across it, in the thickness series.

    `stack` is (n, y, x); `u` and `v` are fractions of the cell in x and y (any real number), `layer` the fractional
    index along the series. All three have one shape, which the float32 result has too.
    """
    _, ny, nx = stack.shape
    padded = np.pad(stack, ((0, 0), (0, 1), (0, 1)), mode="wrap")
    coordinates = np.empty((3, *u.shape), dtype=np.float32)
    coordinates[0] = layer
    coordinates[1] = (v - np.floor(v)) * ny
    coordinates[2] = (u - np.floor(u)) * nx
    return ndimage.map_coordinates(padded, coordinates, order=1, mode="nearest", output=np.float32)


@lru_cache(maxsize=32)
def nearest_column(name: str, step_a: float = 0.1) -> np.ndarray:
    """Vector from every point of a projected cell to its nearest labelled column, (y, x, 2) float32 in Å."""
    lattice = unit_cell(name).lattice
    width, height = lattice.projected_cell
    nx, ny = int(np.ceil(width / step_a)), int(np.ceil(height / step_a))
    x = (np.arange(nx) + 0.5) * width / nx
    y = (np.arange(ny) + 0.5) * height / ny
    points = np.stack(np.meshgrid(x, y), axis=-1)
    difference = lattice.column_positions - points[:, :, None, :]
    size = np.array([width, height])
    difference -= np.round(difference / size) * size
    best = np.argmin(np.sum(difference**2, axis=-1), axis=-1)
    return np.take_along_axis(difference, best[:, :, None, None], axis=2)[:, :, 0].astype(np.float32)
