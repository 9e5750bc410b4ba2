"""Other ways to find atom columns, each as one function: pixels in, positions out.

Every peer is helped with what emserve has to find out by itself: the distance of the nearest neighbours.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import trackpy
from scipy import ndimage
from skimage.feature import blob_log, peak_local_max

from benchmarks.pictures import Picture
from training.atoms.networks.cubic import Cubic, load_published

PUBLISHED = "published cubic network, eager PyTorch"


@dataclass(frozen=True)
class Peer:
    """A contestant: its name as it is printed, and how it finds columns, positions (n, 2) as x, y in px."""

    name: str
    find: Callable[[Picture], np.ndarray]


def peers(weights: Path | None) -> list[Peer]:
    """All of them; the published network takes part where its weights are."""
    found = [
        Peer("peak_local_max", lambda p: local_maxima(p.pixels, p.neighbour_px)),
        Peer("trackpy", lambda p: tracked(p.pixels, p.neighbour_px)),
    ]
    if weights is not None and weights.is_file():
        network = load_published(weights)
        found = [
            Peer(f"{PUBLISHED}, blob_log", lambda p: blobs(column_map(network, p.pixels), p.neighbour_px)),
            Peer(f"{PUBLISHED}, threshold and centre", lambda p: centres(column_map(network, p.pixels))),
            *found,
        ]
    return found


def column_map(network: Cubic, pixels: np.ndarray) -> np.ndarray:
    """Probability map of the published network, its input scaled by minimum and maximum as its authors do."""
    low, high = float(pixels.min()), float(pixels.max())
    scaled = (pixels - low) / (high - low)
    height, width = (side - side % 4 for side in scaled.shape)
    with torch.inference_mode():
        batch = torch.from_numpy(np.ascontiguousarray(scaled[None, None, :height, :width], dtype=np.float32))
        return network(batch)[0, 0].numpy()


def blobs(column_map: np.ndarray, distance_px: float) -> np.ndarray:
    """Laplacian of Gaussian over ten scales (scikit-image), up to the blobs that would touch."""
    largest = max(2.0, distance_px / 2 / np.sqrt(2))
    found = blob_log(column_map, min_sigma=1.0, max_sigma=largest, num_sigma=10, threshold=0.1)
    return found[:, 1::-1]


def centres(column_map: np.ndarray) -> np.ndarray:
    """The authors' own way: threshold at one half, then the centre of every region, 5 px away from the edges."""
    labels, count = ndimage.label(column_map > 0.5)
    found = np.asarray(ndimage.center_of_mass(column_map > 0.5, labels, np.arange(1, count + 1))).reshape(-1, 2)
    height, width = column_map.shape
    inside = np.all((found >= 5) & (found <= (height - 5, width - 5)), axis=1)
    return found[inside, ::-1]


def local_maxima(pixels: np.ndarray, distance_px: float) -> np.ndarray:
    """Maxima of the smoothed picture that are above the mean of their surroundings."""
    band = ndimage.gaussian_filter(pixels, distance_px / 8) - ndimage.gaussian_filter(pixels, distance_px)
    found = peak_local_max(band, min_distance=max(1, round(distance_px / 2.5)), threshold_abs=0.0)
    return found[:, ::-1].astype(float)


def tracked(pixels: np.ndarray, distance_px: float) -> np.ndarray:
    """trackpy.locate, with a feature as large as the distance of the neighbours."""
    low, high = float(pixels.min()), float(pixels.max())
    scaled = np.round((pixels - low) / (high - low) * 255).astype(np.uint8)
    diameter = int(distance_px * 0.7) // 2 * 2 + 1
    found = trackpy.locate(scaled, max(3, diameter), separation=distance_px * 0.7)
    return found[["x", "y"]].to_numpy()
