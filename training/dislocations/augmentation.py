"""What microscopes and their users do to pictures, done to those of the training.

Gaussian noise, brightness, contrast and equalisation, as published, and the ways in which a specimen may lie.

The pictures are scaled as when served (`analysis.intensity.scale`): what is changed here is what that scaling leaves,
where a bright particle or a dark frame takes the range of the rest.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from skimage.exposure import equalize_hist

Picture = npt.NDArray[np.float32]
Masks = npt.NDArray[np.bool_]

LOWEST, HIGHEST = -0.25, 1.25
"""Grey values that `analysis.intensity.scale` keeps."""
OFTEN = 0.5
"""Probability of each change of the grey values."""
LARGEST_NOISE = 0.1
LARGEST_BRIGHTNESS = 0.1
CONTRASTS = (0.5, 1.25)
_BINS = 1024


def augment(picture: Picture, masks: Masks, random: np.random.Generator) -> tuple[Picture, Masks]:
    """A picture (H, W) in about 0..1 and the masks (n, H, W) of its lines, turned together and changed at random.

    Square pictures are turned by right angles, others by half a turn; both are mirrored. Arrays are new.
    """
    picture, masks = turned(picture, masks, random)
    for change in CHANGES:
        if random.random() < OFTEN:
            picture = change(picture, random)
    return np.clip(picture, LOWEST, HIGHEST, dtype=np.float32), masks


def turned(picture: Picture, masks: Masks, random: np.random.Generator) -> tuple[Picture, Masks]:
    """A picture and its masks, turned and mirrored at random, both alike."""
    square = picture.shape[0] == picture.shape[1]
    turns = int(random.integers(4)) if square else 2 * int(random.integers(2))
    picture, masks = np.rot90(picture, turns), np.rot90(masks, turns, axes=(-2, -1))
    if random.random() < 0.5:
        picture, masks = picture[:, ::-1], masks[..., ::-1]
    return np.ascontiguousarray(picture), np.ascontiguousarray(masks)


def equalised(picture: Picture, random: np.random.Generator) -> Picture:
    """On the way, by a random part, to equally many pixels of every grey value."""
    part = np.float32(random.random())
    return (1 - part) * picture + part * equalize_hist(picture, _BINS).astype(np.float32)


def with_contrast(picture: Picture, random: np.random.Generator) -> Picture:
    """Differences from the mean, made smaller or larger."""
    mean = np.float32(picture.mean())
    return mean + np.float32(random.uniform(*CONTRASTS)) * (picture - mean)


def with_brightness(picture: Picture, random: np.random.Generator) -> Picture:
    """All grey values lower or higher by the same."""
    return picture + np.float32(random.uniform(-LARGEST_BRIGHTNESS, LARGEST_BRIGHTNESS))


def with_noise(picture: Picture, random: np.random.Generator) -> Picture:
    """Gaussian noise, independent in every pixel, of a random strength."""
    strength = np.float32(random.uniform(0, LARGEST_NOISE))
    return picture + strength * random.standard_normal(picture.shape, dtype=np.float32)


CHANGES: tuple[Callable[[Picture, np.random.Generator], Picture], ...] = (
    equalised,
    with_contrast,
    with_brightness,
    with_noise,
)
"""The changes of the grey values, in the order in which they are made."""
