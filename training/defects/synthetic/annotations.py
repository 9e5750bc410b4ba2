"""Scale bars and captions, burnt into the picture as a microscope's software does."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from training.defects.synthetic.parameters import Annotations, Frame
from training.synthetic.resizing import FloatArray


@lru_cache(maxsize=32)
def _font(size_px: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size_px)


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
        right = bar.x_px + max(1, round(bar.length_nm / frame.pixel_size_nm))
        text_at = (bar.x_px, bar.y_px - round(1.3 * bar.text_px))
        if bar.box is not None:
            pad = bar.text_px // 2
            corner = (bar.x_px - pad, text_at[1] - pad, right + pad, bar.y_px + bar.thickness_px + pad)
            draw.rectangle(corner, fill=bar.box)
        edges = (bar.x_px, bar.y_px, right - 1, bar.y_px + bar.thickness_px - 1)
        draw.rectangle(edges, fill=bar.grey, outline=bar.outline)
        stroke = 0 if bar.outline is None else 1
        label = f"{bar.length_nm:g} nm"
        draw.text(text_at, label, fill=bar.grey, font=_font(bar.text_px), stroke_width=stroke, stroke_fill=bar.outline)
    for caption in annotations.captions:
        draw.text((caption.x_px, caption.y_px), caption.text, fill=caption.grey, font=_font(caption.text_px))
    return np.asarray(picture, np.float32)
