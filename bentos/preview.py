"""A micrograph as a picture that every program can show: for overlays of formats that the client cannot read."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from analysis.micrograph import read

PERCENTILES = (0.2, 99.8)
SAMPLE = 1_000_000


def png(data: bytes, *, frame: int, max_pixels: int) -> bytes:
    """An 8-bit grey PNG of the size of the micrograph, its contrast stretched between two percentiles."""
    return png_of(read(data, frame=frame, max_pixels=max_pixels).pixels)


def png_of(pixels: np.ndarray) -> bytes:
    """`png` of pixels (height, width) that were read before."""
    step = max(1, int((pixels.size / SAMPLE) ** 0.5))
    low, high = np.percentile(pixels[::step, ::step], PERCENTILES)
    grey = np.clip((pixels - low) * (255 / max(high - low, np.finfo(np.float32).tiny)), 0, 255).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(grey).save(stream, "PNG", compress_level=1)
    return stream.getvalue()
