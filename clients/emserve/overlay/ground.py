"""What lies below the marks: the micrograph in grey, at a size at which they can be seen; and the scale bar."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from emserve._extras import require
from emserve.overlay.lettering import Lettering
from emserve.pictures import stretch
from emserve.results import MicrographInfo

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

_SIDE_TO_SEE_PX = 640
_LONGEST_ENLARGED_SIDE_PX = 4096
_LARGEST_UPSCALE = 8
_LARGEST_ASPECT = 10.0
_MOST_PIXELS = 128_000_000


def scales(info: MicrographInfo, detail_px: float | None, detail_to_see_px: float) -> tuple[float, float]:
    """Pixels of the overlay for one of the micrograph, in x and y.

    Parameters
    ----------
    detail_px: a length in the micrograph that should be at least `detail_to_see_px` long in the overlay; None or 0 for
        none.
    """
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
    if detail_px:
        factor = max(factor, math.ceil(detail_to_see_px / detail_px))
    factor = max(1, min(factor, _LARGEST_UPSCALE, int(_LONGEST_ENLARGED_SIDE_PX // longest)))
    return wide * factor, tall * factor


def ground(pixels: NDArray[Any], scale_x: float, scale_y: float) -> Image.Image:
    """The picture in grey, enlarged, as RGB."""
    image_module = require("PIL.Image", extra="plot", purpose="An overlay")
    grey = image_module.fromarray(stretch(pixels))
    size = (round(grey.width * scale_x), round(grey.height * scale_y))
    return (grey.resize(size, image_module.Resampling.BICUBIC) if size != grey.size else grey).convert("RGB")


def unit_px(image: Image.Image) -> int:
    """What margins, bars and letters are measured in, so that they are legible on pictures of any size."""
    return max(3, min(image.size) // 150)


def bar_length_nm(width_nm: float) -> float:
    """Length of the scale bar: the largest of 1, 2, 5 × 10ⁿ that takes at most a quarter of the width."""
    decade = 10.0 ** math.floor(math.log10(width_nm / 4))
    return max(step * decade for step in (1, 2, 5) if step * decade <= width_nm / 4)


def bar_label(length_nm: float) -> str:
    """The bar's length in pm below 1 nm, in µm from 1000 nm."""
    if length_nm >= 1000:
        return f"{length_nm / 1000:g} µm"
    return f"{length_nm:g} nm" if length_nm >= 1 else f"{length_nm * 1000:g} pm"


def draw_scale_bar(image: Image.Image, pixel_size_nm: float) -> None:
    """Draw the bar into the lower left corner; nothing on pictures below 64 px.

    Parameters
    ----------
    pixel_size_nm: of a pixel of the overlay, in x.
    """
    draw_module = require("PIL.ImageDraw", extra="plot", purpose="An overlay")
    if min(image.size) < 64:
        return
    length_nm = bar_length_nm(image.width * pixel_size_nm)
    length = round(length_nm / pixel_size_nm)
    unit = unit_px(image)
    rim = max(1, unit // 3)
    pen = draw_module.Draw(image)
    bottom = image.height - 1 - 3 * unit
    bar = (3 * unit, bottom - unit, 3 * unit + length - 1, bottom)
    # A black rim, not a box: legible on bright columns and on vacuum, and hides nothing.
    pen.rectangle((bar[0] - rim, bar[1] - rim, bar[2] + rim, bar[3] + rim), fill="black")
    pen.rectangle(bar, fill="white")
    letters = Lettering(6 * unit)
    label = letters.legible(bar_label(length_nm))
    # Centred on the bar, unless a short bar would push it out of the picture.
    middle = max((bar[0] + bar[2]) / 2, bar[0] + pen.textlength(label, font=letters.font) / 2)
    pen.text(
        (middle, bar[1] - 2 * unit),
        label,
        font=letters.font,
        anchor="md",
        fill="white",
        stroke_width=rim,
        stroke_fill="black",
    )
