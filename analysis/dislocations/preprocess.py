"""Micrograph → what the lines' network sees: grey values, square pixels, no data bar, a scale that it knows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator

from analysis.intensity import scale
from analysis.micrograph import Micrograph
from analysis.pixel_sizes import usable
from analysis.resampling import resample
from emserve.results import Notice

PLAUSIBLE_PIXEL_SIZE_NM = (0.01, 50.0)  # a field of 4,096 px would be 40 nm; a line's contrast less than a pixel wide

_NEAR = 0.02  # a scale this close to 1 is 1: interpolation would cost more than it brings
_MAX_SCALE = 4.0
_MAX_PIXELS = 36_000_000
_BAR_SHARE = 0.4  # of a row that one value of a data bar fills
_BAR_MOST = 0.4  # of the picture's height that a data bar takes

PositiveFloat = Annotated[float, Field(gt=0, allow_inf_nan=False)]
PositiveInt = Annotated[int, Field(gt=0)]


class InputSpec(BaseModel):
    """What a lines' network expects and answers: the `input` block of its manifest.

    most_lines: number of its maps, N: as many lines as it can answer in one picture. threshold: of the maps.
    shortest_px: lines shorter than this are not answered; the network finds short ones in noise.
    pixel_size_range_nm: pictures outside it are resampled to its nearer end; None for any.
    longest_px: a picture whose longer side is longer is shrunk to it, as lines many pixels wide are not known; 0 for
    never. multiple_of: height and width of the input are multiples of this. tile_px, overlap_px: larger pictures, and
    those with more lines, are cut into tiles that overlap by so much; no tile is smaller than `smallest_tile_px`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    scaling: Literal["percentile"] = "percentile"
    percentiles: tuple[float, float] = (0.1, 99.9)
    most_lines: PositiveInt = 20
    threshold: Annotated[float, Field(gt=0, lt=1)] = 0.5
    shortest_px: PositiveFloat = 20.0
    pixel_size_range_nm: tuple[PositiveFloat, PositiveFloat] | None = None
    longest_px: Annotated[int, Field(ge=0)] = 0
    multiple_of: PositiveInt = 32
    tile_px: Annotated[int, Field(ge=64)] = 512
    smallest_tile_px: Annotated[int, Field(ge=64)] = 192
    overlap_px: Annotated[int, Field(ge=0)] = 128
    batch: PositiveInt = 1

    @model_validator(mode="after")
    def _consistent(self) -> InputSpec:
        low, high = self.percentiles
        if not 0 <= low < high <= 100:
            raise ValueError(f"percentiles must rise within 0..100, got {self.percentiles}")
        if 2 * self.overlap_px > self.tile_px:
            raise ValueError("tiles must not overlap by more than half")
        if self.smallest_tile_px > self.tile_px:
            raise ValueError("smallest_tile_px must not exceed tile_px")
        if self.pixel_size_range_nm is not None and self.pixel_size_range_nm[0] > self.pixel_size_range_nm[1]:
            raise ValueError(f"pixel_size_range_nm must rise, got {self.pixel_size_range_nm}")
        return self


@dataclass(frozen=True)
class NetworkInput:
    """A micrograph as the network sees it.

    pixels: (height, width) float32 as `analysis.intensity.scale` gives them, without the data bar.
    scale_x, scale_y: network pixels per micrograph pixel. field_height_px: rows of the micrograph above the data bar.
    notices: what the user should know.
    """

    pixels: npt.NDArray[np.float32]
    scale_x: float
    scale_y: float
    field_height_px: int
    notices: tuple[Notice, ...] = ()


def field_height(pixels: npt.NDArray[np.generic]) -> int:
    """Number of rows above the data bar that a microscope burns in below the picture; all rows where there is none.

    A row belongs to the bar where its most frequent value fills more than 40 % of it and is that of the last row.

    Parameters
    ----------
    pixels: (height, width).
    """
    values, counts = np.unique(pixels[-1], return_counts=True)
    bar = values[np.argmax(counts)]
    share = (pixels == bar).mean(axis=1)
    above = np.flatnonzero(share <= _BAR_SHARE)
    height = int(above[-1]) + 1 if above.size else len(pixels)
    # a dark stripe without an upper edge, or a blank picture, is no bar
    return height if (1 - _BAR_MOST) * len(pixels) <= height < len(pixels) - 1 else len(pixels)


def prepare(micrograph: Micrograph, spec: InputSpec) -> NetworkInput:
    """Grey values and scale that the network knows; non-square pixels become square.

    Raises
    ------
    InvalidParameter: the pixel size was given by the user and no line can be seen at it.
    """
    rows = field_height(micrograph.pixels)
    pixels = micrograph.pixels[:rows]
    notices = []
    if rows < len(micrograph.pixels):
        notices.append(
            Notice(
                code="data_bar",
                message=f"The last {len(micrograph.pixels) - rows} rows are a data bar and were left out.",
                remedy="Crop the picture if that is wrong.",
            )
        )
    height, width = pixels.shape
    scale_x, scale_y = _scales(micrograph, height, width, spec, notices)
    out_height, out_width = max(1, round(height * scale_y)), max(1, round(width * scale_x))
    resampled = resample(scale(pixels, spec.percentiles), out_height, out_width)
    return NetworkInput(resampled, out_width / width, out_height / height, rows, tuple(notices))


def _scales(
    micrograph: Micrograph, height: int, width: int, spec: InputSpec, notices: list[Notice]
) -> tuple[float, float]:
    sizes = usable(
        micrograph,
        PLAUSIBLE_PIXEL_SIZE_NM,
        notices,
        unseen="Dislocation lines cannot be seen",
        consequence="what the answer gives in nm and MPa rests on it, and the picture was not rescaled",
    )
    scale_x = scale_y = 1.0
    if sizes is not None:
        size_x, size_y = sizes
        finer = min(sizes)
        low, high = spec.pixel_size_range_nm or (finer, finer)
        target = min(max(finer, low), high)
        scale_x, scale_y = size_x / target, size_y / target
        if target != finer:
            notices.append(
                Notice(
                    code="pixel_size_outside_range",
                    message=f"The model was made for {low:g} to {high:g} nm per pixel; the picture has {finer:g} and "
                    "was resampled for it.",
                    remedy="Trust the numbers less, or record at a magnification inside that range.",
                )
            )
    longest = max(height * scale_y, width * scale_x)
    shrink = min(
        1.0,
        _MAX_SCALE / max(scale_x, scale_y),
        float(np.sqrt(max(_MAX_PIXELS, height * width) / (height * scale_y * width * scale_x))),
        spec.longest_px / longest if spec.longest_px else 1.0,
    )
    scale_x, scale_y = scale_x * shrink, scale_y * shrink
    if abs(scale_x - 1) < _NEAR and abs(scale_y - 1) < _NEAR:
        return 1.0, 1.0
    return scale_x, scale_y
