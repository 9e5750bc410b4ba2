"""What a microscope and its user may do to a picture, done at random: brightness, contrast, blur, noise."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

GreyArray = npt.NDArray[np.float32]


def augment(grey: GreyArray, random: np.random.Generator) -> GreyArray:
    """Grey levels (H, W), 0 to 255, as they might have been recorded another time."""
    if random.random() < 0.25:
        grey = ndimage.gaussian_filter(grey, random.uniform(0.3, 1.2))
    if random.random() < 0.5:
        exponent = np.float32(np.exp(random.uniform(-0.4, 0.4)))
        grey = np.float32(255) * (np.clip(grey, 0, 255) / np.float32(255)) ** exponent
    if random.random() < 0.8:
        middle = float(grey.mean())
        contrast, shift = np.exp(random.uniform(-0.6, 0.4)), random.normal(0, 22)
        grey = (grey - middle) * np.float32(contrast) + np.float32(middle + shift)
    if random.random() < 0.35:
        sigma = random.uniform(2, 16)
        noise = random.standard_normal(grey.shape, np.float32)
        if random.random() < 0.4:
            # Resampled pictures have noise that neighbouring pixels share.
            noise = ndimage.gaussian_filter(noise, 0.7)
            noise /= noise.std()
        grey = grey + np.float32(sigma) * noise
    return np.clip(grey, 0, 255).astype(np.float32)
