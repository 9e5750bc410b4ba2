"""Pictures as files."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from training.synthetic.resizing import FloatArray


def compressed(grey: FloatArray, quality: int) -> FloatArray:
    """The grey values after a JPEG of that quality."""
    memory = io.BytesIO()
    Image.fromarray(grey.astype(np.uint8)).save(memory, "JPEG", quality=quality)
    with Image.open(memory) as picture:
        return np.asarray(picture, np.float32)


def write_tiff(path: Path, pixels: np.ndarray, pixel_size_nm: float | None) -> None:
    """A TIFF that carries its pixel size as ImageJ writes it; more than 8 bits become 16."""
    grey = pixels if pixels.dtype == np.uint8 else np.clip(np.round(pixels), 0, 65535).astype(np.uint16)
    if pixel_size_nm is None:
        tifffile.imwrite(path, grey)
        return
    per_nm = 1.0 / pixel_size_nm
    tifffile.imwrite(path, grey, imagej=True, resolution=(per_nm, per_nm), metadata={"unit": "nm"})
