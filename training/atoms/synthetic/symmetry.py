"""The symmetry of a lattice in projection, found from its atoms, and imposed on simulated pictures."""

from __future__ import annotations

import itertools

import numpy as np

from training.atoms.synthetic.lattices import Lattice

Operation = tuple[np.ndarray, np.ndarray]


def operations(lattice: Lattice, tolerance_a: float = 0.02) -> list[Operation]:
    """Symmetry operations (matrix 2 × 2, translation) of the projected structure, in fractions of the projected cell.

    Axis-parallel mirrors, the twofold rotation and, for square cells, the exchange of the axes are tried with every
    translation that takes the first atom onto another of its element. Atoms count with their number per column.
    """
    size = np.array(lattice.projected_cell)
    elements = np.array([site[0] for site in lattice.sites])
    points = np.array([site[1:3] for site in lattice.sites]) * np.array(lattice.cell[:2]) / size % 1.0
    rarest = min(sorted(set(elements)), key=lambda element: int(np.sum(elements == element)))
    first = points[elements == rarest][0]
    matrices = [np.diag(signs).astype(float) for signs in itertools.product((1, -1), repeat=2)]
    if np.isclose(*size):
        matrices += [np.diag(signs).astype(float)[::-1] for signs in itertools.product((1, -1), repeat=2)]
    found: list[Operation] = []
    for matrix in matrices:
        for target in points[elements == rarest]:
            shift = (target - matrix @ first) % 1.0
            if any(np.allclose(matrix, m) and _apart(shift, s, size) < tolerance_a for m, s in found):
                continue
            if _maps_onto_itself(points, elements, matrix, shift, size, tolerance_a):
                found.append((matrix, shift))
    return found


def _apart(a: np.ndarray, b: np.ndarray, size: np.ndarray) -> float:
    difference = a - b
    return float(np.linalg.norm((difference - np.round(difference)) * size))


def _maps_onto_itself(
    points: np.ndarray,
    elements: np.ndarray,
    matrix: np.ndarray,
    shift: np.ndarray,
    size: np.ndarray,
    tolerance_a: float,
) -> bool:
    moved = points @ matrix.T + shift
    difference = moved[:, None] - points[None]
    distance = np.linalg.norm((difference - np.round(difference)) * size, axis=-1)
    near_before = np.linalg.norm(
        (points[:, None] - points[None] - np.round(points[:, None] - points[None])) * size, axis=-1
    )
    same = elements[:, None] == elements[None]
    counts_after = np.sum((distance < tolerance_a) & same, axis=1)
    counts_before = np.sum((near_before < tolerance_a) & same, axis=1)
    return bool(np.all(counts_after == counts_before))


def symmetrise(pictures: np.ndarray, lattice: Lattice) -> np.ndarray:
    """Average pictures of one projected cell, (n, y, x) with odd sizes, over the structure's symmetry.

    Works on Fourier coefficients, so that translations by fractions of a pixel are exact.
    """
    _, height, width = pictures.shape
    if height % 2 == 0 or width % 2 == 0:
        raise ValueError(f"the numbers of probe positions must be odd, not {height} × {width}")
    coefficients = np.fft.fft2(pictures)
    ky, kx = np.meshgrid(np.fft.fftfreq(height, 1.0 / height), np.fft.fftfreq(width, 1.0 / width), indexing="ij")
    total = np.zeros_like(coefficients)
    found = operations(lattice)
    for matrix, shift in found:
        # f'(r) = f(M⁻¹(r - t)): its coefficient at k is f's at Mᵀk, times the phase of the translation.
        jx = np.round(matrix[0, 0] * kx + matrix[1, 0] * ky).astype(int)
        jy = np.round(matrix[0, 1] * kx + matrix[1, 1] * ky).astype(int)
        phase = np.exp(-2j * np.pi * (kx * shift[0] + ky * shift[1]))
        total += coefficients[:, jy % height, jx % width] * phase
    return np.fft.ifft2(total / len(found)).real
