"""Smooth fields onto finer grids."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

FloatArray = npt.NDArray[np.float32]


def resized(
    values: FloatArray, height: int, width: int, factor: float, left: float = 0.0, top: float = 0.0
) -> FloatArray:
    """(height, width) values of a smooth field from `factor` times coarser ones, bicubic.

    `left`, `top`: how much of the coarse field, in its own points, is cut off there.
    """
    box = (left, top, left + width / factor, top + height / factor)
    box = (left, top, min(box[2], float(values.shape[1])), min(box[3], float(values.shape[0])))
    picture = Image.fromarray(np.ascontiguousarray(values)).resize((width, height), Image.Resampling.BICUBIC, box=box)
    return np.asarray(picture, np.float32)
