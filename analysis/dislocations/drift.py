"""How the specimen drifts between the frames of a video, from what does not glide.

The lines themselves are the strongest thing in most frames and move on their own, so they are painted over with what
is around them before frames are compared. What is left, dirt, precipitates and the background's texture, is whitened:
every length down to a pixel counts alike, and no place much more than others. Without that, the few coarse and strong
features, which say little about where they are, would decide the correlation and noise would move its peak by pixels.
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

_FINE_PX, _COARSE_PX = 1.0, 10.0  # standard deviations of the Gaussians that bound the lengths that are compared
_LONGEST_PX = 30.0  # wavelength: longer ones are the light
_BINNED_PX = 1024  # frames are binned until their shorter side is below
_LIMIT, _OUTSTANDING = 3.0, 2.0  # standard deviations at which grey values are cut off, before whitening and after
_AROUND_PX, _TAMED = 33, 0.7  # a place is toned down where the variance around it is above that share of the mean's
_PERIODIC = 3.0  # times the strength of its length at which a wave is cut off: a lattice, a grid of compression
_SURE = 12.0  # log likelihood that a peak needs: 4.9 standard deviations of the correlation; noise alone reaches 5
_FAR_COSTS = 6.0  # of it, times the logarithm of how far from the expected place: 8 standard deviations at 60 px
_ALONE = 1.4  # times the next highest place of the correlation; lines that were missed, and light, have several
_PEAK_PX = 6  # around the peak that do not count for that
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
        if math.hypot(*shift) > _RENEW * min(frame.band.shape):
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
    """A whitened frame of variance 1; 1 where it was seen and 0 where it was painted over; pixels binned to one."""

    band: FloatArray
    seen: FloatArray
    step: int

    @property
    def farthest(self) -> int:
        """The largest shift in x and y that is looked for."""
        return int(_FARTHEST * min(self.band.shape))

    @cached_property
    def spectra(self) -> tuple[ComplexArray, ComplexArray]:
        """Of `band`, levelled, and of `seen`, with room for the largest shift."""
        level = float((self.band * self.seen).sum()) / max(float(self.seen.sum()), 1.0)
        shape = self.padded
        return scipy.fft.rfft2(self.seen * (self.band - level), shape), scipy.fft.rfft2(self.seen, shape)

    @property
    def padded(self) -> tuple[int, int]:
        """The size at which spectra are taken."""
        height, width = (scipy.fft.next_fast_len(n + self.farthest, real=True) for n in self.band.shape)
        return height, width


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
        around = ndi.gaussian_filter(seen, _COARSE_PX / 2)
        filled = ndi.gaussian_filter(frame * seen, _COARSE_PX / 2) / np.maximum(around, 1e-6)
        frame = np.where(seen > 0, frame, np.where(around > 1e-3, filled, frame.mean()))
    band = _unit(frame - ndi.gaussian_filter(frame, _COARSE_PX), seen)
    band = _unit(_evened(np.clip(band, -_LIMIT, _LIMIT)), seen)
    variance, share = (ndi.uniform_filter(part, _AROUND_PX, mode="constant") for part in (band * band, seen))
    band /= np.sqrt(np.maximum(variance / np.maximum(share, 0.05), _TAMED))
    return _Frame(np.clip(band, -_OUTSTANDING, _OUTSTANDING) * seen, seen, step)


def _unit(field: FloatArray, seen: FloatArray) -> FloatArray:
    """A field, 0 where it was not seen, of variance 1 where it was."""
    field = field * seen
    return np.asarray(field / np.float32(max(math.sqrt(float((field**2).sum()) / max(float(seen.sum()), 1.0)), 1e-6)))


def _evened(field: FloatArray) -> FloatArray:
    """All wavelengths as strong as each other on average, but for the shortest, which are noise, and the longest."""
    spectrum = scipy.fft.rfft2(field)
    frequency = np.hypot(scipy.fft.fftfreq(field.shape[0])[:, None], scipy.fft.rfftfreq(field.shape[1])[None, :])
    rings = max(8, min(field.shape) // 4)
    ring = np.minimum((2 * rings * frequency).astype(np.intp), rings)
    power = np.abs(spectrum) ** 2
    count = np.bincount(ring.ravel(), minlength=rings + 1)
    mean = (np.bincount(ring.ravel(), power.ravel(), rings + 1) / np.maximum(count, 1))[ring]
    gain = np.exp(-2 * (np.pi * _FINE_PX * frequency) ** 2) * (frequency > 1 / _LONGEST_PX)
    gain /= np.sqrt(np.maximum(np.maximum(mean, power / _PERIODIC**2), 1e-9 * float(mean.max()) + 1e-30))
    return np.asarray(scipy.fft.irfft2(spectrum * gain.astype(np.float32), field.shape), np.float32)


def _shift(reference: _Frame, frame: _Frame, expected: tuple[float, float]) -> tuple[float, float] | None:
    """How far (dx, dy) the frame's content lies from the reference's; None where the two have nothing in common."""
    farthest = frame.farthest
    correlation, overlap = (_correlation(a, b, frame) for a, b in zip(reference.spectra, frame.spectra, strict=True))
    overlap = np.maximum(overlap, _LEAST_OVERLAP * frame.seen.size)
    # what two frames of noise give has the same spread at every shift
    evidence = correlation / np.sqrt(overlap)
    spread = 1.4826 * float(np.median(np.abs(evidence)))
    if spread < 1e-6:
        return None
    evidence /= spread
    likelihood = np.maximum(evidence, 0) ** 2 / 2 - _far(farthest, expected)
    y, x = (int(i) for i in np.unravel_index(int(np.argmax(likelihood)), likelihood.shape))
    beside = np.ones(evidence.shape, bool)
    beside[max(0, y - _PEAK_PX) : y + _PEAK_PX + 1, max(0, x - _PEAK_PX) : x + _PEAK_PX + 1] = False
    others = evidence[beside]
    if not others.size or likelihood[y, x] < _SURE or evidence[y, x] < _ALONE * float(others.max()):
        return None
    # Frames overlap best where they lie on each other as they are: divided by it, the peak is not pulled there.
    ratio = correlation / overlap
    top, left = max(0, y - 1), max(0, x - 1)
    close = ratio[top : y + 2, left : x + 2]
    dy, dx = (int(i) for i in np.unravel_index(int(np.argmax(close)), close.shape))
    y, x = top + dy, left + dx
    return x + _vertex(ratio[y, :], x) - farthest, y + _vertex(ratio[:, x], y) - farthest


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
