"""The strip below an overlay: scale bar, and for each class its colour, its name and how many were found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from emserve._extras import require
from emserve.defect_classes import Colour, title
from emserve.overlay.ground import bar_label, bar_length_nm, unit_px
from emserve.overlay.lettering import Lettering

if TYPE_CHECKING:
    from PIL import Image

_PAPER, _INK = (24, 24, 24), (255, 255, 255)


def with_legend(
    image: Image.Image, counts: Mapping[str, int], palette: Mapping[str, Colour], pixel_size_nm: float | None
) -> Image.Image:
    """The image with a strip below it, so that nothing of the picture is hidden; as many lines as its width needs.

    Parameters
    ----------
    counts: how many of each class, in the order of the legend.
    palette: colour of each class.
    pixel_size_nm: of a pixel of the overlay, in x; None for no scale bar.
    """
    image_module = require("PIL.Image", extra="plot", purpose="An overlay")
    draw_module = require("PIL.ImageDraw", extra="plot", purpose="An overlay")
    unit = unit_px(image)
    letters = Lettering(5 * unit)
    gap, line_height = 2 * unit, 8 * unit
    entries: list[tuple[int, Colour | None, str]] = []
    if pixel_size_nm is not None:
        length_nm = bar_length_nm(image.width * pixel_size_nm)
        entries.append((round(length_nm / pixel_size_nm), None, letters.legible(bar_label(length_nm))))
    for name, count in counts.items():
        entries.append((4 * unit, palette[name], letters.legible(f"{title(name)}: {count:,}")))
    if not entries:
        return image
    measure = draw_module.Draw(image)
    places: list[tuple[int, int, int, Colour | None, str]] = []
    x, line = gap, 0
    for sign, colour, text in entries:
        width = sign + gap + round(measure.textlength(text, font=letters.font))
        if places and x + width + gap > image.width:
            x, line = gap, line + 1
        places.append((x, line, sign, colour, text))
        x += width + 3 * gap
    sheet = image_module.new("RGB", (image.width, image.height + (line + 1) * line_height), _PAPER)
    sheet.paste(image)
    pen = draw_module.Draw(sheet)
    for x, line, sign, colour, text in places:
        middle = image.height + line * line_height + line_height // 2
        if colour is None:
            top = middle - unit // 2
            pen.rectangle((x, top, x + sign - 1, top + unit - 1), fill=_INK)
        else:
            top = middle - sign // 2
            pen.ellipse((x, top, x + sign, top + sign), outline=colour, width=max(2, unit * 2 // 3))
        pen.text((x + sign + gap, middle), text, font=letters.font, anchor="lm", fill=_INK)
    return sheet
