"""Masks of defects: from run lengths of a crop to pixels and outlines, and back. No more than one picture is held."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from emserve._extras import require
from emserve.exceptions import InvalidParameter
from emserve.results import DefectMask

if TYPE_CHECKING:
    from numpy.typing import NDArray


def encode(pixels: NDArray[Any], *, x_px: int = 0, y_px: int = 0) -> DefectMask:
    """The mask of an array, cropped to the smallest box around its set pixels; `decode` gives them back exactly.

    Parameters
    ----------
    pixels: (height, width), anything but 0 is set, and something is.
    x_px, y_px: where the array's first pixel lies in the micrograph.

    Raises ValueError where nothing is set.
    """
    rows, columns = np.nonzero(pixels)
    if rows.size == 0:
        raise ValueError("an empty mask is no defect")
    top, left = int(rows.min()), int(columns.min())
    crop = np.asarray(pixels)[top : rows.max() + 1, left : columns.max() + 1] != 0
    flat = crop.ravel(order="F")
    begins = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    edges = np.concatenate(([0] if not flat[0] else [0, 0], begins, [flat.size]))
    height, width = crop.shape
    return DefectMask(
        x_px=x_px + left, y_px=y_px + top, width_px=width, height_px=height, counts=np.diff(edges).tolist()
    )


def decode(mask: DefectMask) -> NDArray[np.bool_]:
    """The pixels of the crop: (height_px, width_px) bool."""
    values = np.zeros(len(mask.counts), bool)
    values[1::2] = True
    return np.repeat(values, mask.counts).reshape(mask.width_px, mask.height_px).T


def paste(mask: DefectMask, height: int, width: int) -> NDArray[np.bool_]:
    """The mask in a picture of that size: (height, width) bool; what lies outside is cut off."""
    picture = np.zeros((height, width), bool)
    _paint(picture, mask, True)
    return picture


def label_picture(masks: Sequence[DefectMask], height: int, width: int) -> NDArray[np.uint16]:
    """One picture of all masks: (height, width) uint16, 0 background, n + 1 the n-th mask.

    Where masks overlap, the smaller one is seen. Raises InvalidParameter for more than 65,535 masks.
    """
    if len(masks) > np.iinfo(np.uint16).max:
        raise InvalidParameter(
            f"A picture of 16 bits holds at most 65,535 masks, the answer has {len(masks):,}.",
            remedy="Take the masks from the JSON.",
        )
    labels = np.zeros((height, width), np.uint16)
    for index in sorted(range(len(masks)), key=lambda i: -sum(masks[i].counts[1::2])):
        _paint(labels, masks[index], index + 1)
    return labels


def write_png(labels: NDArray[np.uint16], path: str | PathLike[str]) -> None:
    """Write a label picture as a grey PNG of 16 bits. Raises MissingDependency without Pillow."""
    image_module = require("PIL.Image", extra="plot", purpose="A picture of the masks")
    image_module.fromarray(labels).save(path, format="PNG")


def outlines(mask: DefectMask) -> list[NDArray[np.float64]]:
    """The closed lines around a mask and its holes: each (n, 2), x and y in px of the micrograph.

    They run between the centres of the pixels inside and outside. Raises MissingDependency without contourpy, which
    comes with matplotlib.
    """
    contourpy = require("contourpy", extra="plot", purpose="An outline")
    padded = np.pad(decode(mask).astype(np.float64), 1)
    corner = np.array((mask.x_px - 1, mask.y_px - 1))
    return [line + corner for line in contourpy.contour_generator(z=padded).lines(0.5)]


def _paint(picture: NDArray[Any], mask: DefectMask, value: int) -> None:
    top, left = max(mask.y_px, 0), max(mask.x_px, 0)
    window = picture[top : max(mask.y_px + mask.height_px, 0), left : max(mask.x_px + mask.width_px, 0)]
    begin_y, begin_x = top - mask.y_px, left - mask.x_px
    window[decode(mask)[begin_y : begin_y + window.shape[0], begin_x : begin_x + window.shape[1]]] = value
