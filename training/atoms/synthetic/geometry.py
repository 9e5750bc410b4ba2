"""From pixels to positions in a crystal and back.

Pixel (0, 0) is the centre of the top left pixel, x to the right, y down. Scan coordinates are pixels after the smooth
distortions (drift, flyback); they are linear in the specimen. Jitter of single lines is added to the scan coordinates
when the picture is sampled, and only then: it is noise, and the true positions do not know it.
"""

from __future__ import annotations

import numpy as np

from training.atoms.synthetic.lattices import Lattice
from training.atoms.synthetic.parameters import Crystal, Frame, Jitter, Wave


def waves_1d(waves: tuple[Wave, ...], t: np.ndarray) -> np.ndarray:
    """Sum of the waves along y only, at fractions `t` of the frame's height."""
    total = np.zeros_like(t)
    for wave in waves:
        total += wave.amplitude * np.cos(2.0 * np.pi * wave.frequency_y * t + wave.phase_rad)
    return total


def waves_at(waves: tuple[Wave, ...], x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Sum of the waves at points (fractions of the frame's width and height)."""
    total = np.zeros(np.broadcast(x, y).shape)
    for wave in waves:
        angle = 2.0 * np.pi * (wave.frequency_x * x + wave.frequency_y * y) + wave.phase_rad
        total += wave.amplitude * np.cos(angle)
    return total


def waves_grid(waves: tuple[Wave, ...], height: int, width: int) -> np.ndarray:
    """Sum of the waves on the whole frame, (height, width) float32; a wave is a product of two complex factors."""
    total = np.zeros((height, width), dtype=np.float32)
    for wave in waves:
        rows = np.exp(2j * np.pi * wave.frequency_y * np.arange(height) / height + 1j * wave.phase_rad)
        columns = wave.amplitude * np.exp(2j * np.pi * wave.frequency_x * np.arange(width) / width)
        total += np.outer(rows.real.astype(np.float32), columns.real.astype(np.float32))
        total -= np.outer(rows.imag.astype(np.float32), columns.imag.astype(np.float32))
    return total


def scan_coordinates(frame: Frame, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scan coordinates of pixel positions: drift of the row and flyback of the column added, jitter not."""
    t = y / frame.height
    moved_x = x + frame.flyback_px * np.exp(-x / frame.flyback_decay_px) + waves_1d(frame.drift_x, t)
    return moved_x, y + waves_1d(frame.drift_y, t)


def pixel_coordinates(frame: Frame, u: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pixel positions of scan coordinates: the inverse of `scan_coordinates`, by fixed-point iteration (to 1e-9 px).

    Drift is the same for a whole row, so y comes first and x follows. Left of the frame the flyback is held at its
    value at x = 0, where it would grow without bound.
    """
    y = v.copy()
    for _ in range(60):
        y = v - waves_1d(frame.drift_y, y / frame.height)
    target = u - waves_1d(frame.drift_x, y / frame.height)
    x = target.copy()
    for _ in range(60):
        x = target - frame.flyback_px * np.exp(-np.maximum(x, 0.0) / frame.flyback_decay_px)
    return x, y


def crystal_matrix(frame: Frame, crystal: Crystal) -> np.ndarray:
    """Matrix 2 × 2 from scan coordinates (px) to crystal coordinates (Å); calibration errors, then rotation."""
    scale = 10.0 * frame.pixel_size_nm
    scan = scale * np.array([[frame.zoom_x, frame.shear], [0.0, frame.zoom_y]])
    angle = np.deg2rad(crystal.rotation_deg)
    rotation = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return rotation @ scan


def to_crystal(frame: Frame, crystal: Crystal, u: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Crystal coordinates in Å of scan coordinates; the centre of the frame is at the crystal's offset."""
    matrix = crystal_matrix(frame, crystal)
    u0, v0 = u - (frame.width - 1) / 2.0, v - (frame.height - 1) / 2.0
    return (
        matrix[0, 0] * u0 + matrix[0, 1] * v0 + crystal.offset_x_a,
        matrix[1, 0] * u0 + matrix[1, 1] * v0 + crystal.offset_y_a,
    )


def columns_in_frame(frame: Frame, crystal: Crystal, lattice: Lattice, border_px: float = 0.0) -> np.ndarray:
    """Pixel positions (n, 2) of every labelled column of the endless crystal whose centre lies in the frame.

    In the frame means from 0 to width - 1 and 0 to height - 1, or `border_px` further on every side.
    """
    reach = border_px + 8.0
    drift = sum(abs(wave.amplitude) for wave in (*frame.drift_x, *frame.drift_y)) + abs(frame.flyback_px)
    edges_x = np.array([-reach - drift, frame.width + reach + drift])
    edges_y = np.array([-reach - drift, frame.height + reach + drift])
    corner_u, corner_v = (corners.ravel() for corners in np.meshgrid(edges_x, edges_y))
    x, y = to_crystal(frame, crystal, corner_u, corner_v)
    size = np.array(lattice.projected_cell)
    low = np.floor(np.array([x.min(), y.min()]) / size).astype(int)
    high = np.ceil(np.array([x.max(), y.max()]) / size).astype(int)
    cells = np.stack(np.meshgrid(np.arange(low[0], high[0] + 1), np.arange(low[1], high[1] + 1)), axis=-1)
    points = (cells.reshape(-1, 1, 2) * size + lattice.column_positions).reshape(-1, 2)
    points = points - [crystal.offset_x_a, crystal.offset_y_a]
    scan = points @ np.linalg.inv(crystal_matrix(frame, crystal)).T
    u, v = scan[:, 0] + (frame.width - 1) / 2.0, scan[:, 1] + (frame.height - 1) / 2.0
    near = (u > edges_x[0]) & (u < edges_x[1]) & (v > edges_y[0]) & (v < edges_y[1])
    px, py = pixel_coordinates(frame, u[near], v[near])
    inside = (px >= -border_px) & (px <= frame.width - 1 + border_px)
    inside &= (py >= -border_px) & (py <= frame.height - 1 + border_px)
    return np.stack([px[inside], py[inside]], axis=1)


def line_jitter(jitter: Jitter, height: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Displacement of every scan line in x and y, px, (height,) each."""
    white, slow = rng.standard_normal((2, height)), rng.standard_normal((2, height + 4))
    kernel = np.array([1.0, 2.0, 3.0, 2.0, 1.0]) / np.sqrt(19.0)
    smooth = np.stack([np.convolve(line, kernel, mode="valid") for line in slow])
    mixed = np.sqrt(1.0 - jitter.smooth) * white + np.sqrt(jitter.smooth) * smooth
    phase = rng.uniform(0.0, 2.0 * np.pi)
    hum = np.sqrt(2.0) * jitter.hum_px * np.sin(2.0 * np.pi * np.arange(height) / jitter.hum_period_lines + phase)
    jumps = (rng.random(height) < jitter.jump_fraction) * rng.standard_normal(height) * jitter.jump_px
    return jitter.x_px * mixed[0] + hum + jumps, jitter.y_px * mixed[1]
