"""Micrograph → what a Mask R-CNN sees: grey levels 0 to 255, square pixels, a scale that it knows."""

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

PLAUSIBLE_PIXEL_SIZE_NM = (0.005, 20.0)  # a field of 4,096 px would be 20 nm, less than a loop; a large loop 3 px

_NEAR = 0.02  # a scale this close to 1 is 1: interpolation would cost more than it brings
_MAX_SCALE = 4.0
_MAX_PIXELS = 64_000_000

PositiveFloat = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Pixels = Annotated[int, Field(ge=0)]


class InputSpec(BaseModel):
    """What a defects network expects and answers: the `input` block of its manifest.

    classes: names in the order of the network's indices. channels: 1, or 3 equal ones. grey_levels: 'as_is' leaves
    8-bit pictures untouched, as Detectron2 gets them, and stretches others by `percentiles`; 'percentile' stretches
    all. pixel_size_range_nm: of the pictures that the model was made for. resampled_to_nm: pictures with a pixel size
    outside are brought to the nearer end before the network sees them; None stands for pixel_size_range_nm.
    shortest_px, longest_px: Detectron2's scaling by the picture's sides (the shorter side becomes `shortest_px` unless
    the longer one would exceed `longest_px`), 0 for none. tile_px, overlap_px: larger pictures are cut into tiles that
    overlap by so much. score: default of the score below which defects are left out. lowest_score: the network answers
    none below it, whatever the score asked for. most_detections: in one tile; when it is reached, defects may be
    missing. repeats_iou: of two defects of any class that share more, the surer one is kept; None keeps what the
    network does, which looks at each class by itself.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    classes: Annotated[tuple[str, ...], Field(min_length=1)]
    channels: Literal[1, 3] = 3
    grey_levels: Literal["as_is", "percentile"] = "percentile"
    percentiles: tuple[float, float] = (0.1, 99.9)
    pixel_size_range_nm: tuple[PositiveFloat, PositiveFloat] | None = None
    resampled_to_nm: tuple[PositiveFloat, PositiveFloat] | None = None
    shortest_px: Pixels = 0
    longest_px: Pixels = 0
    tile_px: Annotated[int, Field(ge=64)] = 1024
    overlap_px: Pixels = 128
    score: Annotated[float, Field(gt=0, lt=1)] = 0.5
    lowest_score: Annotated[float, Field(ge=0, lt=1)] = 0.05
    most_detections: Annotated[int, Field(ge=1)] = 100
    repeats_iou: Annotated[float, Field(gt=0, lt=1)] | None = None

    @model_validator(mode="after")
    def _consistent(self) -> InputSpec:
        low, high = self.percentiles
        if not 0 <= low < high <= 100:
            raise ValueError(f"percentiles must rise within 0..100, got {self.percentiles}")
        if len(set(self.classes)) < len(self.classes):
            raise ValueError(f"two classes have one name: {', '.join(self.classes)}")
        if 2 * self.overlap_px > self.tile_px:
            raise ValueError("tiles must not overlap by more than half")
        for smallest, largest in filter(None, (self.pixel_size_range_nm, self.resampled_to_nm)):
            if smallest > largest:
                raise ValueError(f"a range of pixel sizes goes from small to large, got {smallest:g} to {largest:g}")
        return self


@dataclass(frozen=True)
class NetworkInput:
    """A micrograph as the network sees it.

    pixels: (height, width) float32, 0 to 255. scale_x, scale_y: network pixels per micrograph pixel. notices: what
    the user should know about the choice of the scale.
    """

    pixels: npt.NDArray[np.float32]
    scale_x: float
    scale_y: float
    notices: tuple[Notice, ...] = ()


def grey_levels(pixels: npt.NDArray[np.floating], spec: InputSpec) -> npt.NDArray[np.float32]:
    """Grey levels 0 to 255 of a picture in its own units; training and serving do the same by this function."""
    if spec.grey_levels == "as_is" and pixels.min() >= 0 and 1 < pixels.max() <= 255:
        return np.asarray(pixels, np.float32)
    stretched = scale(pixels, spec.percentiles)
    np.clip(stretched, 0, 1, out=stretched)
    stretched *= 255
    return stretched


def prepare(micrograph: Micrograph, spec: InputSpec) -> NetworkInput:
    """Grey levels and scale that the network knows.

    Non-square pixels become square. A pixel size outside the range that the network works in is brought to the nearer
    end of it. Masks are pasted into the micrograph's own pixels later, so that resampling costs them nothing.

    Raises
    ------
    InvalidParameter: the pixel size was given by the user and no defect can be seen at it.
    """
    height, width = micrograph.pixels.shape
    scale_x, scale_y, notices = _scales(micrograph, spec)
    out_height, out_width = max(1, round(height * scale_y)), max(1, round(width * scale_x))
    pixels = resample(grey_levels(micrograph.pixels, spec), out_height, out_width)
    if (out_height, out_width) != (height, width):
        pixels = np.clip(pixels, 0, 255)  # bicubic interpolation goes beyond the values around it
    return NetworkInput(pixels, out_width / width, out_height / height, notices)


def _scales(micrograph: Micrograph, spec: InputSpec) -> tuple[float, float, tuple[Notice, ...]]:
    notices: list[Notice] = []
    sizes = usable(
        micrograph,
        PLAUSIBLE_PIXEL_SIZE_NM,
        notices,
        unseen="Loops and black dots cannot be seen",
        consequence="what the answer gives in nm and MPa rests on it, and the picture was not rescaled",
    )
    pixels = micrograph.pixels.size
    scale_x = scale_y = 1.0
    if sizes is not None:
        finer = min(sizes)
        low, high = spec.resampled_to_nm or spec.pixel_size_range_nm or (finer, finer)
        target = max(min(max(finer, low), high), finer / _MAX_SCALE)
        scale_x, scale_y = _bounded(sizes[0] / target, sizes[1] / target, pixels)
        smallest, largest = spec.pixel_size_range_nm or (finer, finer)
        if not smallest * (1 - _NEAR) <= finer <= largest * (1 + _NEAR):  # no calibration is better than that
            notices.append(
                Notice(
                    code="pixel_size_outside_range",
                    message=f"The model was made for {smallest:g} to {largest:g} nm per pixel; the picture has "
                    f"{finer:g} and was resampled {max(scale_x, scale_y):.3g} times for it.",
                    remedy="Trust the numbers less, or record at a magnification inside that range.",
                )
            )
    height, width = micrograph.pixels.shape
    if spec.shortest_px:
        sides = sorted((height * scale_y, width * scale_x))
        factor = spec.shortest_px / sides[0]
        if spec.longest_px:
            factor = min(factor, spec.longest_px / sides[1])
        scale_x, scale_y = _bounded(scale_x * factor, scale_y * factor, pixels)
    if abs(scale_x - 1) < _NEAR and abs(scale_y - 1) < _NEAR and not spec.shortest_px:
        scale_x = scale_y = 1.0
    return scale_x, scale_y, tuple(notices)


def _bounded(scale_x: float, scale_y: float, pixels: int) -> tuple[float, float]:
    """The same ratio, but no larger a picture than can be held."""
    shrink = min(1.0, float(np.sqrt(max(_MAX_PIXELS, pixels) / (pixels * scale_x * scale_y))))
    return scale_x * shrink, scale_y * shrink
