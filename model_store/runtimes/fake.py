"""A network that needs no weights: a difference of Gaussians that turns bright blobs into peaks between 0 and 1.

For tests of everything around the network. It is deterministic, local (reach 18 px) and finds isolated or lattice
columns of about 2 to 5 px sigma, so that a service on it answers with real columns. It is never chosen by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from model_store.manifest import Precision, Tensors, WeightFormat

FORMAT: WeightFormat | None = None
INSTALL = ""

NARROW_PX = 2.0
WIDE_PX = 6.0
REACH_PX = 18
GAIN = 2.0


def available() -> bool:
    return True


def supports(precision: Precision) -> bool:
    return precision == "fp32"


def rank(precision: Precision) -> int:
    return 0


def gaussian(sigma_px: float) -> np.ndarray:
    """A Gaussian of sum 1, 2 * REACH_PX + 1 long."""
    weights = np.exp(-0.5 * (np.arange(-REACH_PX, REACH_PX + 1) / sigma_px) ** 2)
    return (weights / weights.sum()).astype(np.float32)


def _smoothed(image: np.ndarray, sigma_px: float) -> np.ndarray:
    kernel = gaussian(sigma_px)
    padded = np.pad(image, REACH_PX, mode="edge")
    rows = sum(weight * padded[i : i + image.shape[0]] for i, weight in enumerate(kernel))
    return np.asarray(sum(weight * rows[:, i : i + image.shape[1]] for i, weight in enumerate(kernel)))


class Session:
    """(N, 1, H, W) float32 in, the same shape out."""

    def run(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        (batch,) = inputs
        blobs = [_smoothed(image, NARROW_PX) - _smoothed(image, WIDE_PX) for image in batch[:, 0]]
        return [np.clip(GAIN * np.stack(blobs), 0, 1)[:, None] ** 2]


def open_session(file: Path, tensors: Tensors, precision: Precision, threads: int) -> Session:
    return Session()
