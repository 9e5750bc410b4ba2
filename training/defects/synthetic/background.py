"""The foil that the defects lie in: brightness, texture, borders, dirt."""

from __future__ import annotations

import numpy as np

from training.defects.synthetic.canvas import Canvas
from training.defects.synthetic.ellipses import line_profile, step
from training.defects.synthetic.parameters import Background, Band, Border, Frame, Perlin, Texture
from training.synthetic import noise
from training.synthetic.resizing import FloatArray, resized


def brightness(frame: Frame, settings: Background, rng: np.random.Generator) -> FloatArray:
    """Brightness (height, width) of the foil without borders, bands and dirt: about 1.

    Slow changes, superposed Perlin noise, white noise through Gaussian filters, and stripes, multiplied by each other.
    """
    height, width = frame.height, frame.width
    field = np.zeros((height, width), np.float32)
    if settings.gradient_x:
        field += np.linspace(-0.5, 0.5, width, dtype=np.float32) * np.float32(settings.gradient_x)
    if settings.gradient_y:
        field += np.linspace(-0.5, 0.5, height, dtype=np.float32)[:, None] * np.float32(settings.gradient_y)
    for item in settings.perlin:
        field += _octaves(frame, item, rng)
    for texture in settings.textures:
        field += _texture(frame, texture, rng)
    if settings.stripes is not None:
        width_px = settings.stripes.width_nm / frame.pixel_size_nm
        wave = noise.stripes(height, width, width_px, settings.stripes.normal_deg, rng)
        field += np.float32(settings.stripes.rms) * wave
    return np.exp(np.clip(field, -2.0, 1.0), out=field)


def _octaves(frame: Frame, settings: Perlin, rng: np.random.Generator) -> FloatArray:
    """Superposed octaves; all but the finest are summed on a coarser grid."""
    shortest_px = settings.period_nm / frame.pixel_size_nm / 2 ** (settings.octaves - 1)
    factor = max(1, int(shortest_px / 8))
    height, width = -(-frame.height // factor), -(-frame.width // factor)
    total = np.zeros((height, width), np.float32)
    for octave in range(settings.octaves):
        period_px = settings.period_nm / frame.pixel_size_nm / 2**octave / factor
        strength = np.float32(settings.amplitude * settings.persistence**octave)
        total += strength * noise.perlin(height, width, period_px, rng)
    return total if factor == 1 else resized(total, frame.height, frame.width, factor)


def _texture(frame: Frame, settings: Texture, rng: np.random.Generator) -> FloatArray:
    sigma = settings.sigma_nm / frame.pixel_size_nm
    if settings.relief_deg is None:
        return np.float32(settings.rms) * noise.filtered(frame.height, frame.width, sigma, sigma, rng)
    # stretched along the axis that is nearer to the slopes' normal
    upright = abs(np.cos(np.deg2rad(settings.relief_deg))) > np.sqrt(0.5)
    sigma_x, sigma_y = (sigma, sigma * settings.elongation) if upright else (sigma * settings.elongation, sigma)
    field = noise.filtered(frame.height, frame.width, sigma_x, sigma_y, rng)
    return np.float32(settings.rms) * noise.relief(field, settings.relief_deg)


def _across(canvas: Canvas, normal_deg: float, offset_nm: float) -> tuple[FloatArray, FloatArray]:
    """Distance along the normal from a line through the frame, and position along the line, nm, of every point."""
    x, y = canvas.positions()
    frame = canvas.frame
    x = x - np.float32((frame.width - 1) / 2 * frame.pixel_size_nm)
    y = y - np.float32((frame.height - 1) / 2 * frame.pixel_size_nm)
    cos, sin = np.float32(np.cos(np.deg2rad(normal_deg))), np.float32(np.sin(np.deg2rad(normal_deg)))
    return x * cos - y * sin - np.float32(offset_nm), x * sin + y * cos


def border_distance(border: Border, canvas: Canvas) -> FloatArray:
    """Distance beyond the border of every point of the canvas, nm."""
    distance, position = _across(canvas, border.normal_deg, border.offset_nm)
    if border.sway_nm:
        wave = np.sin(position * np.float32(2 * np.pi / border.sway_period_nm) + np.float32(border.sway_phase_rad))
        distance = distance + np.float32(border.sway_nm) * wave
    return distance


def shade(canvas: Canvas, settings: Background, rng: np.random.Generator) -> None:
    """Adds the attenuation of bend contours, borders, dirt and boxes to the canvas.

    Beyond a vacuum's border nothing that the canvas holds by then is left.
    """
    values, frame = canvas.values, canvas.frame
    for band in settings.bands:
        values += _band(canvas, band)
    if settings.dirt is not None:
        dirt = settings.dirt
        height, width = values.shape
        period = 2.0 * dirt.size_nm / canvas.spacing_nm
        field = noise.perlin(height, width, period, rng) + 0.45 * noise.perlin(height, width, period / 2.7, rng)
        threshold = np.quantile(field[::4, ::4], 1.0 - dirt.coverage)
        values += np.float32(dirt.depth) * np.clip((field - np.float32(threshold)) / np.float32(dirt.soft), 0.0, 1.0)
    for box in settings.scan_boxes:
        rows, columns = canvas.window(box.left_nm, box.top_nm, box.right_nm, box.bottom_nm)
        values[rows, columns] += np.float32(box.depth)
    for border in settings.borders:
        distance = border_distance(border, canvas)
        beyond = step(-distance, max(1.5, frame.pixel_size_nm))
        if border.vacuum:
            values *= 1.0 - beyond
        values -= beyond * np.float32(np.log(border.step))
        if border.depth:
            values += line_profile(distance, border.width_nm) * np.float32(border.depth)
        if border.fringe_depth:
            decay = np.exp(-np.maximum(distance, 0.0) * np.float32(1 / border.fringe_decay_nm)) * beyond
            wave = np.cos(distance * np.float32(2 * np.pi / border.fringe_nm))
            values += np.float32(border.fringe_depth) * decay * wave


def _band(canvas: Canvas, band: Band) -> FloatArray:
    distance, position = _across(canvas, band.normal_deg, band.offset_nm)
    if band.bend_per_nm:
        distance += np.float32(band.bend_per_nm) * np.square(position)
    sigma = band.width_nm / 2.355
    profile = np.exp(np.square(distance * np.float32(1 / sigma)) * np.float32(-0.5))
    return np.asarray(np.float32(band.depth) * profile, np.float32)
