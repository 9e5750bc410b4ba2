"""Synthetic lattices with known columns, and a network of plain filters that finds them."""

from __future__ import annotations

import numpy as np
import scipy.ndimage as ndi

from emserve.results import ModelInfo

HALO = 24


class BlobNetwork:
    """Difference of Gaussians, squeezed into 0..1: local, the same everywhere, and good enough on clean pictures."""

    info = ModelInfo(name="blobs", family="atoms", version="0", sha256="0" * 64, runtime="fake", precision="fp32")

    def run(self, batch: np.ndarray) -> np.ndarray:
        out = np.empty_like(batch)
        for picture, answer in zip(batch[:, 0], out[:, 0], strict=True):
            narrow = ndi.gaussian_filter(picture, 1.5, truncate=4, mode="constant")
            wide = ndi.gaussian_filter(picture, 4.0, truncate=4, mode="constant")
            answer[:] = np.clip(2.5 * (narrow - wide), 0, 0.999)
        return out


def lattice(
    shape: tuple[int, int], a: tuple[float, float], b: tuple[float, float], *, basis=((0.0, 0.0),), margin: float = 0.0
) -> np.ndarray:
    """Columns (n, 2) of a lattice, as x, y in px, that lie inside the picture by `margin`."""
    reach = int(2 * max(shape) / min(np.hypot(*a), np.hypot(*b))) + 2
    i, j = (n.ravel()[:, None] for n in np.mgrid[-reach : reach + 1, -reach : reach + 1])
    corner = np.array(shape[::-1]) / 2 + 0.37
    xy = np.concatenate([corner + (i + u) * np.array(a) + (j + v) * np.array(b) for u, v in basis])
    high = np.array(shape[::-1]) - 1 - margin
    return xy[((xy >= margin) & (xy <= high)).all(axis=1)]


def draw(
    shape: tuple[int, int], xy: np.ndarray, sigma: float | tuple[float, float], height=1.0, *, angle_deg: float = 0.0
) -> np.ndarray:
    """A picture of Gaussians; `sigma` along and across `angle_deg`, counter-clockwise from x as seen on the screen."""
    along, across = np.broadcast_to(sigma, 2)
    cosine, sine = np.cos(np.radians(angle_deg)), -np.sin(np.radians(angle_deg))
    out = np.zeros(shape)
    reach = int(np.ceil(6 * max(along, across)))
    for (x, y), h in zip(xy, np.broadcast_to(height, len(xy)), strict=True):
        rows = np.arange(max(0, int(y) - reach), min(shape[0], int(y) + reach + 1))[:, None]
        columns = np.arange(max(0, int(x) - reach), min(shape[1], int(x) + reach + 1))
        u = (cosine * (columns - x) + sine * (rows - y)) / along
        v = (-sine * (columns - x) + cosine * (rows - y)) / across
        out[rows, columns] += h * np.exp(-0.5 * (u * u + v * v))
    return out
