"""What the lines lie on: Perlin noise as published, or superposed pieces of real micrographs, under uneven light."""

from __future__ import annotations

import numpy as np
from PIL import Image
from scipy import ndimage

from training.dislocations.synthetic.parameters import Background, Frame, Layer, Light, Perlin
from training.synthetic import noise
from training.synthetic.folder import PictureFolder
from training.synthetic.resizing import FloatArray

_BRIGHT = 0.98  # quantile
DARKEST = 0.03  # brightness: nothing is darker before the lines are drawn


def published(height: int, width: int, settings: Perlin, rng: np.random.Generator) -> FloatArray:
    """P7 of the published background, (height, width), 0 to 1.

    P3 = P1(λ1) + w_P P2(λ2) of two Perlin noises, P3* is P3 scaled to 0..1, P4 = P3* + w_white X1,
    P5 = G(P4; s1), P6 = P5 + r_noise σ(P4) X2, P7 = G(P6; s2), clipped to 0..1; X1, X2 are white noise, evenly in ±1,
    G the Gaussian filter (K. Govind et al., Mach. Learn.: Sci. Technol. 5 (2024) 015006).
    """
    first = noise.perlin(height, width, settings.wavelength_1_px, rng)
    second = noise.perlin(height, width, settings.wavelength_2_px, rng)
    p3 = first + np.float32(settings.w_perlin) * second
    low, high = float(p3.min()), float(p3.max())
    p4 = (p3 - np.float32(low)) / np.float32(max(high - low, 1e-9))
    p4 += np.float32(settings.w_white) * _white(height, width, rng)
    p6 = _filtered(p4, settings.s1_px)
    p6 = p6 + np.float32(settings.r_noise) * p4.std() * _white(height, width, rng)
    return np.clip(_filtered(p6, settings.s2_px), 0.0, 1.0)


def _white(height: int, width: int, rng: np.random.Generator) -> FloatArray:
    return 2 * rng.random((height, width), dtype=np.float32) - 1


def _filtered(field: FloatArray, sigma_px: float) -> FloatArray:
    return np.asarray(ndimage.gaussian_filter(field, sigma_px, mode="nearest", truncate=3.0), np.float32)


def superposed(layers: tuple[Layer, ...], frame: Frame, folder: PictureFolder) -> FloatArray:
    """Brightness (height, width), 1 where it is brightest, of pieces of real micrographs that lie over each other.

    Raises
    ------
    ValueError: a file is not the one that the parameters were drawn with.
    """
    total = np.ones((frame.height, frame.width), np.float32)
    for layer in layers:
        piece = _piece(folder.same(layer.file, layer.sha256), frame, layer)
        total += np.float32(layer.opacity) * (piece - total)
    # where the light of the pieces is brightest is 1, as for drawn light
    return np.maximum(total / np.float32(max(float(np.quantile(total[::4, ::4], _BRIGHT)), 1e-6)), DARKEST)


def _piece(pixels: FloatArray, frame: Frame, layer: Layer) -> FloatArray:
    height, width = (frame.width, frame.height) if layer.quarter_turns % 2 else (frame.height, frame.width)
    rows, columns = int(np.ceil(height / layer.zoom)), int(np.ceil(width / layer.zoom))
    piece = pixels[layer.y_px : layer.y_px + rows, layer.x_px : layer.x_px + columns]
    short = rows - piece.shape[0], columns - piece.shape[1]
    if max(short) > 0:
        piece = np.pad(piece, [(0, max(0, missing)) for missing in short], mode="symmetric")
    if layer.zoom != 1.0:
        box = (0.0, 0.0, width / layer.zoom, height / layer.zoom)
        larger = Image.fromarray(np.ascontiguousarray(piece)).resize((width, height), Image.Resampling.BICUBIC, box=box)
        piece = np.asarray(larger, np.float32)
    piece = np.rot90(piece, layer.quarter_turns)
    return piece[:, ::-1] if layer.flipped else piece


def illumination(frame: Frame, light: Light) -> FloatArray:
    """Brightness (height, width) of the light, 1 at its top."""
    x = (np.linspace(0, 1, frame.width, dtype=np.float32) - np.float32(light.centre_x)) / np.float32(light.sigma_x)
    y = (np.linspace(0, 1, frame.height, dtype=np.float32) - np.float32(light.centre_y)) / np.float32(light.sigma_y)
    hill = np.exp(np.float32(-0.5) * np.square(y))[:, None] * np.exp(np.float32(-0.5) * np.square(x))[None, :]
    return np.asarray(np.float32(light.floor) + np.float32(1 - light.floor) * hill, np.float32)


def brightness(
    frame: Frame, settings: Background, rng: np.random.Generator, folder: PictureFolder | None = None
) -> FloatArray:
    """Brightness (height, width), about 1 where the light is brightest.

    Raises
    ------
    ValueError: there are layers, and `folder` is not the one that they come from.
    """
    field = np.ones((frame.height, frame.width), np.float32)
    if settings.perlin is not None:
        p7 = published(frame.height, frame.width, settings.perlin, rng)
        field += np.float32(settings.perlin.contrast) * (p7 - np.float32(0.5))
    if settings.layers:
        if folder is None:
            raise ValueError(f"the background {settings.layers[0].file!r} is needed: give the folder it was drawn from")
        field *= superposed(settings.layers, frame, folder)
    if settings.light is not None:
        field *= illumination(frame, settings.light)
    return np.maximum(field, np.float32(DARKEST))
