"""Seeded batches of pictures with the masks of their lines.

The batch of a step depends on the run's settings and the number of the step alone, so that a resumed run sees what an
uninterrupted one would have seen, however many workers make them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from training.batches import streamed
from training.dislocations.augmentation import augment
from training.dislocations.examples import Example, from_left, labelled_examples, synthetic_example, window
from training.dislocations.settings import Settings

FIRST_TRAINING_SEED = 1_000_000
"""Seeds below are kept for validation and evaluation: no training picture has one of them."""
PICTURES_PER_RUN_SEED = 1_000_000_000


@dataclass(frozen=True)
class Batch:
    """Pictures (N, 1, H, W) float32 and the masks (N, M, H, W) bool of their lines; empty ones fill them up to M."""

    pictures: Tensor
    lines: Tensor


class Pictures(Dataset[list[Batch]]):
    """Item `i` is the `i`-th group of `reuse` batches, all of the same pictures, each time changed differently."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.frames: list[Example] = []
        if settings.frames is not None:
            frames = labelled_examples(Path(settings.frames))
            self.frames = [frame for name, frame in sorted(frames.items()) if name not in settings.left_out]

    def __getitem__(self, group: int) -> list[Batch]:
        settings = self.settings
        random = np.random.default_rng((settings.seed, group))
        examples = [self._example(group * settings.batch + place, random) for place in range(settings.batch)]
        return [
            collated([from_left(Example(*augment(one.picture, one.lines, random))) for one in examples])
            for _ in range(settings.reuse)
        ]

    def _example(self, number: int, random: np.random.Generator) -> Example:
        if random.random() < self.settings.synthetic:
            seed = FIRST_TRAINING_SEED + self.settings.seed * PICTURES_PER_RUN_SEED + number
            return synthetic_example(seed, self.settings)
        return window(self.frames[int(random.integers(len(self.frames)))], self.settings.size_px, random)


def collated(examples: Sequence[Example]) -> Batch:
    """Pictures of one size with any numbers of lines as one batch."""
    most = max(len(example.lines) for example in examples)
    lines = np.zeros((len(examples), most, *examples[0].picture.shape), bool)
    for place, example in zip(lines, examples, strict=True):
        place[: len(example.lines)] = example.lines
    pictures = np.stack([example.picture for example in examples])[:, None]
    return Batch(torch.from_numpy(pictures), torch.from_numpy(lines))


def batches(settings: Settings, *, first_step: int = 0, workers: int = 1) -> Iterator[Batch]:
    """The endless stream of batches from step `first_step` on, made in worker processes ahead of the training."""
    return streamed(
        Pictures(settings),
        count=PICTURES_PER_RUN_SEED // settings.batch,
        steps=settings.reuse,
        first_step=first_step,
        workers=workers,
        ahead=4,
    )
