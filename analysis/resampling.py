"""A picture on another grid over the same field of view."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image


def resample(pixels: npt.NDArray[np.float32], height: int, width: int) -> npt.NDArray[np.float32]:
    """The picture on another grid over the same field of view; bicubic, widened when shrinking so nothing aliases.

    Pixel x of the picture lands at (x + 0.5) · width / old width - 0.5 of the new one.
    """
    if pixels.shape == (height, width):
        return pixels
    picture = Image.fromarray(np.ascontiguousarray(pixels, np.float32))
    if width > picture.width and height < picture.height:  # Pillow widens first, which takes far more memory
        picture = picture.resize((picture.width, height), Image.Resampling.BICUBIC)
    return np.asarray(picture.resize((width, height), Image.Resampling.BICUBIC))
