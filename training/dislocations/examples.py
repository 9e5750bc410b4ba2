"""Pictures with the masks of their lines: synthetic ones, and frames that people labelled."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from analysis.intensity import scale
from analysis.micrograph import read_file
from training.dislocations import curves
from training.dislocations.labels import LabelError, LabelledFrame, read_frames
from training.dislocations.settings import Settings
from training.dislocations.synthetic import (
    Microstructure,
    PictureFolder,
    draw_parameters,
    microstructure,
    render,
)

DRAWN_WIDTH_PX = 5.0
"""Width of the masks of lines that people labelled, who give their middle."""
LEAST_PX = 40
"""What is left of a line in a window is no line below this area."""


@dataclass(frozen=True, eq=False)
class Example:
    """A picture (H, W) float32, scaled as when served, and the masks (n, H, W) bool of its lines."""

    picture: npt.NDArray[np.float32]
    lines: npt.NDArray[np.bool_]


@lru_cache(maxsize=1)
def background_folder(path: str | None) -> PictureFolder | None:
    """The real micrographs for backgrounds, once a process. Raises FileNotFoundError."""
    return None if path is None else PictureFolder(Path(path))


@lru_cache(maxsize=8)
def drawn_from(name: str) -> Microstructure:
    """A microstructure by name or path, once a process. Raises FileNotFoundError."""
    return microstructure(name)


def synthetic_example(seed: int, settings: Settings) -> Example:
    """A synthetic picture of one of the kinds that the settings name."""
    random = np.random.default_rng((seed, 1))
    kind = drawn_from(settings.microstructures[int(random.integers(len(settings.microstructures)))])
    background = settings.backgrounds[int(random.integers(len(settings.backgrounds)))]
    folder = background_folder(settings.background_folder) if background == "real" else None
    size = (settings.size_px, settings.size_px)
    parameters = draw_parameters(seed, microstructure=kind, size=size, folder=folder, most_lines=settings.masks)
    frame = render(parameters, folder)
    return Example(scale(frame.pixels), frame.masks())


def labelled_examples(folder: Path) -> dict[str, Example]:
    """The labelled frames of a folder, whole, by the name of the picture.

    Raises:
        LabelError: there are no labels, or a picture is not of the size that they are for.
    """
    return {frame.image: _example(frame, folder) for frame in read_frames(folder)}


def _example(frame: LabelledFrame, folder: Path) -> Example:
    pixels = read_file(folder / frame.image).pixels
    if pixels.shape != (frame.height_px, frame.width_px):
        raise LabelError(f"{frame.image} has {pixels.shape} px and its labels are for another size: label it again")
    lines = np.zeros((len(frame.lines), *pixels.shape), bool)
    for mask, points in zip(lines, frame.lines, strict=True):
        drawn, left, top = curves.mask(curves.resampled(points), DRAWN_WIDTH_PX, *pixels.shape)
        mask[top : top + drawn.shape[0], left : left + drawn.shape[1]] = drawn
    return Example(scale(pixels), lines)


def from_left(example: Example) -> Example:
    """The same lines, in the order of their middles from left to right."""
    columns = example.lines.sum(axis=1)
    middles = columns @ np.arange(columns.shape[1]) / np.maximum(columns.sum(axis=1), 1)
    return Example(example.picture, example.lines[np.argsort(middles, kind="stable")])


def window(example: Example, size_px: int, random: np.random.Generator) -> Example:
    """A random square of a frame; a smaller frame is filled up with its edge's pixels."""
    height, width = example.picture.shape
    missing = ((0, max(0, size_px - height)), (0, max(0, size_px - width)))
    top, left = int(random.integers(max(1, height - size_px + 1))), int(random.integers(max(1, width - size_px + 1)))
    rows, columns = slice(top, top + size_px), slice(left, left + size_px)
    lines = np.pad(example.lines[:, rows, columns], ((0, 0), *missing))
    kept = lines.sum(axis=(1, 2)) >= LEAST_PX
    return Example(np.pad(example.picture[rows, columns], missing, mode="edge"), lines[kept])
