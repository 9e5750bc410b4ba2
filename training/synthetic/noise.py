"""Random fields: gradient noise, white noise through Gaussian filters, stripes. All have mean 0 and rms 1."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from training.synthetic.resizing import FloatArray, resized

_SAMPLES = 8  # of gradient noise in a cell: between them it is interpolated


def perlin(height: int, width: int, period_px: float, rng: np.random.Generator) -> FloatArray:
    """Gradient noise (height, width) with one random gradient every `period_px` pixels.

    K. Perlin, SIGGRAPH 1985; fade 6t⁵ - 15t⁴ + 10t³ (2002). A period below 2 px is taken as 2 px; below 8 px
    the grid takes away some of the strength.
    """
    period_px = max(period_px, 2.0)
    rows, columns = int(height / period_px) + 2, int(width / period_px) + 2
    samples = max(1, min(_SAMPLES, round(period_px)))
    shift = rng.random(2)
    angle = rng.uniform(0.0, 2.0 * np.pi, (rows + 1, columns + 1)).astype(np.float32)
    gradient_x, gradient_y = np.cos(angle), np.sin(angle)
    t = (np.arange(samples, dtype=np.float32) + np.float32(0.5)) / np.float32(samples)
    fade = t * t * t * (t * (6 * t - 15) + 10)
    x, y = t[None, None, None, :], t[None, :, None, None]

    def corner(down: int, right: int) -> FloatArray:
        at = slice(down, down + rows), slice(right, right + columns)
        along_x, along_y = gradient_x[at][:, None, :, None], gradient_y[at][:, None, :, None]
        return along_x * (x - right) + along_y * (y - down)

    across, below = fade[None, None, None, :], fade[None, :, None, None]
    top = corner(0, 0) * (1 - across) + corner(0, 1) * across
    bottom = corner(1, 0) * (1 - across) + corner(1, 1) * across
    cells = (top * (1 - below) + bottom * below).reshape(rows * samples, columns * samples)
    left, upper = (float(offset) * samples * 0.99 for offset in shift)
    field = resized(cells, height, width, period_px / samples, left, upper)
    return field * np.float32(1.0 / 0.211)  # the rms of gradient noise, over all its realisations


def filtered(height: int, width: int, sigma_x_px: float, sigma_y_px: float, rng: np.random.Generator) -> FloatArray:
    """White noise through a Gaussian filter with these standard deviations, (height, width), rms 1 in expectation.

    Wide filters work on a coarser grid, where they cost little.
    """
    factor = max(1, int(min(sigma_x_px, sigma_y_px) / 1.5))
    rows, columns = -(-height // factor) + 2, -(-width // factor) + 2
    white = rng.standard_normal((rows, columns), dtype=np.float32)
    for axis, sigma in ((0, sigma_y_px / factor), (1, sigma_x_px / factor)):
        if sigma > 0.05:
            radius = int(np.ceil(3.0 * sigma))
            taps = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
            taps /= np.sqrt((taps**2).sum())  # keeps the variance
            white = ndimage.correlate1d(white, taps.astype(np.float32), axis=axis, mode="wrap")
    if factor == 1:
        return white[:height, :width]
    return resized(white, height, width, factor)


def relief(field: FloatArray, direction_deg: float) -> FloatArray:
    """A field as a surface lit from a direction (degrees, counter-clockwise): its slope along it, rms 1."""
    angle = np.deg2rad(direction_deg)
    slope = np.zeros_like(field)
    slope[:, 1:-1] += np.float32(np.cos(angle)) * (field[:, 2:] - field[:, :-2])
    slope[1:-1] -= np.float32(np.sin(angle)) * (field[2:] - field[:-2])
    return slope / np.float32(max(float(slope.std()), 1e-12))


def stripes(height: int, width: int, width_px: float, normal_deg: float, rng: np.random.Generator) -> FloatArray:
    """A field (height, width) that changes only along its normal, smooth over `width_px`."""
    angle = np.deg2rad(normal_deg)
    reach = int(np.hypot(height, width)) + 3
    profile = filtered(1, reach, width_px, 0.0, rng)[0]
    x, y = np.arange(width) - width / 2, np.arange(height) - height / 2
    if abs(np.sin(angle)) < 1e-6:
        return np.broadcast_to(np.interp(x + reach / 2, np.arange(reach), profile)[None, :], (height, width)).astype(
            np.float32
        )
    along = x[None, :] * np.cos(angle) - y[:, None] * np.sin(angle) + reach / 2
    return np.interp(along, np.arange(reach), profile).astype(np.float32)
