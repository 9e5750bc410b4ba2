"""Everything that makes a simulated micrograph: each number and seed, so that the JSON gives the picture back."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from training.atoms.synthetic.lattices import LATTICES

Quality = Literal["usual", "wide"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Wave(_Part):
    """One cosine of a smooth random field; frequencies are in periods per frame along x and y."""

    amplitude: float
    frequency_x: float
    frequency_y: float
    phase_rad: float


class Region(_Part):
    """Part of the frame where a crystal is: inside all the half-planes and the circle, or, inverted, the rest.

    A half-plane is (direction of its outward normal in degrees, distance from the centre in px); the circle has the
    same centre. Lengths are scan coordinates: an edge drifts with the crystal.
    """

    centre_x_px: float
    centre_y_px: float
    half_planes: tuple[tuple[float, float], ...] = ()
    radius_px: float | None = None
    inverted: bool = False


class Crystal(_Part):
    """One grain: lattice, orientation, thickness, and where in the frame it is.

    The thickness at a point is `thickness_nm` times (1 + the sum of the waves), not below zero. A column belongs to the
    crystal where it lies at least `margin_px` inside every region.
    """

    lattice: str
    rotation_deg: float
    offset_x_a: float
    offset_y_a: float
    thickness_nm: float = Field(gt=0)
    thickness_waves: tuple[Wave, ...] = ()
    regions: tuple[Region, ...] = ()
    margin_px: float = 0.0
    vacancy_fraction: float = Field(0.0, ge=0, le=1)
    vacancy_remaining: tuple[float, float] = (0.0, 0.6)


class Frame(_Part):
    """Size, pixel size and the distortions that are smooth: the true positions follow them exactly.

    `zoom_x`, `zoom_y` and `shear` are errors of the microscope's calibration: a pixel really covers its size × zoom.
    Drift moves row r by the sum of its waves (px; frequency_x is not used). Flyback moves column c by
    `flyback_px` · exp(-c / `flyback_decay_px`).
    """

    height: int = Field(ge=16)
    width: int = Field(ge=16)
    pixel_size_nm: float = Field(gt=0)
    zoom_x: float = 1.0
    zoom_y: float = 1.0
    shear: float = 0.0
    drift_x: tuple[Wave, ...] = ()
    drift_y: tuple[Wave, ...] = ()
    flyback_px: float = 0.0
    flyback_decay_px: float = 10.0


class Jitter(_Part):
    """Displacement of single scan lines: noise, which the true positions do not follow. Root mean squares in px.

    `smooth` of the variance is correlated over a few lines; `hum` is a sine of `hum_period_lines`; a line jumps with
    probability `jump_fraction` by a normal number of px times `jump_px`.
    """

    x_px: float = 0.0
    y_px: float = 0.0
    smooth: float = Field(0.0, ge=0, le=1)
    hum_px: float = 0.0
    hum_period_lines: float = 4.0
    jump_fraction: float = 0.0
    jump_px: float = 0.0


class Source(_Part):
    """Blur by source size, defocus and vibration, on top of the simulated probe: full widths at half maximum, nm."""

    fwhm_nm: float = Field(ge=0)
    ellipticity: float = Field(1.0, gt=0)
    direction_deg: float = 0.0
    tail: float = Field(0.0, ge=0, le=1)


class Blob(_Part):
    """A Gaussian hill (or valley) of the background; widths are standard deviations in px."""

    x_px: float
    y_px: float
    height: float
    width_x_px: float
    width_y_px: float


class Background(_Part):
    """What lies under and over the crystal. The unit is the height of the brightest columns.

    `speckle` is the root mean square of an amorphous film's texture, `speckle_nm` its grain (standard deviation).
    """

    level: float = Field(0.0, ge=0)
    waves: tuple[Wave, ...] = ()
    blobs: tuple[Blob, ...] = ()
    speckle: float = 0.0
    speckle_nm: float = 0.05


class Detector(_Part):
    """From expected intensity to grey values.

    `counts` is the expected number of electrons per pixel on the brightest columns; `gaussian` the electronics' noise,
    `line_gain` and `line_offset` the scan lines' steps (all relative to the brightest columns). `response_px` smears
    along the fast scan, as a slow detector does, `smoothing_px` in both directions, as processing does (standard
    deviations). Then come salt and pepper (share of the pixels), clipping at two quantiles of the picture, gamma,
    black and white level (shares of the full scale) and quantisation.
    """

    counts: float = Field(gt=0)
    gaussian: float = 0.0
    line_gain: float = 0.0
    line_offset: float = 0.0
    response_px: float = 0.0
    smoothing_px: float = 0.0
    salt_and_pepper: float = 0.0
    black: float = 0.0
    white: float = 1.0
    black_quantile: float = Field(0.0, ge=0, lt=0.5)
    white_quantile: float = Field(1.0, gt=0.5, le=1)
    gamma: float = Field(1.0, gt=0)
    bits: Literal[8, 16] = 16


class Parameters(_Part):
    """A whole simulated micrograph. `render(Parameters.model_validate_json(text))` gives it back bit for bit."""

    version: Literal[1] = 1
    seed: int = Field(ge=0)
    quality: Quality | None = None
    frame: Frame
    crystals: tuple[Crystal, ...] = ()
    source: Source
    jitter: Jitter = Jitter()
    background: Background = Background()
    detector: Detector

    @property
    def lattice(self) -> str | None:
        """Name of the first crystal's lattice; None for a picture without crystals."""
        return self.crystals[0].lattice if self.crystals else None


__all__ = [
    "LATTICES",
    "Background",
    "Blob",
    "Crystal",
    "Detector",
    "Frame",
    "Jitter",
    "Parameters",
    "Quality",
    "Region",
    "Source",
    "Wave",
]
