"""How the specimen drifts between the frames of a video, from what does not glide.

The lines themselves are the strongest thing in most frames and move on their own, so they are painted over with what
is around them before frames are compared. What is left, dirt, precipitates and the background's texture, is whitened:
every length of a band counts alike, and no place much more than others. Without that, the few strong features would
decide the correlation, and noise would move its peak by pixels.

Two bands are compared. The coarse one, of lengths that no camera has in it, says where to look; the fine one, which
reaches down to the pixel, says exactly where. Alone it would be held fast by the fixed pattern of the camera; where
there is nothing coarse to be seen, it decides.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import scipy.fft
import scipy.ndimage as ndi

FloatArray = npt.NDArray[np.float32]
ComplexArray = npt.NDArray[np.complex64]
BoolArray = npt.NDArray[np.bool_]

_COARSE, _FINE = 0, 1  # the bands
_SHORTEST_PX = (3.0, 1.0)  # standard deviation of the Gaussian that bounds each
_LIGHT_PX = 10.0  # standard deviation of the Gaussian that is taken off as light
_LONGEST_PX = 30.0  # wavelength: longer ones are the light
_BINNED_PX = 1024  # frames are binned until their shorter side is below
_LIMIT, _OUTSTANDING = 3.0, 2.0  # standard deviations at which grey values are cut off, before whitening and after
_AROUND_PX, _TAMED = 33, 0.7  # a place is toned down where the variance around it is above that share of the mean's
_PERIODIC = 3.0  # times the strength of its length at which a wave is cut off: a lattice, a grid of compression
_SURE = 12.0  # log likelihood that a peak needs: 4.9 standard deviations of the correlation; noise alone reaches 5
_FAR_COSTS = 6.0  # of it, times the logarithm of how far from the expected place: 8 standard deviations at 60 px
_ALONE = 1.4  # times the next highest place of the correlation; lines that were missed, and light, have several
_PEAK_PX = (12, 6)  # around the peak of each band that do not count for that
_REFINED_PX = 2  # from the coarse place is where the fine band is looked at
_FARTHEST = 0.25  # of the frame: a larger step between two frames is not looked for
_LEAST_OVERLAP = 0.05  # of the frame
_RENEW = 0.08  # of the frame: after so much drift the reference is renewed, while enough of it is still in view
_MARGIN_PX = 4.0  # painted over beside each line


@dataclass(frozen=True)
class Drift:
    """Where the specimen has gone since the first frame, px. `sure` is False where it was not seen and the last stands.

    A place at (x, y) in the first frame lies at (x + dx, y + dy) in this one.
    """

    dx: float
    dy: float
    sure: bool


class DriftEstimator:
    """Frame after frame, the drift since the first one. Holds two frames: the reference and the last one.

    Frames are compared with the first one as long as they show enough of it, and then with a later one, so that errors
    do not add up from frame to frame.
    """

    def __init__(self) -> None:
        self._reference: _Frame | None = None
        self._reference_at = (0.0, 0.0)
        self._last: tuple[_Frame, tuple[float, float]] | None = None

    def update(self, pixels: npt.NDArray[np.floating], hidden: BoolArray) -> Drift:
        """The drift at the next frame.

        Parameters
        ----------
        pixels: (height, width), the same for all frames, without a data bar.
        hidden: (height, width), where lines are; see `line_mask`.
        """
        frame = _whitened(pixels, hidden)
        if self._reference is None or self._last is None:
            self._reference, self._last = frame, (frame, (0.0, 0.0))
            return Drift(0.0, 0.0, True)
        base, before = self._reference_at, self._last[1]
        expected = ((before[0] - base[0]) / frame.step, (before[1] - base[1]) / frame.step)
        shift = _shift(self._reference, frame, expected)
        if shift is None and self._last[0] is not self._reference:  # too different from the reference by now
            shift, base = _shift(self._last[0], frame, (0.0, 0.0)), before
            if shift is not None:
                self._reference, self._reference_at = self._last
        if shift is None:
            return Drift(*before, False)
        at = (base[0] + frame.step * shift[0], base[1] + frame.step * shift[1])
        self._last = (frame, at)
        if math.hypot(*shift) > _RENEW * min(frame.seen.shape):
            self._reference, self._reference_at = frame, at
        return Drift(*at, True)


def line_mask(
    lines: Iterable[tuple[npt.NDArray[np.floating], float]], height: int, width: int, *, margin_px: float = _MARGIN_PX
) -> BoolArray:
    """Where lines are in a picture of that size, each wider by a margin to both sides.

    Parameters
    ----------
    lines: points (n, 2) x, y in px along each, and its width in px.
    """
    mask = np.zeros((height, width), bool)
    for points, width_px in lines:
        reach = math.ceil(width_px / 2 + margin_px)
        along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
        at = np.linspace(0, along[-1], max(2, int(along[-1] / reach) + 2))
        xs, ys = (np.round(np.interp(at, along, points[:, i])).astype(int).tolist() for i in (0, 1))
        for x, y in zip(xs, ys, strict=True):
            mask[max(y - reach, 0) : max(y + reach + 1, 0), max(x - reach, 0) : max(x + reach + 1, 0)] = True
    return mask


@dataclass(frozen=True, eq=False)
class _Frame:
    """Two whitened bands of a frame; 1 where it was seen, 0 where it was painted over; how many pixels became one."""

    bands: tuple[FloatArray, FloatArray]
    seen: FloatArray
    step: int

    @property
    def farthest(self) -> int:
        """The largest shift in x and y that is looked for."""
        return int(_FARTHEST * min(self.seen.shape))

    @property
    def padded(self) -> tuple[int, int]:
        """The size at which spectra are taken, with room for the largest shift."""
        height, width = (scipy.fft.next_fast_len(n + self.farthest, real=True) for n in self.seen.shape)
        return height, width

    @cached_property
    def spectra(self) -> tuple[ComplexArray, ComplexArray, ComplexArray]:
        """Of both bands, levelled, and of `seen`."""
        count = max(float(self.seen.sum()), 1.0)
        levelled = (self.seen * (band - float((band * self.seen).sum()) / count) for band in self.bands)
        coarse, fine, seen = (scipy.fft.rfft2(part, self.padded) for part in (*levelled, self.seen))
        return coarse, fine, seen


def _whitened(pixels: npt.NDArray[np.floating], hidden: BoolArray) -> _Frame:
    frame, seen = np.asarray(pixels, np.float32), (~hidden).astype(np.float32)
    step = max(1, -(-min(frame.shape) // _BINNED_PX))
    if step > 1:
        height, width = (length // step * step for length in frame.shape)
        frame, seen = (
            part[:height, :width].reshape(height // step, step, width // step, step).mean(axis=(1, 3))
            for part in (frame * seen, seen)
        )
        frame, seen = frame / np.maximum(seen, 1e-6), (seen > 0.99).astype(np.float32)
    if not seen.all():
        around = ndi.gaussian_filter(seen, _LIGHT_PX / 2)
        filled = ndi.gaussian_filter(frame * seen, _LIGHT_PX / 2) / np.maximum(around, 1e-6)
        frame = np.where(seen > 0, frame, np.where(around > 1e-3, filled, frame.mean()))
    flat = np.clip(_unit(frame - ndi.gaussian_filter(frame, _LIGHT_PX), seen), -_LIMIT, _LIMIT)
    share = np.maximum(ndi.uniform_filter(seen, _AROUND_PX, mode="constant"), 0.05)
    coarse, fine = (_tamed(_unit(_evened(flat, shortest), seen), share) * seen for shortest in _SHORTEST_PX)
    return _Frame((coarse, fine), seen, step)


def _tamed(band: FloatArray, share: FloatArray) -> FloatArray:
    """A band of variance 1 without what stands out; share: of each place's surroundings that was seen."""
    variance = ndi.uniform_filter(band * band, _AROUND_PX, mode="constant") / share
    return np.clip(band / np.sqrt(np.maximum(variance, _TAMED)), -_OUTSTANDING, _OUTSTANDING)


def _unit(field: FloatArray, seen: FloatArray) -> FloatArray:
    """A field, 0 where it was not seen, of variance 1 where it was."""
    field = field * seen
    return np.asarray(field / np.float32(max(math.sqrt(float((field**2).sum()) / max(float(seen.sum()), 1.0)), 1e-6)))


def _evened(field: FloatArray, shortest_px: float) -> FloatArray:
    """All wavelengths as strong as each other on average, but for shorter ones, and the longest."""
    spectrum = scipy.fft.rfft2(field)
    frequency = np.hypot(scipy.fft.fftfreq(field.shape[0])[:, None], scipy.fft.rfftfreq(field.shape[1])[None, :])
    rings = max(8, min(field.shape) // 4)
    ring = np.minimum((2 * rings * frequency).astype(np.intp), rings)
    power = np.abs(spectrum) ** 2
    count = np.bincount(ring.ravel(), minlength=rings + 1)
    mean = (np.bincount(ring.ravel(), power.ravel(), rings + 1) / np.maximum(count, 1))[ring]
    gain = np.exp(-2 * (np.pi * shortest_px * frequency) ** 2) * (frequency > 1 / _LONGEST_PX)
    gain /= np.sqrt(np.maximum(np.maximum(mean, power / _PERIODIC**2), 1e-9 * float(mean.max()) + 1e-30))
    return np.asarray(scipy.fft.irfft2(spectrum * gain.astype(np.float32), field.shape), np.float32)


def _shift(reference: _Frame, frame: _Frame, expected: tuple[float, float]) -> tuple[float, float] | None:
    """How far (dx, dy) the frame's content lies from the reference's; None where the two have nothing in common."""
    farthest = frame.farthest
    coarse, fine, overlap = (_correlation(a, b, frame) for a, b in zip(reference.spectra, frame.spectra, strict=True))
    overlap = np.maximum(overlap, _LEAST_OVERLAP * frame.seen.size)
    far = _far(farthest, expected)
    place, band = _peak(coarse, overlap, far, _PEAK_PX[_COARSE]), coarse
    if place is None:
        place, band = _peak(fine, overlap, far, _PEAK_PX[_FINE]), fine
    if place is None:
        return None
    # Frames overlap best where they lie on each other as they are: divided by it, the peak is not pulled there.
    if band is coarse:
        near = _highest(fine / overlap, place, _REFINED_PX)
        if near is not None and _likelihood(fine, overlap)[near] > _SURE:
            place, band = near, fine
    ratio = band / overlap
    y, x = _highest(ratio, place, 1) or place
    return x + _vertex(ratio[y, :], x) - farthest, y + _vertex(ratio[:, x], y) - farthest


def _likelihood(correlation: FloatArray, overlap: FloatArray) -> FloatArray:
    """Log likelihood of every shift against chance: half the square of the standard deviations that it stands out by.

    Of a correlation divided by the root of the overlap, as what two frames of noise give is then alike at all shifts.
    """
    evidence = correlation / np.sqrt(overlap)
    spread = 1.4826 * float(np.median(np.abs(evidence)))
    return np.asarray(np.maximum(evidence, 0) ** 2 / (2 * spread**2) if spread > 1e-6 else 0 * evidence, np.float32)


def _peak(correlation: FloatArray, overlap: FloatArray, far: FloatArray, around: int) -> tuple[int, int] | None:
    """Row and column of the peak of a correlation, None where it is not evident; far: what each place costs."""
    likelihood = _likelihood(correlation, overlap)
    y, x = (int(i) for i in np.unravel_index(int(np.argmax(likelihood - far)), far.shape))
    beside = likelihood.copy()
    beside[max(0, y - around) : y + around + 1, max(0, x - around) : x + around + 1] = 0
    if likelihood[y, x] - far[y, x] < _SURE or likelihood[y, x] < _ALONE**2 * float(beside.max()):
        return None
    return y, x


def _highest(values: FloatArray, place: tuple[int, int], reach: int) -> tuple[int, int] | None:
    """Row and column of the highest value close to a place, None where it rises further on."""
    top, left = (max(0, at - reach) for at in place)
    close = values[top : place[0] + reach + 1, left : place[1] + reach + 1]
    y, x = (int(i) for i in np.unravel_index(int(np.argmax(close)), close.shape))
    y, x = top + y, left + x
    around = values[max(0, y - 1) : y + 2, max(0, x - 1) : x + 2]
    return (y, x) if values[y, x] >= float(around.max()) else None


def _far(farthest: int, expected: tuple[float, float]) -> FloatArray:
    """How much less likely, as a logarithm, a shift is the farther it lies from the expected one."""
    steps = np.arange(-farthest, farthest + 1, dtype=np.float32)
    distance = np.hypot(steps[:, None] - np.float32(expected[1]), steps[None, :] - np.float32(expected[0]))
    return np.asarray(_FAR_COSTS * np.log1p(distance / 2), np.float32)


def _correlation(a: ComplexArray, b: ComplexArray, frame: _Frame) -> FloatArray:
    """Cross-correlation at shifts of b against a from -farthest to farthest, in y and x, of spectra."""
    full, farthest = scipy.fft.irfft2(np.conj(a) * b, frame.padded), frame.farthest
    return np.asarray(np.roll(full, (farthest, farthest), axis=(0, 1))[: 2 * farthest + 1, : 2 * farthest + 1])


def _vertex(values: npt.NDArray[np.floating], at: int) -> float:
    """Offset of the top of a peak from its highest sample, by a parabola."""
    if not 0 < at < len(values) - 1:
        return 0.0
    before, centre, after = (float(value) for value in values[at - 1 : at + 2])
    bend = before - 2 * centre + after
    return float(np.clip((before - after) / (2 * bend), -0.5, 0.5)) if bend < 0 else 0.0
