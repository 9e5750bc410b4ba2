"""Seeded batches of synthetic micrographs with the maps that belong to them.

The batch of a step depends on the run's seed and the number of the step alone, so that a resumed run sees what an
uninterrupted one would have seen, and however many workers make them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from torch import Tensor
from torch.utils.data import Dataset

from analysis.intensity import scale
from training.atoms.settings import Settings
from training.atoms.synthetic import RANDOM, draw_parameters, render
from training.atoms.targets import judged_pixels, probability_map
from training.batches import streamed

FIRST_TRAINING_SEED = 1_000_000
"""Seeds below are kept for validation and evaluation: no training picture has one of them."""
PICTURES_PER_RUN_SEED = 1_000_000_000


@dataclass(frozen=True)
class Batch:
    """Pictures, their maps, and where those are to be judged (1, else 0); all (N, 1, H, W) float32."""

    pictures: Tensor
    maps: Tensor
    judged: Tensor


class Pictures(Dataset[list[Batch]]):
    """Item `i` is the `i`-th group of `reuse` batches, all of the same pictures, each time turned differently."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def __getitem__(self, group: int) -> list[Batch]:
        settings = self.settings
        shape = (settings.reuse, settings.batch, 1, settings.size_px, settings.size_px)
        pictures, maps, judged = (np.empty(shape, np.float32) for _ in range(3))
        for place in range(settings.batch):
            index = group * settings.batch + place
            picture_seed = FIRST_TRAINING_SEED + settings.seed * PICTURES_PER_RUN_SEED + index
            random = np.random.default_rng((settings.seed, index))
            usual, unknown = random.random() < settings.usual_share, random.random() < settings.random_share
            micrograph = render(
                draw_parameters(
                    picture_seed,
                    size=(settings.size_px, settings.size_px),
                    lattices=(RANDOM,) if unknown else settings.lattices,
                    quality="usual" if usual else "wide",
                )
            )
            shape_px = micrograph.pixels.shape
            target = np.stack(
                (
                    probability_map(micrograph.x_px, micrograph.y_px, shape_px),
                    judged_pixels(micrograph.unjudged, shape_px),
                )
            )
            for use in range(settings.reuse):
                pictures[use, place, 0], turned = augment(micrograph.pixels, target, random)
                maps[use, place, 0], judged[use, place, 0] = turned
        return [
            Batch(*(torch.from_numpy(part[use]) for part in (pictures, maps, judged))) for use in range(settings.reuse)
        ]


def augment(
    pixels: npt.NDArray[np.float32], target: npt.NDArray[np.float32], random: np.random.Generator
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """A picture scaled as when served, turned by a right angle and mirrored at random, and its maps (n, H, W) likewise.

    Two things happen to real pictures that the generator does not know of, and happen here: noise of neighbouring
    pixels is correlated where the picture was resampled, and the percentiles are those of a larger picture, so that one
    place of it may fill less than 0 to 1.
    """
    if random.random() < 0.35:
        pixels = ndimage.gaussian_filter(pixels, random.uniform(0.3, 0.9))
    picture = scale(pixels)
    if random.random() < 0.5:
        gain = random.uniform(0.4, 1.1)
        picture = picture * np.float32(gain) + np.float32(random.uniform(0, max(0.0, 1 - gain)))
    turns, mirrored = int(random.integers(4)), random.random() < 0.5
    picture, target = np.rot90(picture, turns), np.rot90(target, turns, axes=(-2, -1))
    if mirrored:
        picture, target = picture[:, ::-1], target[..., ::-1]
    return np.ascontiguousarray(picture), np.ascontiguousarray(target)


def batches(settings: Settings, *, first_step: int = 0, workers: int = 1) -> Iterator[Batch]:
    """The endless stream of batches from step `first_step` on, made in worker processes ahead of the training."""
    return streamed(
        Pictures(settings),
        count=PICTURES_PER_RUN_SEED // settings.batch,
        steps=settings.reuse,
        first_step=first_step,
        workers=workers,
        ahead=8,
    )
