"""Defects as outlines of their masks, in the colours of the field, with a scale bar and a legend below the picture."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from emserve._extras import require
from emserve.defect_classes import Colour, colours
from emserve.masks import outlines
from emserve.overlay import ground
from emserve.overlay.legend import with_legend
from emserve.results import Defect, DefectsResult

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

_SIZE_TO_SEE_PX = 12.0
_THINNEST_PX, _THICKEST_PX = 1.5, 4.0
_SIDE_PER_THICKNESS = 480
_SUPERSAMPLING = 4
_MOST_PIXELS = 64_000_000  # of one defect's supersampled outline
_RIM_PX = 1.0
_RIM_OPACITY = 0.55


def draw(result: DefectsResult, pixels: NDArray[Any]) -> Image.Image:
    """See `emserve.overlay.draw`. Red: ⟨111⟩ loops, yellow: ⟨100⟩ loops, blue: black dots; others in further colours.

    Scale bar and legend, with the number of defects of each class, stand below the picture and hide nothing of it.
    """
    scale_x, scale_y = scales(result)
    image = ground.ground(pixels, scale_x, scale_y)
    counts = result.counts
    palette = colours(counts)
    thickness = min(max(min(image.size) / _SIDE_PER_THICKNESS, _THINNEST_PX), _THICKEST_PX)
    for defect in sorted(result.defects, key=lambda defect: -defect.area_px):
        _draw_defect(image, defect, palette[defect.class_name], thickness, (scale_x, scale_y))
    size_nm = result.micrograph.pixel_size_x_nm
    return with_legend(image, counts, palette, None if size_nm is None else size_nm / scale_x)


def scales(result: DefectsResult) -> tuple[float, float]:
    """Pixels of the overlay for one of the micrograph, in x and y."""
    sizes = result.statistics.all.size_px
    return ground.scales(result.micrograph, None if sizes is None else sizes.median, _SIZE_TO_SEE_PX)


def _draw_defect(
    image: Image.Image, defect: Defect, colour: Colour, thickness: float, scale: tuple[float, float]
) -> None:
    image_module = require("PIL.Image", extra="plot", purpose="An overlay")
    draw_module = require("PIL.ImageDraw", extra="plot", purpose="An overlay")
    # A pixel of the micrograph becomes a block of pixels, whose middle is where its centre lies.
    lines = [(line + 0.5) * scale for line in outlines(defect.mask)]
    if not lines:
        return
    points = np.concatenate(lines)
    reach = math.ceil(thickness / 2 + _RIM_PX + 1)
    left, top = np.floor(points.min(axis=0)).astype(int) - reach
    right, bottom = np.ceil(points.max(axis=0)).astype(int) + reach
    width_px, height_px = int(right - left), int(bottom - top)
    finer = max(1, min(_SUPERSAMPLING, math.isqrt(_MOST_PIXELS // (width_px * height_px))))
    for width, opacity, ink in ((thickness + 2 * _RIM_PX, _RIM_OPACITY, (0, 0, 0)), (thickness, 1.0, colour)):
        # A dark rim: yellow is seen on bright matrix as well as on dark contrast.
        stroke = image_module.new("L", (finer * width_px, finer * height_px))
        pen = draw_module.Draw(stroke)
        for line in lines:
            at = ((line - (left, top)) * finer - 0.5).ravel().tolist()
            pen.line(at, fill=round(255 * opacity), width=round(width * finer))
        image.paste(ink, (int(left), int(top)), stroke.reduce(finer))
