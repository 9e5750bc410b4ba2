"""Masks of defects: from run lengths of a crop to pixels. No more than one picture is ever held."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import TYPE_CHECKING, Protocol

import numpy as np

from emserve._extras import require

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Runs(Protocol):
    """A crop in run lengths, as `emserve.results.DefectMask` describes it."""

    @property
    def x_px(self) -> int: ...
    @property
    def y_px(self) -> int: ...
    @property
    def width_px(self) -> int: ...
    @property
    def height_px(self) -> int: ...
    @property
    def counts(self) -> Sequence[int]: ...


def decode(mask: Runs) -> NDArray[np.bool_]:
    """The pixels of the crop: (height_px, width_px) bool."""
    values = np.zeros(len(mask.counts), bool)
    values[1::2] = True
    return np.repeat(values, mask.counts).reshape(mask.width_px, mask.height_px).T


def paste(mask: Runs, height: int, width: int) -> NDArray[np.bool_]:
    """The mask in a picture of that size: (height, width) bool; what lies outside is cut off."""
    picture = np.zeros((height, width), bool)
    _paint(picture, mask, True)
    return picture


def label_picture(masks: Sequence[Runs], height: int, width: int) -> NDArray[np.uint16]:
    """One picture of all masks: (height, width) uint16, 0 background, n + 1 the n-th mask.

    Where masks overlap, the smaller one is seen. Raises ValueError for more than 65,535 masks.
    """
    if len(masks) > np.iinfo(np.uint16).max:
        raise ValueError("a label picture of 16 bits holds at most 65,535 masks")
    labels = np.zeros((height, width), np.uint16)
    for index in sorted(range(len(masks)), key=lambda i: -sum(masks[i].counts[1::2])):
        _paint(labels, masks[index], index + 1)
    return labels


def write_png(labels: NDArray[np.uint16], path: str | PathLike[str]) -> None:
    """Write a label picture as a grey PNG of 16 bits. Raises MissingDependency without Pillow."""
    image_module = require("PIL.Image", extra="plot", purpose="A picture of the masks")
    image_module.fromarray(labels).save(path, format="PNG")


def _paint(picture: NDArray[np.generic], mask: Runs, value: int) -> None:
    top, left = max(mask.y_px, 0), max(mask.x_px, 0)
    window = picture[top : max(mask.y_px + mask.height_px, 0), left : max(mask.x_px + mask.width_px, 0)]
    begin_y, begin_x = top - mask.y_px, left - mask.x_px
    window[decode(mask)[begin_y : begin_y + window.shape[0], begin_x : begin_x + window.shape[1]]] = value
