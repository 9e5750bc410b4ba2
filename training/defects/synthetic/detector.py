"""From intensities to the grey values of a stored picture."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from training.defects.synthetic.parameters import Detector
from training.synthetic import noise
from training.synthetic.resizing import FloatArray


def record(intensity: FloatArray, settings: Detector, rng: np.random.Generator) -> FloatArray:
    """Grey values (height, width) float32, whole numbers from 0 to 255, of intensities (the foil's own is 1)."""
    height, width = intensity.shape
    if settings.blur_px > 0:
        intensity = ndimage.gaussian_filter(intensity, settings.blur_px, mode="nearest", truncate=3.0)
    signal = intensity
    if settings.shot_rms > 0:
        shot = noise.filtered(height, width, settings.response_x_px, settings.response_y_px, rng)
        signal = signal + np.float32(settings.shot_rms) * np.sqrt(np.maximum(intensity, 0.0)) * shot
    if settings.white_rms > 0:
        signal = signal + np.float32(settings.white_rms) * rng.standard_normal((height, width), dtype=np.float32)
    if settings.line_rms > 0:
        signal = signal + np.float32(settings.line_rms) * rng.standard_normal((height, 1), dtype=np.float32)
    if settings.stretch is None:
        grey = np.float32(settings.level) * (np.float32(settings.black) + np.float32(1 - settings.black) * signal)
    else:
        low, high = np.quantile(signal[::3, ::3], (0.002, 0.998))
        dark, light = settings.stretch
        # an empty picture is not stretched until its noise fills the scale
        low = min(float(low), 0.55 * float(high))
        grey = np.float32(dark) + (signal - np.float32(low)) * np.float32((light - dark) / max(float(high) - low, 1e-6))
    grey = np.clip(grey, 0.0, 1.0)
    if settings.gamma != 1.0:
        # the foil keeps its level
        grey = np.float32(settings.level ** (1 - settings.gamma)) * grey ** np.float32(settings.gamma)
    return np.clip(np.round(grey * np.float32(255)), 0, 255)
