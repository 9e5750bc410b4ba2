"""How the specimen drifts between the frames of a video, from what does not glide.

The lines themselves are the strongest thing in most frames and move on their own, so they are painted over with what
is around them before frames are compared. What is left, dirt, precipitates and the background's texture, is filtered
to a band of lengths (noise out, illumination out) and cross-correlated.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.fft
import scipy.ndimage as ndi

FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]

_FINE_PX, _COARSE_PX = 1.5, 10.0  # standard deviations of the Gaussians that bound the band
_BINNED_PX = 1024  # frames are binned until their shorter side is below
_SURE = 6.0  # standard deviations of the correlation beside it that a peak stands above; noise alone reaches 5
_ALONE = 1.3  # times the next highest place of the correlation; noise, and frames too far apart, have several
_PEAK_PX = 15  # around the peak that do not count for those two
_FARTHEST = 0.25  # of the frame: a larger step between two frames is not looked for
_RENEW = 0.08  # of the frame: after so much drift the reference is renewed, while enough of it is still in view
_LIMIT = 2.0  # standard deviations at which the band is cut off: a line that was not found must not decide
_MARGIN_PX = 4.0  # painted over beside each line
_CLOSE_PX = 4  # around the peak of the correlation, where that of the ratio is


@dataclass(frozen=True)
class Drift:
    """Where the specimen has gone since the first frame, px. `sure` is False where it was not seen and the last stands.

    A place at (x, y) in the first frame lies at (x + dx, y + dy) in this one.
    """

    dx: float
    dy: float
    sure: bool


class DriftEstimator:
    """Frame after frame, the drift since the first one. Holds one reference frame, not the frames before.

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
        frame = _banded(pixels, hidden)
        if self._reference is None or self._last is None:
            self._reference, self._last = frame, (frame, (0.0, 0.0))
            return Drift(0.0, 0.0, True)
        shift = _shift(self._reference, frame)
        base = self._reference_at
        if shift is None:  # too different from the reference by now: from the frame before
            shift = _shift(self._last[0], frame)
            base = self._last[1]
            if shift is not None:
                self._reference, self._reference_at = self._last
        if shift is None:
            return Drift(*self._last[1], False)
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
    """A frame in a band of lengths; 1 where it was seen and 0 where it was painted over; pixels binned to one."""

    band: FloatArray
    seen: FloatArray
    step: int


def _banded(pixels: npt.NDArray[np.floating], hidden: BoolArray) -> _Frame:
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
    band = ndi.gaussian_filter(frame, _FINE_PX) - ndi.gaussian_filter(frame, _COARSE_PX)
    limit = _LIMIT * float(band.std())
    return _Frame(np.clip(band, -limit, limit), seen, step)


def _shift(reference: _Frame, frame: _Frame) -> tuple[float, float] | None:
    """How far (dx, dy) the frame's content lies from the reference's; None where the two have nothing in common."""
    height, width = frame.band.shape
    farthest = int(_FARTHEST * min(height, width))
    window = np.outer(np.hanning(height + 2)[1:-1], np.hanning(width + 2)[1:-1]).astype(np.float32)
    levelled = [window * f.seen * (f.band - _level(f.band, window * f.seen)) for f in (reference, frame)]
    correlation = _correlation(levelled[0], levelled[1], farthest)
    y, x = (int(i) for i in np.unravel_index(int(np.argmax(correlation)), correlation.shape))
    beside = np.ones(correlation.shape, bool)
    beside[max(0, y - _PEAK_PX) : y + _PEAK_PX + 1, max(0, x - _PEAK_PX) : x + _PEAK_PX + 1] = False
    others = correlation[beside]
    if not others.size or correlation[y, x] <= max(_SURE * float(others.std()), _ALONE * float(others.max())):
        return None
    # The window, and the places that neither has seen, overlap best where the frames lie on each other as they are:
    # divided by that overlap, the peak is not pulled there.
    overlap = _correlation(window * reference.seen, window * frame.seen, farthest)
    top, left = max(0, y - _CLOSE_PX), max(0, x - _CLOSE_PX)
    close = np.s_[top : y + _CLOSE_PX + 1, left : x + _CLOSE_PX + 1]
    ratio = correlation[close] / np.maximum(overlap[close], 1e-3 * float(overlap.max()))
    y, x = (int(i) for i in np.unravel_index(int(np.argmax(ratio)), ratio.shape))
    return left + x + _vertex(ratio[y, :], x) - farthest, top + y + _vertex(ratio[:, x], y) - farthest


def _level(band: FloatArray, weights: FloatArray) -> float:
    return float((weights * band).sum()) / max(float(weights.sum()), 1e-6)


def _correlation(a: FloatArray, b: FloatArray, farthest: int) -> FloatArray:
    """Cross-correlation at shifts of b against a from -farthest to farthest, in y and x."""
    shape = tuple(scipy.fft.next_fast_len(length + farthest, real=True) for length in a.shape)
    full = scipy.fft.irfft2(np.conj(scipy.fft.rfft2(a, shape)) * scipy.fft.rfft2(b, shape), shape)
    return np.roll(full, (farthest, farthest), axis=(0, 1))[: 2 * farthest + 1, : 2 * farthest + 1]


def _vertex(values: npt.NDArray[np.floating], at: int) -> float:
    """Offset of the top of a peak from its highest sample, by a parabola."""
    if not 0 < at < len(values) - 1:
        return 0.0
    before, centre, after = (float(value) for value in values[at - 1 : at + 2])
    bend = before - 2 * centre + after
    return float(np.clip((before - after) / (2 * bend), -0.5, 0.5)) if bend < 0 else 0.0
