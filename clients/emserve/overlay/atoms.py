"""Atom columns as small dots."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from emserve._extras import require
from emserve.overlay import ground
from emserve.results import AtomsResult

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

FITTED = (255, 72, 20)
NOT_FITTED = (60, 190, 255)

_SPACING_TO_SEE_PX = 14.0
_SUBPIXELS = 4
_MARK_SUPERSAMPLING = 8


def draw(result: AtomsResult, pixels: NDArray[Any]) -> Image.Image:
    """See `emserve.overlay.draw`. Orange: the position comes from the Gaussian fit; blue: it is the network's."""
    scale_x, scale_y = scales(result)
    image = ground.ground(pixels, scale_x, scale_y)
    _draw_columns(image, result, scale_x, scale_y)
    if result.micrograph.pixel_size_x_nm is not None:
        ground.draw_scale_bar(image, result.micrograph.pixel_size_x_nm / scale_x)
    return image


def scales(result: AtomsResult) -> tuple[float, float]:
    """Pixels of the overlay for one of the micrograph, in x and y."""
    return ground.scales(result.micrograph, result.statistics.nearest_neighbour_median_px, _SPACING_TO_SEE_PX)


def _draw_columns(image: Image.Image, result: AtomsResult, scale_x: float, scale_y: float) -> None:
    spacing = result.statistics.nearest_neighbour_median_px
    radius = 3.0 if not spacing else min(max(0.11 * spacing * min(scale_x, scale_y), 1.6), 5.0)
    stamps = {refined: _stamps(radius, FITTED if refined else NOT_FITTED) for refined in (True, False)}
    for column in result.columns:
        # A pixel of the micrograph becomes a block of pixels, whose middle is where its centre lies.
        x = (column.x_px + 0.5) * scale_x - 0.5
        y = (column.y_px + 0.5) * scale_y - 0.5
        column_of, row_of = math.floor(x * _SUBPIXELS + 0.5), math.floor(y * _SUBPIXELS + 0.5)
        stamp = stamps[column.refined][row_of % _SUBPIXELS][column_of % _SUBPIXELS]
        half = stamp.width // 2
        image.paste(stamp, (column_of // _SUBPIXELS - half, row_of // _SUBPIXELS - half), stamp)


def _stamps(radius: float, colour: tuple[int, int, int]) -> list[list[Image.Image]]:
    """A smooth dot with a dark rim, for each offset of a part of a pixel: [y][x]."""
    image_module = require("PIL.Image", extra="plot", purpose="An overlay")
    half = math.ceil(radius + 2)
    n = (2 * half + 1) * _MARK_SUPERSAMPLING
    at = (np.arange(n) + 0.5) / _MARK_SUPERSAMPLING - 0.5 - half
    stamps = []
    for j in range(_SUBPIXELS):
        row = []
        for i in range(_SUBPIXELS):
            distance = np.hypot(at[None, :] - i / _SUBPIXELS, at[:, None] - j / _SUBPIXELS)
            dot, rim = _blocks(distance <= radius), _blocks(distance <= radius + 0.9)
            rgba = np.empty((*dot.shape, 4))
            rgba[..., :3] = (dot / np.maximum(rim, 1e-9))[..., None] * np.array(colour)
            rgba[..., 3] = 255 * (dot + 0.7 * (rim - dot))
            row.append(image_module.fromarray(rgba.round().astype(np.uint8)))
        stamps.append(row)
    return stamps


def _blocks(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    n = len(mask) // _MARK_SUPERSAMPLING
    return mask.reshape(n, _MARK_SUPERSAMPLING, n, _MARK_SUPERSAMPLING).mean(axis=(1, 3))
