"""Rings, discs and bars onto a canvas."""

from __future__ import annotations

import numpy as np

from training.defects.synthetic.canvas import Canvas
from training.defects.synthetic.marks import Bar, Disc, Harmonic, Ring
from training.synthetic.resizing import FloatArray

#: Half of a line's full width at half maximum, in units of its profile's width (2^(2/3) - 1)^(1/2).
_HALF_WIDTH = 0.7664
#: Where the profile of a line ends, in units of its width.
_REACH = 4.0
_FOOT = (1.0 + _REACH**2) ** -1.5


def line_profile(distance: FloatArray, fwhm: float) -> FloatArray:
    """Attenuation across a dark line with full width at half maximum `fwhm`: 1 in the middle, 0 from 2.6 fwhm on.

    (1 + (d/w)²)^(-3/2) has the core and the long tails that loops' edges show in the real micrographs.
    """
    u = 1.0 + np.square(distance * np.float32(2 * _HALF_WIDTH / fwhm))
    above_foot = (1.0 / (u * np.sqrt(u)) - np.float32(_FOOT)) * np.float32(1 / (1 - _FOOT))
    return np.maximum(above_foot, 0.0)


def step(distance: FloatArray, soft: float) -> FloatArray:
    """1 well inside (distance < 0), 0 well outside; half at 0, 15 % at a distance of half of `soft`."""
    slope = distance / np.sqrt(np.square(distance) + np.float32((0.51 * soft) ** 2))
    return np.asarray(0.5 - 0.5 * slope, np.float32)


def line_reach_nm(fwhm: float) -> float:
    """Distance at which a line's profile has ended."""
    return _REACH * fwhm / (2 * _HALF_WIDTH)


def _reach_nm(mark: Ring | Disc | Bar) -> float:
    if isinstance(mark, Ring):
        return line_reach_nm(mark.edge_nm)
    if isinstance(mark, Disc):
        return 2.0 * mark.soft_nm + (line_reach_nm(2.0) if mark.rim else 0.0)
    return max(2.0 * mark.soft_nm, line_reach_nm(mark.halo_nm) if mark.halo else 0.0)


def draw(canvas: Canvas, mark: Ring | Disc | Bar) -> None:
    """Adds a mark's attenuation to the canvas."""
    angle = np.deg2rad(mark.angle_deg)
    cos, sin = np.cos(angle), np.sin(angle)
    a, b = mark.major_nm / 2, mark.minor_nm / 2
    margin = _reach_nm(mark) + 0.12 * mark.major_nm * (not isinstance(mark, Bar))
    if isinstance(mark, Bar):
        half_x, half_y = a * abs(cos) + b * abs(sin) + margin, a * abs(sin) + b * abs(cos) + margin
    else:
        half_x, half_y = np.hypot(a * cos, b * sin) + margin, np.hypot(a * sin, b * cos) + margin
    rows, columns = canvas.window(mark.x_nm - half_x, mark.y_nm - half_y, mark.x_nm + half_x, mark.y_nm + half_y)
    if rows.start >= rows.stop or columns.start >= columns.stop:
        return
    x, y = canvas.positions()
    x, y = x[:, columns] - np.float32(mark.x_nm), y[rows] - np.float32(mark.y_nm)
    along, across = x * np.float32(cos) - y * np.float32(sin), x * np.float32(sin) + y * np.float32(cos)
    if isinstance(mark, Ring):
        drawn = _ring(mark, along, across)
    elif isinstance(mark, Disc):
        drawn = _disc(mark, along, across)
    else:
        drawn = _bar(mark, along, across)
    canvas.values[rows, columns] += drawn


def _modulation(harmonics: tuple[Harmonic, ...], unit: np.ndarray) -> FloatArray:
    """Sum of the harmonics where `unit` is exp(iθ), or shorter near the middle, where high orders fade first."""
    total = np.zeros(unit.shape, np.float32)
    powers = {1: unit}
    for harmonic in harmonics:
        for order in range(2, harmonic.order + 1):
            if order not in powers:
                powers[order] = powers[order - 1] * unit
        wave = powers[harmonic.order]
        phase = harmonic.phase_rad
        cos, sin = np.float32(harmonic.amplitude * np.cos(phase)), np.float32(harmonic.amplitude * np.sin(phase))
        total += wave.real * cos - wave.imag * sin
    return total


def _polar(
    along: FloatArray, across: FloatArray, a: float, b: float, outline: tuple[Harmonic, ...], turns: bool
) -> tuple[FloatArray, FloatArray, np.ndarray | None]:
    """Radius in units of the ellipse's, distance from its outline in nm, and min(radius, 1) · exp(iθ) where needed.

    The distance is negative inside; it is exact on both axes' ends and to first order along the outline, and inside it
    is never more than the minor axis leaves room for.
    """
    p, q = along * np.float32(1 / a), across * np.float32(1 / b)
    radius = np.sqrt(p * p + q * q) + np.float32(1e-4)
    slope = np.sqrt(np.square(p * np.float32(1 / a)) + np.square(q * np.float32(1 / b))) + np.float32(1e-4 / a)
    length = radius / slope
    unit = None
    if turns or outline:
        unit = np.empty(radius.shape, np.complex64)
        shrunk = 1.0 / np.maximum(radius, 1.0)
        unit.real, unit.imag = p * shrunk, -q * shrunk  # y points down: θ runs counter-clockwise on the screen
    if outline and unit is not None:
        radius = radius * (1.0 - _modulation(outline, unit))
    room = np.float32(-b) * np.sqrt(np.maximum(1.0 - radius * radius, 0.0))
    return radius, np.where(radius < 1.0, np.maximum((radius - 1.0) * length, room), (radius - 1.0) * length), unit


def _ring(mark: Ring, along: FloatArray, across: FloatArray) -> FloatArray:
    a, b = mark.major_nm / 2, mark.minor_nm / 2
    turns = bool(mark.lobes or mark.gap)
    radius, distance, unit = _polar(along, across, a, b, mark.outline, turns)
    inward = np.float32(mark.edge_nm / 6)
    edge = line_profile(distance + inward, mark.edge_nm) * np.float32(mark.depth)
    if mark.minor_nm < 2 * line_reach_nm(mark.edge_nm):
        # in the middle both sides' tails meet
        edge += line_profile(distance + (np.float32(2 * b) - inward), mark.edge_nm) * np.float32(mark.depth)
    if mark.second is not None:
        inset, second = np.float32(mark.second.inset_nm), mark.second
        edge += line_profile(distance + inset, mark.edge_nm) * np.float32(second.depth)
        edge -= line_profile(distance + inset / 2, 0.7 * mark.edge_nm) * np.float32(second.between)
    if unit is not None and mark.lobes:
        edge *= np.maximum(1.0 + _modulation(mark.lobes, unit), 0.0)
    if unit is not None and mark.gap:
        edge *= step(unit.real * mark.gap_end - np.cos(np.pi * mark.gap), 0.4)
    if mark.fill:
        edge += step(distance + np.float32(mark.edge_nm / 2), mark.edge_nm) * np.float32(mark.fill)
    if mark.core:
        edge += line_profile(radius * np.float32(b), mark.edge_nm) * np.float32(mark.core)
    return edge


def _disc(mark: Disc, along: FloatArray, across: FloatArray) -> FloatArray:
    a, b = mark.major_nm / 2, mark.minor_nm / 2
    radius, distance, unit = _polar(along, across, a, b, mark.outline, bool(mark.lobes))
    solid = step(distance, mark.soft_nm) * np.float32(mark.depth)
    if unit is not None and mark.lobes:
        solid *= np.maximum(1.0 + _modulation(mark.lobes, unit) * np.minimum(radius, 1.0), 0.0)
    if mark.split:
        solid *= 1.0 - np.float32(mark.split) * line_profile(along, 0.35 * mark.major_nm)
    # what is left of the rim at the window's border goes to zero
    solid *= np.clip((np.float32(2.0 * mark.soft_nm) - distance) * np.float32(1 / mark.soft_nm), 0.0, 1.0)
    if mark.rim:
        solid += line_profile(distance, 2.0) * np.float32(mark.rim)
    return solid


def _bar(mark: Bar, along: FloatArray, across: FloatArray) -> FloatArray:
    corner = 0.5 * mark.minor_nm
    position = along * np.float32(2 / mark.major_nm)
    if mark.bow_nm:
        across = across - np.float32(mark.bow_nm) * (np.square(position) - 0.5)
    dx = np.abs(along) - np.float32(mark.major_nm / 2 - corner)
    dy = np.abs(across) - np.float32(mark.minor_nm / 2 - corner)
    if mark.taper:
        dy += np.float32(mark.taper * mark.minor_nm / 2) * np.minimum(np.square(position), 1.0)
    distance = np.hypot(np.maximum(dx, 0.0), np.maximum(dy, 0.0)) + np.minimum(np.maximum(dx, dy), 0.0)
    distance -= np.float32(corner)
    solid = step(distance, mark.soft_nm) * np.float32(mark.depth)
    solid *= np.clip((np.float32(2.0 * mark.soft_nm) - distance) * np.float32(1 / mark.soft_nm), 0.0, 1.0)
    if mark.waves:
        factor = np.ones_like(solid)
        for wave in mark.waves:
            angle = position * np.float32(wave.order * np.pi) + np.float32(wave.phase_rad)
            factor += np.float32(wave.amplitude) * np.cos(angle)
        solid *= np.maximum(factor, 0.0)
    if mark.halo:
        side = 1.0 - mark.halo_side * across / np.sqrt(np.square(across) + np.float32(mark.minor_nm**2 / 4))
        halo = line_profile(np.maximum(distance, 0.0), 2 * mark.halo_nm) * side
        solid = np.maximum(solid, 0.0) + halo * np.float32(mark.halo)
    return solid
