"""Everything that makes a synthetic frame: each number and seed, so that the JSON gives picture and masks back.

Positions are px, x to the right, y down, pixel (0, 0) being the centre of the top left one. A depth is an attenuation
a: the brightness is multiplied by exp(-a), so that 0.22 takes a fifth away, and a negative one brightens.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from training.synthetic.parts import Part

Point = tuple[float, float]


class Frame(Part):
    """Size of the picture."""

    height: int = Field(ge=32)
    width: int = Field(ge=32)

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width)."""
        return self.height, self.width


class Perlin(Part):
    """The background as published, from two Perlin noises; see `background.published`.

    wavelength_1_px, wavelength_2_px: λ1, λ2. w_perlin: weight of the second. w_white: of the first white noise;
    s1_px: standard deviation of the filter after it. r_noise: the second white noise, as a share of the standard
    deviation before the first filter; s2_px: of the filter after that. contrast: how much of it the brightness takes
    on, 1 being all.
    """

    wavelength_1_px: float = Field(gt=0)
    wavelength_2_px: float = Field(gt=0)
    w_perlin: float = Field(ge=0)
    w_white: float = Field(ge=0)
    s1_px: float = Field(1.0, ge=0)
    r_noise: float = Field(ge=0)
    s2_px: float = Field(ge=0)
    contrast: float = Field(1.0, ge=0)


class Layer(Part):
    """A piece of a real micrograph that lies over the layers before it, by name and checksum of its file.

    The piece begins at (x_px, y_px) and is enlarged by `zoom`; where the picture ends it goes on mirrored. Then it is
    turned and flipped. What it covers shows through by 1 - `opacity`.
    """

    file: str
    sha256: str
    x_px: int = Field(0, ge=0)
    y_px: int = Field(0, ge=0)
    zoom: float = Field(1.0, gt=0)
    quarter_turns: int = Field(0, ge=0, le=3)
    flipped: bool = False
    opacity: float = Field(1.0, gt=0, le=1)


class Light(Part):
    """Uneven illumination: a Gaussian hill over a floor, 1 at its top; shares of the frame's sides."""

    centre_x: float = 0.5
    centre_y: float = 0.5
    sigma_x: float = Field(gt=0)
    sigma_y: float = Field(gt=0)
    floor: float = Field(0.0, ge=0, le=1)


class Background(Part):
    """What the lines lie on: brightness about 1, made by `perlin` or of superposed `layers`, times the light."""

    perlin: Perlin | None = None
    layers: tuple[Layer, ...] = ()
    light: Light | None = None


class Wave(Part):
    """A small wave of a line to its sides."""

    length_px: float = Field(gt=0)
    amplitude_px: float
    phase_rad: float


class Line(Part):
    """A dislocation: a cubic spline through support points, with waves, and its contrast.

    The brightness across it dips as Pearson's function of type VII, 1 / (1 + 4 (2^(1/m) - 1) (x/w)²)^m, with the full
    width at half maximum w = `width_px` and m = `exponent`: 1 is Lorentz's, large is Gauss's. `skew` makes one side
    wider by the factor (1 + skew) and the other narrower by (1 - skew).

    ends: factors on the depth at both ends. taper_px: over which it falls to 0 there. beads: oscillation of the
    contrast, of an inclined line, from its beginning on: share, period and decay. mask_width_px: of the truth.
    """

    supports: tuple[Point, ...] = Field(min_length=2)
    waves: tuple[Wave, ...] = ()
    depth: float
    width_px: float = Field(gt=0)
    exponent: float = Field(2.0, ge=0.75)
    skew: float = Field(0.0, gt=-1, lt=1)
    ends: tuple[float, float] = (1.0, 1.0)
    taper_px: float = Field(2.0, ge=0)
    beads: float = Field(0.0, ge=0, le=1)
    bead_px: float = Field(8.0, gt=0)
    bead_decay_px: float = Field(30.0, gt=0)
    mask_width_px: float = Field(gt=0)


class Trace(Part):
    """A piece of a slip trace: the step that glide left on the surface. It is drawn and never labelled.

    Two straight lines side by side, `apart_px` from each other, of depth `depth` on the left as seen from the first to
    the last point (y down) and `other_depth` on the right; both fade over `taper_px` at the two ends.
    """

    points: tuple[Point, Point]
    depth: float
    other_depth: float = 0.0
    width_px: float = Field(gt=0)
    apart_px: float = Field(0.0, ge=0)
    taper_px: tuple[float, float] = (4.0, 4.0)


class Region(Part):
    """An area of other brightness, such as the slipped one between two lines and two traces; its rim is soft."""

    outline: tuple[Point, ...] = Field(min_length=3)
    depth: float


class Speck(Part):
    """Dirt, precipitates, and the dark dots where lines end: an ellipse whose rim is soft; angle as in ImageJ.

    The depth falls as exp(-½ r^`hardness`), r being 1 on the ellipse with these half axes.
    """

    x_px: float
    y_px: float
    major_px: float = Field(gt=0)
    minor_px: float = Field(gt=0)
    angle_deg: float = 0.0
    depth: float
    hardness: float = Field(2.0, ge=1, le=8)


class Grain(Part):
    """White noise through a Gaussian filter, relative to the brightness."""

    rms: float = Field(ge=0)
    sigma_px: float = Field(ge=0)


class Detector(Part):
    """From brightness to grey values: grains, then blur, then the level of brightness 1 as a share of full scale."""

    grains: tuple[Grain, ...] = ()
    blur_px: float = Field(0.0, ge=0)
    level: float = Field(gt=0)
    black: float = 0.0
    jpeg_quality: int | None = Field(None, ge=5, le=100)


class Parameters(Part):
    """A whole synthetic frame. `render(Parameters.model_validate_json(text))` gives it back bit for bit.

    With layers in the background, the folder that they were drawn from is needed as well. `pile_up` says of every line
    which one it belongs to.
    """

    version: Literal[1] = 1
    seed: int = Field(ge=0)
    microstructure: str | None = None
    frame: Frame
    lines: tuple[Line, ...] = ()
    pile_up: tuple[int, ...] = ()
    traces: tuple[Trace, ...] = ()
    regions: tuple[Region, ...] = ()
    specks: tuple[Speck, ...] = ()
    background: Background
    detector: Detector
