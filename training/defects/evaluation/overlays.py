"""Truth and prediction over the micrographs, for the eye."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw
from skimage.measure import find_contours

from analysis.intensity import scale
from analysis.masks import Mask, decode
from training.defects.evaluation.predictions import Prediction, read_picture
from training.defects.labels import LabelledPicture
from training.defects.synthetic.command import COLOURS

_WHITE = (255, 255, 255)
_OTHER = (0, 220, 0)
_LONGEST_PX = 2048


def write_overlay(picture: LabelledPicture, images: Path, prediction: Prediction, path: Path) -> None:
    """Writes a PNG: the micrograph, the labels as thin white outlines, the prediction as outlines in the colour of its
    class (red ⟨111⟩ loops, yellow ⟨100⟩ loops, blue black dots, others green). Pictures above 2048 px are made smaller.
    """
    pixels = np.clip(scale(read_picture(picture, images).pixels), 0, 1)
    factor = min(1.0, _LONGEST_PX / max(pixels.shape))
    image = Image.fromarray((255 * pixels).astype(np.uint8))
    if factor < 1:
        image = image.resize((round(image.width * factor), round(image.height * factor)), Image.Resampling.BOX)
    image = image.convert("RGB")
    draw = ImageDraw.Draw(image)
    table = prediction.table
    for index, name in enumerate(table.class_names.tolist()):
        lines = _outlines(None if table.masks is None else table.masks[index], table.boxes[index])
        _draw(draw, lines, factor, COLOURS.get(name, _OTHER), 2)
    for label in picture.labels:
        mask = label.pixels(picture.height_px, picture.width_px) if label.has_outline else None
        _draw(draw, _outlines(mask, np.array(label.box)), factor, _WHITE, 1)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


def _outlines(mask: Mask | None, box: npt.NDArray[np.float64]) -> list[npt.NDArray[np.float64]]:
    """Closed lines of (n, 2) x and y around a mask, or around a box where there is none."""
    if mask is None:
        x1, y1, x2, y2 = box
        return [np.array([(x1, y1), (x2, y1), (x2, y2), (x1, y2), (x1, y1)])]
    if not mask.area_px:
        return []
    around = np.pad(decode(mask), 1).astype(float)
    return [line[:, ::-1] + (mask.x_px - 1, mask.y_px - 1) for line in find_contours(around, 0.5)]


def _draw(
    draw: ImageDraw.ImageDraw,
    lines: Sequence[npt.NDArray[np.float64]],
    factor: float,
    colour: tuple[int, int, int],
    width: int,
) -> None:
    for line in lines:
        points = [(float(x), float(y)) for x, y in (line + 0.5) * factor - 0.5]
        draw.line(points, fill=colour, width=width)
