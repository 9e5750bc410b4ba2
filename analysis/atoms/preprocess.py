"""Micrograph → network input: grey values to 0..1, and the pixel size that the network is best at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator

from analysis.intensity import scale
from analysis.pixel_sizes import usable
from analysis.resampling import resample
from analysis.spacing import estimate_spacing
from emserve.results import Notice

if TYPE_CHECKING:
    from analysis.micrograph import Micrograph

ASSUMED_SPACING_NM = 0.30  # Si {111} 0.31, SrTiO3 {110} 0.28, WS2 {100} 0.27 nm: the error stays below 15 %
PLAUSIBLE_PIXEL_SIZE_NM = (0.0005, 0.1)
MIN_CONFIDENCE = 0.5  # a single set of planes never reaches it

_NEAR = 0.02
_MAX_SCALE = 4.0
_MAX_PIXELS = 36_000_000  # an enlarged picture is no larger than this, so that memory stays bounded

PositiveFloat = Annotated[float, Field(gt=0, allow_inf_nan=False)]
PositiveInt = Annotated[int, Field(gt=0)]


class InputSpec(BaseModel):
    """What an atoms network expects: the `input` block of its manifest.

    Every picture is resampled to `best_pixel_size_nm`. `pixel_size_range_nm` is where the network was trained, before
    that: a coarser picture does not gain by being enlarged, and a notice says so; a finer one loses nothing. `halo_px`
    is the radius of the receptive field, rounded up; height and width of the input must be multiples of `multiple_of`.
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


@dataclass(frozen=True)
class NetworkInput:
    """A micrograph as the network sees it, and the way back.

    Attributes
    ----------
    pixels: (height, width) float32, scaled; `height` and `width` are not yet multiples of anything.
    scale_x, scale_y: network pixels per micrograph pixel.
    notices: what the user should know about the choice of the scale.
    """

    pixels: npt.NDArray[np.float32]
    scale_x: float
    scale_y: float
    notices: tuple[Notice, ...] = ()

    def to_micrograph(self, xy: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """Positions (n, 2) in network pixels → micrograph pixels; exact, pixel centres at whole numbers in both."""
        return (np.asarray(xy, np.float64) + 0.5) / (self.scale_x, self.scale_y) - 0.5


def prepare(micrograph: Micrograph, spec: InputSpec) -> NetworkInput:
    """Resample a micrograph to the pixel size that the network is best at, and scale its grey values.

    With a pixel size both axes are resampled to `spec.best_pixel_size_nm`, so non-square pixels become square. Without
    one, the strongest spacing of the picture's own lattice is assumed to be 0.30 nm (`analysis.spacing`); without a
    lattice either, the picture keeps its scale. Each guess is said in `notices`.

    Raises
    ------
    InvalidParameter: the pixel size was given by the user and no atom column can be seen at it.
    """
    height, width = micrograph.pixels.shape
    scale_x, scale_y, notices = choose_scale(micrograph, spec)
    out_width, out_height = max(1, round(width * scale_x)), max(1, round(height * scale_y))
    pixels = resample(micrograph.pixels, out_height, out_width)
    return NetworkInput(scale(pixels, spec.percentiles), out_width / width, out_height / height, notices)


def choose_scale(micrograph: Micrograph, spec: InputSpec) -> tuple[float, float, tuple[Notice, ...]]:
    """Network pixels per micrograph pixel in x and y, and what the user should know about them."""
    notices: list[Notice] = []
    sizes = usable(
        micrograph,
        PLAUSIBLE_PIXEL_SIZE_NM,
        notices,
        unseen="Atom columns cannot be resolved",
        consequence="what the answer gives in nm and pm rests on it",
    )
    if sizes is not None:
        scale_x, scale_y = (size / spec.best_pixel_size_nm for size in sizes)
    else:
        doubted = bool(notices)
        problem = "The network's scale was not taken from the file" if doubted else "The pixel size is not known"
        spacing = estimate_spacing(micrograph.pixels)
        if spacing is None or spacing.confidence < MIN_CONFIDENCE:
            notices.append(
                Notice(
                    code="scale_unknown",
                    message=f"{problem}, and no lattice spacing was found in the picture: "
                    "the picture was not rescaled.",
                    remedy=f"Pass pixel_size_nm; the model is best at {spec.best_pixel_size_nm:g} nm.",
                )
            )
            return 1.0, 1.0, tuple(notices)
        scale_x = scale_y = ASSUMED_SPACING_NM / spacing.spacing_px / spec.best_pixel_size_nm
        notices.append(
            Notice(
                code="scale_estimated",
                message=f"{problem}: the strongest lattice spacing, {spacing.spacing_px:.1f} px, "
                f"was assumed to be {ASSUMED_SPACING_NM:g} nm"
                + ("." if doubted else " to choose the network's scale."),
                remedy="Pass pixel_size_nm if columns are missing or doubled.",
            )
        )
    if abs(scale_x - 1) < _NEAR and abs(scale_y - 1) < _NEAR:  # interpolation would cost more than it brings
        return 1.0, 1.0, tuple(notices)
    largest = max(scale_x, scale_y)
    area = micrograph.pixels.size * scale_x * scale_y
    shrink = min(1.0, _MAX_SCALE / largest, float(np.sqrt(max(_MAX_PIXELS, micrograph.pixels.size) / area)))
    if shrink < 1:
        scale_x, scale_y = scale_x * shrink, scale_y * shrink
        notices.append(
            Notice(
                code="scale_limited",
                message=f"The picture was enlarged {max(scale_x, scale_y):.2f} times for the network, "
                f"less than the {largest:.2f} times that the model is best at.",
                remedy="Record with smaller pixels, or send a part of the picture.",
            )
        )
    elif sizes is not None and max(sizes) > spec.pixel_size_range_nm[1]:
        notices.append(
            Notice(
                code="pixel_size_coarse",
                message=f"The pixels, {sizes[0]:g} × {sizes[1]:g} nm, are coarser than those that the model was "
                f"trained on (up to {spec.pixel_size_range_nm[1]:g} nm): columns may be missing.",
                remedy=f"Record with smaller pixels, best {spec.best_pixel_size_nm:g} nm, or check the pixel size.",
            )
        )
    return scale_x, scale_y, tuple(notices)
