"""Pictures to look at: found columns and lattice sites over the micrograph, batches of the training."""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import numpy as np
import numpy.typing as npt
from matplotlib import pyplot as plt

from analysis.intensity import scale
from training.atoms.dataset import Batch


def draw_columns(
    pixels: npt.NDArray[np.float32],
    columns: npt.NDArray[np.float64],
    path: Path,
    *,
    missed: npt.NDArray[np.float64] | None = None,
    stray: npt.NDArray[np.float64] | None = None,
) -> None:
    """Writes a PNG: columns (n, 2) as dots, sites without a column as open yellow squares, strays as blue crosses."""
    height, width = pixels.shape
    figure = plt.figure(figsize=(width / 60, height / 60), dpi=100)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.imshow(scale(pixels), cmap="gray", vmin=0, vmax=1)
    axes.plot(columns[:, 0], columns[:, 1], ".", color="red", markersize=3)
    if missed is not None:
        axes.plot(missed[:, 0], missed[:, 1], "s", color="yellow", markersize=9, fillstyle="none")
    if stray is not None:
        axes.plot(stray[:, 0], stray[:, 1], "x", color="deepskyblue", markersize=8)
    axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
    axes.axis("off")
    figure.savefig(path)
    plt.close(figure)


def draw_batch(batch: Batch, path: Path) -> None:
    """Writes a PNG: every picture of a batch with its map below it."""
    pictures, maps = batch.pictures[:, 0].numpy(), batch.maps[:, 0].numpy()
    rows = [np.hstack(list(np.clip(part, 0, 1))) for part in (pictures, maps)]
    plt.imsave(path, np.vstack(rows), cmap="gray", vmin=0, vmax=1)
