"""Networks that need no weights, for tests of everything around the network; never chosen by themselves.

One picture in, one map out: a difference of Gaussians that turns bright blobs into peaks between 0 and 1. It is
deterministic, local (reach 18 px) and finds isolated or lattice columns of about 2 to 5 px sigma.

One picture in, `boxes`, `scores`, `classes` and `masks` out, as of a Mask R-CNN: whatever is darker than a grey level
of 100 and has at least 20 px is a defect; wide ones are of class 0, narrow ones of class 1 and small ones of class 2.

A batch of pictures in, `masks` out, as of a U-Net++ for dislocation lines: of what is darker than 0.4 and has at least
20 px, each connected piece in a map of its own, the largest first, as many as there are maps.
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

DARK = 100
DARK_LINE = 0.4
SURE, UNSURE = 0.95, 0.02
SMALLEST_PX = 20
SMALL_PX = 16  # on the longer side of the box
NARROW_RATIO = 2.5
CELLS = 28
MOST = 100


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


class DefectsSession:
    """(channels, H, W) float32 of grey levels 0 to 255 in, the detections of a Mask R-CNN with three classes out."""

    def run(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        (image,) = inputs
        dark = _smoothed(image[0], NARROW_PX) < DARK
        boxes, areas = _pieces(dark)
        largest = np.argsort(-areas, kind="stable")[:MOST]
        boxes = boxes[largest[areas[largest] >= SMALLEST_PX]]
        across, along = np.sort(boxes[:, 2:] - boxes[:, :2], axis=1).T
        classes = np.where(along < SMALL_PX, 2, along > NARROW_RATIO * across).astype(np.int64)
        at = (np.arange(CELLS) + 0.5) / CELLS
        crops = [
            dark[np.ix_((y1 + at * (y2 - y1)).astype(int), (x1 + at * (x2 - x1)).astype(int))]
            for x1, y1, x2, y2 in boxes
        ]
        masks = np.array(crops, np.float32).reshape(-1, CELLS, CELLS)
        return [boxes.astype(np.float32), np.linspace(0.99, 0.6, len(boxes), dtype=np.float32), classes, masks]


class LinesSession:
    """(N, 1, H, W) float32 of grey values 0 to 1 in, (N, maps, H, W) float32 out: one map for each dark piece."""

    def __init__(self, maps: int) -> None:
        self.maps = maps

    def run(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        (batch,) = inputs
        answer = np.full((len(batch), self.maps, *batch.shape[2:]), UNSURE, np.float32)
        for image, maps in zip(batch[:, 0], answer, strict=True):
            rows, starts, stops, piece = _runs(image < DARK_LINE)
            areas = np.bincount(piece, weights=stops - starts)
            largest = np.argsort(-areas, kind="stable")[: self.maps]
            for one, number in zip(maps, largest[areas[largest] >= SMALLEST_PX], strict=False):
                for run in np.flatnonzero(piece == number):
                    one[rows[run], starts[run] : stops[run]] = SURE
        return [answer]


def _pieces(dark: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Boxes (n, 4) and areas (n,) of the connected pieces."""
    rows, starts, stops, piece = _runs(dark)
    areas = np.bincount(piece, weights=stops - starts)
    boxes = np.tile(np.array([*dark.shape[::-1], 0, 0]), (len(areas), 1))
    for edge, values, extreme in (
        (0, starts, np.minimum),
        (1, rows, np.minimum),
        (2, stops, np.maximum),
        (3, rows + 1, np.maximum),
    ):
        extreme.at(boxes[:, edge], piece, values)
    return boxes, areas


def _runs(dark: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Runs of rows: row, start, stop, and the number of the piece, runs of two rows that overlap being of one piece."""
    edges = np.diff(np.pad(dark, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    rows, starts = np.nonzero(edges == 1)
    stops = np.nonzero(edges == -1)[1]
    parent = list(range(len(rows)))

    def root(run: int) -> int:
        while parent[run] != run:
            run = parent[run]
        return run

    above = 0
    for run, (row, start, stop) in enumerate(zip(rows.tolist(), starts.tolist(), stops.tolist(), strict=True)):
        while rows[above] < row - 1 or (rows[above] == row - 1 and stops[above] <= start):
            above += 1
        other = above
        while other < run and rows[other] == row - 1 and starts[other] < stop:
            parent[root(other)] = root(run)
            other += 1
    piece = np.unique([root(run) for run in parent], return_inverse=True)[1].astype(np.intp)
    return rows, starts, stops, piece


def open_session(
    file: Path, tensors: Tensors, precision: Precision, threads: int
) -> Session | DefectsSession | LinesSession:
    """The session whose outputs have those names."""
    outputs = {tensor.name: tensor for tensor in tensors.outputs}
    if "boxes" in outputs:
        return DefectsSession()
    return LinesSession(outputs["masks"].shape[1]) if "masks" in outputs else Session()
