"""Small folders of labelled pictures, and networks that cost nothing."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from analysis.defects.pipeline import DefectsNetwork
from analysis.defects.preprocess import InputSpec
from analysis.micrograph import read_file
from emserve.results import ModelInfo
from training.defects.labels import LabelledPicture

CLASSES = ("loop_111", "loop_100", "black_dot")
CELLS = 28
SPEC = InputSpec(classes=CLASSES, grey_levels="as_is", channels=1)


class ThresholdNetwork:
    """Whatever is darker than `level` is a defect: round and small ones dots, others loops; `run` counts its calls."""

    def __init__(self, level: float = 100, name: str = "threshold") -> None:
        self.level = level
        self.calls = 0
        self.info = ModelInfo(name=name, family="defects", version="0", sha256="", runtime="fake", precision="fp32")

    def run_named(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        self.calls += 1
        image = inputs["image"][0]
        pieces, count = ndimage.label(image < self.level)
        found = ndimage.find_objects(pieces)
        boxes = np.array([(x.start, y.start, x.stop, y.stop) for y, x in found], np.float32).reshape(-1, 4)
        at = (np.arange(CELLS) + 0.5) / CELLS
        masks = np.zeros((count, CELLS, CELLS), np.float32)
        for k, (y, x) in enumerate(found):
            rows = y.start + at * (y.stop - y.start) - 0.5
            columns = x.start + at * (x.stop - x.start) - 0.5
            grid = np.array(np.meshgrid(rows, columns, indexing="ij"))
            masks[k] = ndimage.map_coordinates((pieces == k + 1).astype(np.float32), grid, order=1)
        wide = boxes[:, 2] - boxes[:, 0] >= 16
        return {
            "boxes": boxes,
            "scores": np.linspace(0.95, 0.6, count, dtype=np.float32),
            "classes": np.where(wide, 0, 2).astype(np.int64),
            "masks": masks,
        }


class ThresholdLearner:
    """Learns one number: half way between the median grey of its pictures and their darkest labelled pixel."""

    def __init__(self) -> None:
        self.learned_from: list[tuple[tuple[str, ...], int]] = []

    def fit(self, pictures: Sequence[LabelledPicture], images: Path, *, seed: int) -> tuple[DefectsNetwork, InputSpec]:
        self.learned_from.append((tuple(picture.image for picture in pictures), seed))
        grey = [read_file(images / picture.image).pixels for picture in pictures]
        return ThresholdNetwork(float(np.mean([(np.median(g) + g.min()) / 2 for g in grey])), "learned"), SPEC


# x, y, width, height of dark ellipses, px
DEFECTS = ((60.0, 50.0, 40.0, 20.0), (150.0, 90.0, 10.0, 10.0), (200.0, 34.0, 30.0, 30.0))


def picture(height: int = 128, width: int = 256, defects: Sequence[Sequence[float]] = DEFECTS) -> np.ndarray:
    rows, columns = np.mgrid[:height, :width]
    pixels = np.full((height, width), 200, np.uint8)
    for x, y, w, h in defects:
        pixels[(2 * (columns - x) / w) ** 2 + (2 * (rows - y) / h) ** 2 <= 1] = 50
    pixels[-2:] = 250
    return pixels


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six pictures of 0.5 nm pixels with three defects each and their true ellipses; two alloys."""
    images = tmp_path / "micrographs"
    images.mkdir()
    with (images / "images.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["image", "width_px", "height_px", "pixel_size_nm", "thickness_nm", "alloy"])
        for k in range(6):
            Image.fromarray(picture()).save(images / f"m{k}.png")
            rows.writerow([f"m{k}.png", 256, 128, 0.5, 100, "C35M" if k % 2 else "C06M2"])
    with (tmp_path / "defects.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["image", "class", "x_px", "y_px", "major_px", "minor_px", "angle_deg"])
        for k in range(6):
            for (x, y, w, h), name in zip(DEFECTS, ("loop_111", "black_dot", "loop_100"), strict=True):
                rows.writerow([f"m{k}.png", name, x + 0.5, y + 0.5, w, h, 0])
    return images


@pytest.fixture
def threshold() -> type[ThresholdNetwork]:
    """A network that finds whatever is dark."""
    return ThresholdNetwork


@pytest.fixture
def spec() -> InputSpec:
    """What that network expects and answers."""
    return SPEC


@pytest.fixture
def learner() -> ThresholdLearner:
    """A learner of one number that remembers what it was given."""
    return ThresholdLearner()


@pytest.fixture
def without_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plots take most of the time of an evaluation this small; other tests draw them."""
    monkeypatch.setattr("training.defects.evaluation.plots.draw", lambda *_: None)
