"""Background, electron counting, scan-line noise and grey values."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from training.atoms.synthetic.geometry import waves_grid
from training.atoms.synthetic.parameters import Background, Detector, Frame


def background(frame: Frame, settings: Background, rng: np.random.Generator) -> np.ndarray:
    """Expected intensity of what is not crystal, (height, width) float32, in heights of the brightest columns."""
    field = waves_grid(settings.waves, frame.height, frame.width)
    field += np.float32(settings.level)
    x = np.arange(frame.width, dtype=np.float32)
    y = np.arange(frame.height, dtype=np.float32)
    for blob in settings.blobs:
        along_x = np.exp(-0.5 * ((x - blob.x_px) / blob.width_x_px) ** 2)
        along_y = np.exp(-0.5 * ((y - blob.y_px) / blob.width_y_px) ** 2)
        field += np.float32(blob.height) * np.outer(along_y, along_x)
    if settings.speckle > 0:
        sigma = settings.speckle_nm / frame.pixel_size_nm
        grain = rng.standard_normal((frame.height, frame.width), dtype=np.float32)
        grain = ndimage.gaussian_filter(grain, sigma, mode="wrap", truncate=3.0)
        field += np.float32(settings.speckle / max(float(grain.std()), 1e-12)) * grain
    return np.maximum(field, 0.0, out=field)


def record(expected: np.ndarray, settings: Detector, rng: np.random.Generator) -> np.ndarray:
    """Grey values of an expected intensity (1 = the brightest columns): float32 whole numbers, 0 to 2^bits - 1."""
    height, width = expected.shape
    gain = 1.0 + settings.line_gain * rng.standard_normal((height, 1))
    counts = rng.poisson(np.maximum(expected * gain, 0.0) * settings.counts)
    signal = (counts / settings.counts).astype(np.float32)
    if settings.response_px > 0:
        signal = ndimage.gaussian_filter1d(signal, settings.response_px, axis=1, mode="nearest", truncate=3.0)
    if settings.gaussian > 0:
        signal += np.float32(settings.gaussian) * rng.standard_normal((height, width), dtype=np.float32)
    if settings.line_offset > 0:
        signal += (settings.line_offset * rng.standard_normal((height, 1))).astype(np.float32)
    if settings.smoothing_px > 0:
        signal = ndimage.gaussian_filter(signal, settings.smoothing_px, mode="nearest", truncate=3.0)
    low, high = np.quantile(signal[::2, ::2], [settings.black_quantile, settings.white_quantile])
    signal = (signal - low) / max(float(high - low), 1e-9)
    if settings.salt_and_pepper > 0:
        dice = rng.random((height, width), dtype=np.float32)
        signal[dice < settings.salt_and_pepper / 2] = 0.0
        signal[dice > 1.0 - settings.salt_and_pepper / 2] = 1.0
    signal = np.clip(signal, 0.0, 1.0)
    if settings.gamma != 1.0:
        signal **= np.float32(settings.gamma)
    top = 2**settings.bits - 1
    grey = settings.black + (settings.white - settings.black) * signal
    return np.round(grey * top).astype(np.float32)
