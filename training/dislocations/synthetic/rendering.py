"""Parameters → the frame and one mask per line, bit for bit the same every time.

The brightness of the background is multiplied by exp(-attenuation) of everything that is drawn; noise, blur and the
detector's levels make grey values of it, and a JPEG may follow.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from training.dislocations import curves
from training.dislocations.curves import FloatArray
from training.dislocations.labels import LabelledFrame
from training.dislocations.synthetic.background import brightness
from training.dislocations.synthetic.contrast import attenuation, course
from training.dislocations.synthetic.parameters import Detector, Parameters
from training.synthetic import noise
from training.synthetic.files import compressed
from training.synthetic.folder import PictureFolder
from training.synthetic.resizing import FloatArray as Picture


@dataclass(frozen=True, eq=False)
class TrueLine:
    """One true dislocation.

    points: (n, 2) x, y in px, about a pixel apart: its longest piece inside the frame. mask: the pixels of that piece,
    cropped; its first column is `left_px`, its first row `top_px`. number: of the line in the
    parameters. pile_up: of the pile-up that it belongs to. width_px: full width at half of the contrast.
    """

    points: FloatArray
    mask: npt.NDArray[np.bool_]
    left_px: int
    top_px: int
    number: int
    pile_up: int
    width_px: float

    @property
    def length_px(self) -> float:
        """Length of `points`."""
        return float(curves.lengths(self.points)[-1])


@dataclass(frozen=True, eq=False)
class SyntheticFrame:
    """A synthetic frame and its truth. pixels: (height, width) float32, whole grey values from 0 to 255."""

    pixels: Picture
    lines: tuple[TrueLine, ...]
    parameters: Parameters

    def masks(self) -> npt.NDArray[np.bool_]:
        """One binary mask per line, (number of lines, height, width)."""
        stack = np.zeros((len(self.lines), *self.pixels.shape), bool)
        for mask, line in zip(stack, self.lines, strict=True):
            rows, columns = line.mask.shape
            mask[line.top_px : line.top_px + rows, line.left_px : line.left_px + columns] = line.mask
        return stack

    def labels(self, name: str) -> LabelledFrame:
        """The truth in the form of labels by hand, a point every 4 px, for a picture of that file name."""
        lines = tuple(curves.resampled(line.points, 4.0) for line in self.lines)
        traces = tuple(np.array(trace.points) for trace in self.parameters.traces)
        return LabelledFrame(name, *self.parameters.frame.shape, lines, traces)


def random_stream(parameters: Parameters, *stream: int) -> np.random.Generator:
    """A stream of random numbers of its own for every effect, so that one does not shift another's."""
    return np.random.default_rng([parameters.seed, *stream])


def render(parameters: Parameters, folder: PictureFolder | None = None) -> SyntheticFrame:
    """The frame of the parameters; the same parameters give the same pixels and masks bit for bit.

    folder: the real micrographs that the background's layers were drawn from.

    Raises
    ------
    ValueError: the background has layers, and `folder` is not the one that they come from.
    """
    field = brightness(parameters.frame, parameters.background, random_stream(parameters, 1), folder)
    field *= np.exp(-attenuation(parameters))
    grey = record(field, parameters.detector, random_stream(parameters, 2))
    return SyntheticFrame(grey, true_lines(parameters), parameters)


def record(field: Picture, settings: Detector, rng: np.random.Generator) -> Picture:
    """Grey values (height, width) float32, whole numbers from 0 to 255, of brightness."""
    if settings.blur_px:
        field = ndimage.gaussian_filter(field, settings.blur_px, mode="nearest", truncate=3.0)
    height, width = field.shape
    rough = np.zeros_like(field)
    for grain in settings.grains:
        rough += np.float32(grain.rms) * noise.filtered(height, width, grain.sigma_px, grain.sigma_px, rng)
    signal = field * (1 + rough)
    grey = np.float32(255 * settings.level) * (np.float32(settings.black) + np.float32(1 - settings.black) * signal)
    grey = np.clip(np.round(grey), 0, 255)
    return grey if settings.jpeg_quality is None else compressed(grey, settings.jpeg_quality)


def true_lines(parameters: Parameters) -> tuple[TrueLine, ...]:
    """The truth of all lines of which something is inside the frame."""
    height, width = parameters.frame.height, parameters.frame.width
    found = []
    for number, line in enumerate(parameters.lines):
        pieces = curves.inside(course(line), height, width)
        if not pieces:
            continue
        mask, left, top = curves.mask(pieces[0], line.mask_width_px, height, width)
        pile_up = parameters.pile_up[number] if number < len(parameters.pile_up) else 0
        found.append(TrueLine(pieces[0], mask, left, top, number, pile_up, line.width_px))
    return tuple(found)
