"""Backgrounds of real micrographs: several pieces over each other, and frames whose lines were taken away."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from training.dislocations import curves
from training.dislocations.labels import LabelledFrame
from training.dislocations.synthetic.parameters import Frame, Layer
from training.synthetic.dice import Dice
from training.synthetic.folder import PictureFolder

_LARGEST_ZOOM = 2.0  # noise that is enlarged more looks like nothing that a microscope makes
_AROUND = 9.0  # sides of a line within which noise and level are taken from, in its widths


def draw_layers(dice: Dice, frame: Frame, folder: PictureFolder) -> tuple[Layer, ...]:
    """One to four pieces, the first opaque, the others over it with random opacity."""
    return tuple(_layer(dice, frame, folder, first=number == 0) for number in range(1 + int(dice.rng.integers(4))))


def _layer(dice: Dice, frame: Frame, folder: PictureFolder, *, first: bool) -> Layer:
    name = dice.one_of(folder.names)
    pixels, _, checksum = folder.read(name)
    turns = int(dice.rng.integers(4))
    height, width = (frame.width, frame.height) if turns % 2 else (frame.height, frame.width)
    fitting = max(height / pixels.shape[0], width / pixels.shape[1])
    zoom = float(np.clip(fitting, 1.0, _LARGEST_ZOOM)) * dice.even(1.0, 1.3)
    spare_y = max(0, pixels.shape[0] - int(np.ceil(height / zoom)))
    spare_x = max(0, pixels.shape[1] - int(np.ceil(width / zoom)))
    return Layer(
        file=name,
        sha256=checksum,
        x_px=int(dice.rng.integers(spare_x + 1)),
        y_px=int(dice.rng.integers(spare_y + 1)),
        zoom=zoom,
        quarter_turns=turns,
        flipped=bool(dice.rng.integers(2)),
        opacity=1.0 if first else dice.even(0.15, 0.6),
    )


def without_lines(
    pixels: npt.NDArray[np.generic], labels: LabelledFrame, rng: np.random.Generator, *, width_px: float = 20.0
) -> npt.NDArray[np.float32]:
    """The frame (height, width) with what lies under its labelled lines filled in from both sides.

    The fill is the average of the surroundings, weighted with a Gaussian, and noise with the strength and grain that
    the frame has there. Slip traces stay: they are what a network has to pass over.

    Parameters
    ----------
    width_px: that is filled, over the line's whole contrast.
    """
    picture = np.asarray(pixels, np.float32)
    height, width = picture.shape
    hidden = np.zeros(picture.shape, bool)
    for line in labels.lines:
        mask, left, top = curves.mask(curves.resampled(line), width_px, height, width)
        hidden[top : top + mask.shape[0], left : left + mask.shape[1]] |= mask
    seen = (~hidden).astype(np.float32)

    def around(values: npt.NDArray[np.float32], sigma_px: float) -> npt.NDArray[np.float32]:
        weight = ndimage.gaussian_filter(seen, sigma_px, mode="nearest")
        total = ndimage.gaussian_filter(values * seen, sigma_px, mode="nearest")
        return np.asarray(total / np.maximum(weight, 1e-6), np.float32)

    smooth = around(picture, width_px / 2)
    rest = (picture - around(picture, 3.0)) * seen
    strength = np.sqrt(np.maximum(around(rest**2, _AROUND * 2), 0.0))
    grain = ndimage.gaussian_filter(rng.standard_normal(picture.shape).astype(np.float32), 1.0)
    grain /= grain.std()
    # from the one to the other without an edge
    inside = ndimage.gaussian_filter(hidden.astype(np.float32), 1.0) * hidden
    return np.asarray(picture + inside * (smooth + strength * grain - picture), np.float32)
