"""The lattice spacing of a picture, from its power spectrum."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.fft
import scipy.ndimage as ndi
import scipy.special

_PATCH = 1024  # larger pictures are averaged over patches of this size (Welch), so time and memory stay bounded
_PATCHES_PER_AXIS = 3
_MIN_SIZE = 32
_MIN_PERIODS = 6  # a spacing is believed when it fits at least this often into the picture
_SHORTEST_PX = 3.0
_AXIS_WIDTH = 2  # line noise and picture borders put ridges of this half width on the two axes
_MARGIN = 3.0  # a Bragg peak is this factor above the largest peak that noise alone makes


@dataclass(frozen=True)
class Spacing:
    """The strongest lattice spacing of a picture.

    Attributes
    ----------
    spacing_px: distance of the lattice planes (d-spacing, not the distance of columns).
    angle_deg: direction across the planes, counter-clockwise from x as seen on the screen, 0 to 180.
    confidence: 0 at the limit of detection, towards 1 for a strong lattice; halved where only one set of planes shows.
    """

    spacing_px: float
    angle_deg: float
    confidence: float


def estimate_spacing(pixels: npt.NDArray[np.floating]) -> Spacing | None:
    """The strongest lattice spacing of a picture, or None where there is no lattice.

    The power spectrum of the Hann-windowed picture is divided by its local background (the mean over rings, and
    along the axes, where line noise lies, the mean along the axis). The strongest peak that noise cannot explain is
    located to a fraction of a frequency step by a parabola through the logarithm of the power.

    Parameters
    ----------
    pixels: (height, width), square pixels, finite.
    """
    if min(pixels.shape) < _MIN_SIZE:
        return None
    power, patches = _power(pixels)
    rows, columns = power.shape
    ky = scipy.fft.fftfreq(rows)[:, None]
    kx = scipy.fft.rfftfreq(2 * (columns - 1))[None, :]
    k = np.hypot(ky, kx)
    usable = (k >= _MIN_PERIODS / min(rows, 2 * (columns - 1))) & (k <= 1 / _SHORTEST_PX)
    usable &= (kx > 0) | (ky > 0)  # the other half of the kx = 0 column is its own mirror image
    ratio = power / _background(power, ky, kx, k, patches)
    smooth = ndi.uniform_filter(ratio, 3, mode="wrap") * usable
    # a mean of `patches` exponential variates over about 4 independent bins: largest of n by the gamma tail, roughly
    looks = 4 * patches
    limit = 1 + np.sqrt(2 * np.log(smooth.size) / looks) + np.log(smooth.size) / looks
    peaks = np.argwhere((smooth == ndi.maximum_filter(smooth, 5, mode="wrap")) & (smooth > _MARGIN * limit))
    if not len(peaks):
        return None
    # excess power, not its ratio to the background: the strongest spacing is the one that makes the contrast
    excess = np.array([_excess(power, ratio, row, column) for row, column in peaks])
    best = int(np.argmax(excess))
    row, column = peaks[best]
    d_row, d_column = _vertex(power, row, column)
    fy = (float(ky[row, 0]) * rows + d_row) / rows
    fx = (float(kx[0, column]) * 2 * (columns - 1) + d_column) / (2 * (columns - 1))
    vectors = np.column_stack([kx[0, peaks[:, 1]], ky[peaks[:, 0], 0]])
    strong = excess > 0.02 * excess[best]
    across = np.abs(vectors[:, 0] * fy - vectors[:, 1] * fx) / np.hypot(*vectors.T) / np.hypot(fx, fy)
    confidence = 1 - limit * _MARGIN / float(smooth[row, column])
    if not np.any(strong & (across > 0.3)):
        confidence /= 2
    return Spacing(
        spacing_px=float(1 / np.hypot(fx, fy)),
        angle_deg=float(np.degrees(np.arctan2(-fy, fx)) % 180),
        confidence=float(np.clip(confidence, 0, 1)),
    )


def _power(pixels: npt.NDArray[np.floating]) -> tuple[npt.NDArray[np.float32], int]:
    """Half-plane power spectrum, averaged over patches, and how many patches there were."""
    size_y, size_x = (min(n, _PATCH) // 2 * 2 for n in pixels.shape)
    window = np.outer(np.hanning(size_y), np.hanning(size_x)).astype(np.float32)
    total = np.zeros((size_y, size_x // 2 + 1), np.float32)
    starts = [_starts(n, size) for n, size in zip(pixels.shape, (size_y, size_x), strict=True)]
    count = 0
    for y in starts[0]:
        for x in starts[1]:
            patch = np.asarray(pixels[y : y + size_y, x : x + size_x], np.float32)
            patch = (patch - patch.mean(dtype=np.float64).astype(np.float32)) * window
            spectrum = scipy.fft.rfft2(patch)
            total += spectrum.real**2 + spectrum.imag**2
            count += 1
    total /= count
    return total, count


def _starts(length: int, size: int) -> list[int]:
    count = min(_PATCHES_PER_AXIS, length // size)
    return [round(i) for i in np.linspace(0, length - size, count)] if count > 1 else [(length - size) // 2]


def _background(
    power: npt.NDArray[np.float32],
    ky: npt.NDArray[np.float64],
    kx: npt.NDArray[np.float64],
    k: npt.NDArray[np.float64],
    patches: int,
) -> npt.NDArray[np.float64]:
    """Power of the noise at each frequency: of its ring, or of its axis where that is more.

    Geometric means over rings, which a few Bragg peaks hardly move, and medians along the axes, where one peak fills
    much of the few bins; `bias` makes them arithmetic means of noise, about.
    """
    bias = float(np.log(patches) - scipy.special.digamma(patches))
    level = np.log(power + np.finfo(np.float32).tiny)
    rings = (k * 256).astype(np.intp)
    background = _means(level, rings)[rings]
    y_step, x_step = 1 / power.shape[0], 0.5 / (power.shape[1] - 1)
    for near, along in ((kx <= _AXIS_WIDTH * x_step, np.abs(ky)), (np.abs(ky) <= _AXIS_WIDTH * y_step, kx)):
        mask = np.broadcast_to(near, power.shape)
        bins = np.broadcast_to((along * 24).astype(np.intp), power.shape)[mask]
        here = level[mask]
        for number in np.unique(bins):
            part = bins == number
            here[part] = np.median(here[part])
        background[mask] = np.maximum(background[mask], here)
    return np.exp(background + bias)


def _means(values: npt.NDArray[np.floating], bins: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:
    """Mean of `values` in each bin; bins are whole numbers from 0."""
    count = np.bincount(bins.ravel())
    return np.bincount(bins.ravel(), weights=values.ravel()) / np.maximum(count, 1)


def _excess(power: npt.NDArray[np.float32], ratio: npt.NDArray[np.float64], row: int, column: int) -> float:
    rows = np.arange(row - 1, row + 2) % power.shape[0]
    columns = np.clip(np.arange(column - 1, column + 2), 0, power.shape[1] - 1)
    part = np.ix_(rows, columns)
    return float(np.sum(power[part] * np.clip(1 - 1 / np.maximum(ratio[part], 1e-6), 0, 1)))


def _vertex(power: npt.NDArray[np.float32], row: int, column: int) -> tuple[float, float]:
    """Offset of the top of a peak from its bin, by parabolas through the logarithm in both directions."""
    height = np.log(power + np.finfo(np.float32).tiny)
    rows, columns = power.shape
    below, above = height[(row - 1) % rows, column], height[(row + 1) % rows, column]
    left = height[row, column - 1] if column else height[-row % rows, 1]
    right = height[row, column + 1] if column + 1 < columns else left
    centre = height[row, column]
    return _parabola(below, centre, above), _parabola(left, centre, right)


def _parabola(before: float, centre: float, after: float) -> float:
    curvature = before - 2 * centre + after
    return float(np.clip((before - after) / (2 * curvature), -0.5, 0.5)) if curvature < 0 else 0.0
