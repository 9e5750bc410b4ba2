"""Scale bars and captions, burnt into the picture as a microscope's software does."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from training.defects.synthetic.parameters import Annotations, Frame, ScaleBar
from training.synthetic.resizing import FloatArray


@lru_cache(maxsize=32)
def _font(size_px: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size_px)


def bar_right(frame: Frame, bar: ScaleBar) -> int:
    """The column after the bar's last."""
    return bar.x_px + max(1, round(bar.length_nm / frame.pixel_size_nm))


def hidden(frame: Frame, annotations: Annotations) -> tuple[int, int, int, int] | None:
    """What nobody can see: the box behind the scale bar, left, top, right, bottom, px; None without one."""
    bar = annotations.scale_bar
    if bar is None or bar.box is None:
        return None
    pad, text_top = bar.text_px // 2, bar.y_px - round(1.3 * bar.text_px)
    return (bar.x_px - pad, text_top - pad, bar_right(frame, bar) + pad + 1, bar.y_px + bar.thickness_px + pad + 1)


def annotate(grey: FloatArray, frame: Frame, annotations: Annotations) -> FloatArray:
    """The grey values (height, width) with the annotations on them."""
    if frame.field is None and annotations.scale_bar is None and not annotations.captions:
        return grey
    picture = Image.fromarray(grey.astype(np.uint8))
    draw = ImageDraw.Draw(picture)
    if frame.field is not None:
        left, top, right, bottom = frame.field
        for box in (
            (0, 0, frame.width, top),
            (0, bottom, frame.width, frame.height),
            (0, top, left, bottom),
            (right, top, frame.width, bottom),
        ):
            if box[2] > box[0] and box[3] > box[1]:
                draw.rectangle((box[0], box[1], box[2] - 1, box[3] - 1), fill=annotations.strip)
    bar = annotations.scale_bar
    if bar is not None:
        text_at = (bar.x_px, bar.y_px - round(1.3 * bar.text_px))
        behind = hidden(frame, annotations)
        if behind is not None:
            draw.rectangle((*behind[:2], behind[2] - 1, behind[3] - 1), fill=bar.box)
        edges = (bar.x_px, bar.y_px, bar_right(frame, bar) - 1, bar.y_px + bar.thickness_px - 1)
        draw.rectangle(edges, fill=bar.grey, outline=bar.outline)
        stroke = 0 if bar.outline is None else 1
        label = f"{bar.length_nm:g} nm"
        draw.text(text_at, label, fill=bar.grey, font=_font(bar.text_px), stroke_width=stroke, stroke_fill=bar.outline)
    for caption in annotations.captions:
        draw.text((caption.x_px, caption.y_px), caption.text, fill=caption.grey, font=_font(caption.text_px))
    return np.asarray(picture, np.float32)
