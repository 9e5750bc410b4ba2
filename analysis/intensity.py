"""Grey values of any unit and range, brought to a scale that a network knows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_SAMPLE = 4_000_000  # percentiles of a larger picture are taken from a regular subset of about this many pixels
_MARGIN = 0.25  # grey values beyond the percentiles are kept up to this far outside 0..1


def scale(
    pixels: npt.NDArray[np.floating] | npt.NDArray[np.integer], percentiles: tuple[float, float] = (0.1, 99.9)
) -> npt.NDArray[np.float32]:
    """Grey values so that the two percentiles of the whole picture become 0 and 1.

    Robust against hot and dead pixels, unlike minimum and maximum. Values beyond the percentiles go on outside 0..1
    and are clipped at -0.25 and 1.25. A constant picture becomes zeros.

    Parameters
    ----------
    pixels: (height, width), finite, any real type.
    percentiles: lower and upper, in percent.

    Returns
    -------
    (height, width) float32, a new array.
    """
    step = max(1, int(np.sqrt(pixels.size / _SAMPLE)))
    low, high = (float(v) for v in np.percentile(pixels[::step, ::step], percentiles))
    if not high > low:
        return np.zeros(pixels.shape, np.float32)
    spread = high - low
    if abs(low) < 1e3 * spread and 1e-30 < spread < 1e30:
        out = np.subtract(pixels, np.float32(low), dtype=np.float32)
        out *= np.float32(1 / spread)
    else:  # float32 would lose the difference, or leave its range
        out = ((pixels - np.float64(low)) / spread).astype(np.float32)
    np.clip(out, -_MARGIN, 1 + _MARGIN, out=out)
    return out
