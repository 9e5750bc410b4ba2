"""Columns marked on the micrograph, to be looked at: small dots, and a scale bar where the pixel size is known."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from emserve._extras import require
from emserve.pictures import stretch
from emserve.results import AtomsResult

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

FITTED = (255, 72, 20)
NOT_FITTED = (60, 190, 255)

_SIDE_TO_SEE_PX = 640
_LONGEST_ENLARGED_SIDE_PX = 4096
_LARGEST_UPSCALE = 8
_LARGEST_ASPECT = 10.0
_MOST_PIXELS = 128_000_000
_SPACING_TO_SEE_PX = 14.0
_SUBPIXELS = 4
_MARK_SUPERSAMPLING = 8


def draw(result: AtomsResult, pixels: NDArray[Any]) -> Image.Image:
    """The overlay as an RGB image of Pillow.

    Parameters
    ----------
    pixels: the analysed picture (height, width); its contrast is stretched between the 0.1 and 99.9 percentiles.

    A dot marks a column: orange where its position comes from the Gaussian fit, blue where it is the network's. The
    size is the micrograph's own; small or dense ones are enlarged by a whole factor, and non-square pixels are made
    square, unless they are longer than 10 : 1 or the overlay would have more than 128 million pixels.
    """
    image_module = require("PIL.Image", extra="plot", purpose="An overlay")
    scale_x, scale_y = scales(result)
    grey = image_module.fromarray(stretch(pixels))
    size = (round(grey.width * scale_x), round(grey.height * scale_y))
    image = (grey.resize(size, image_module.Resampling.BICUBIC) if size != grey.size else grey).convert("RGB")
    _draw_columns(image, result, scale_x, scale_y)
    if result.micrograph.pixel_size_x_nm is not None:
        _draw_scale_bar(image, result.micrograph.pixel_size_x_nm / scale_x)
    return image


def scales(result: AtomsResult) -> tuple[float, float]:
    """Pixels of the overlay for one of the micrograph, in x and y."""
    info = result.micrograph
    aspect = 1.0
    if info.pixel_size_x_nm and info.pixel_size_y_nm:
        aspect = info.pixel_size_y_nm / info.pixel_size_x_nm
    # Such pixel sizes are a mistake or a line scan; made square, a small picture would fill the memory.
    stretched = info.width_px * info.height_px * max(aspect, 1 / aspect)
    if not 1 / _LARGEST_ASPECT <= aspect <= _LARGEST_ASPECT or (aspect != 1 and stretched > _MOST_PIXELS):
        aspect = 1.0
    wide, tall = max(1.0, 1 / aspect), max(1.0, aspect)
    shortest, longest = sorted((info.width_px * wide, info.height_px * tall))
    factor = round(_SIDE_TO_SEE_PX / shortest)
    if spacing := result.statistics.nearest_neighbour_median_px:
        factor = max(factor, math.ceil(_SPACING_TO_SEE_PX / spacing))
    factor = max(1, min(factor, _LARGEST_UPSCALE, int(_LONGEST_ENLARGED_SIDE_PX // longest)))
    return wide * factor, tall * factor


def bar_length_nm(width_nm: float) -> float:
    """Length of the scale bar: the largest of 1, 2, 5 × 10ⁿ that takes at most a quarter of the width."""
    decade = 10.0 ** math.floor(math.log10(width_nm / 4))
    return max(step * decade for step in (1, 2, 5) if step * decade <= width_nm / 4)


def bar_label(length_nm: float) -> str:
    """The bar's length in pm below 1 nm, in µm from 1000 nm."""
    if length_nm >= 1000:
        return f"{length_nm / 1000:g} µm"
    return f"{length_nm:g} nm" if length_nm >= 1 else f"{length_nm * 1000:g} pm"


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


def _draw_scale_bar(image: Image.Image, pixel_size_nm: float) -> None:
    draw_module = require("PIL.ImageDraw", extra="plot", purpose="An overlay")
    font_module = require("PIL.ImageFont", extra="plot", purpose="An overlay")
    if min(image.size) < 64:
        return
    length_nm = bar_length_nm(image.width * pixel_size_nm)
    length = round(length_nm / pixel_size_nm)
    unit = max(3, min(image.size) // 150)
    rim = max(1, unit // 3)
    pen = draw_module.Draw(image)
    bottom = image.height - 1 - 3 * unit
    bar = (3 * unit, bottom - unit, 3 * unit + length - 1, bottom)
    # A black rim, not a box: legible on bright columns and on vacuum, and hides nothing.
    pen.rectangle((bar[0] - rim, bar[1] - rim, bar[2] + rim, bar[3] + rim), fill="black")
    pen.rectangle(bar, fill="white")
    label, font = bar_label(length_nm), font_module.load_default(size=6 * unit)
    # Centred on the bar, unless a short bar would push it out of the picture.
    middle = max((bar[0] + bar[2]) / 2, bar[0] + pen.textlength(label, font=font) / 2)
    pen.text(
        (middle, bar[1] - 2 * unit),
        label,
        font=font,
        anchor="md",
        fill="white",
        stroke_width=rim,
        stroke_fill="black",
    )
