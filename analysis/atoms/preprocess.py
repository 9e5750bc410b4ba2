"""Micrograph → network input: grey values to 0..1, and the pixel size that the network is best at."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator

_SAMPLE = 4_000_000  # percentiles of a larger picture are taken from a regular subset of about this many pixels
_MARGIN = 0.25  # grey values beyond the percentiles are kept up to this far outside 0..1

PositiveFloat = Annotated[float, Field(gt=0, allow_inf_nan=False)]
PositiveInt = Annotated[int, Field(gt=0)]


class InputSpec(BaseModel):
    """What an atoms network expects: the `input` block of its manifest.

    `pixel_size_range_nm` is where the network was trained; `halo_px` is the radius of its receptive field, rounded
    up; height and width of its input must be multiples of `multiple_of`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    scaling: Literal["percentile"] = "percentile"
    percentiles: tuple[float, float] = (0.1, 99.9)
    best_pixel_size_nm: PositiveFloat
    pixel_size_range_nm: tuple[PositiveFloat, PositiveFloat]
    multiple_of: PositiveInt
    halo_px: Annotated[int, Field(ge=0)]
    tile_px: PositiveInt = 512
    batch: PositiveInt = 1

    @model_validator(mode="after")
    def _consistent(self) -> InputSpec:
        low, high = self.percentiles
        if not 0 <= low < high <= 100:
            raise ValueError(f"percentiles must rise within 0..100, got {self.percentiles}")
        smallest, largest = self.pixel_size_range_nm
        if not smallest <= self.best_pixel_size_nm <= largest:
            raise ValueError("best_pixel_size_nm must lie inside pixel_size_range_nm")
        return self


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
    # in float64 where the values are so large that float32 would lose the difference
    out = (pixels - np.float64(low)).astype(np.float32) if abs(low) > 1e3 * (high - low) else pixels - np.float32(low)
    out = np.asarray(out, np.float32)
    out *= np.float32(1 / (high - low))
    np.clip(out, -_MARGIN, 1 + _MARGIN, out=out)
    return out
