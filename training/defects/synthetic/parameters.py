"""Everything that makes a synthetic micrograph: each number and seed, so that the JSON gives the picture back."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from training.defects.synthetic.marks import Line, Mark
from training.synthetic.parts import Part

Material = Literal["fecral", "fecral_in_situ", "steel_316l", "titanium"]
Contrast = Literal["bright_field", "dark_field"]


class Frame(Part):
    """Size and pixel size of the picture; `field` is where the micrograph is (left, top, right, bottom), px.

    Outside of the field, as beside a video's picture, is the strip of the annotations.
    """

    height: int = Field(ge=32)
    width: int = Field(ge=32)
    pixel_size_nm: float = Field(gt=0)
    field: tuple[int, int, int, int] | None = None


class Border(Part):
    """A grain boundary or the foil's edge: a line across the frame, and what lies beyond it.

    The line's normal points to `normal_deg` (ImageJ's angle) and it passes at `offset_nm` from the frame's centre;
    it sways by `sway_nm` with period `sway_period_nm`. Beyond it the brightness changes by the factor `step`, and in
    a `vacuum` there is no specimen. Along it runs a dark line (`depth`, `width_nm`), and beyond it fringes of depth
    `fringe_depth`, period `fringe_nm`, that decay over `fringe_decay_nm`.
    """

    normal_deg: float
    offset_nm: float
    sway_nm: float = 0.0
    sway_period_nm: float = Field(200.0, gt=0)
    sway_phase_rad: float = 0.0
    step: float = Field(1.0, gt=0)
    vacuum: bool = False
    depth: float = 0.0
    width_nm: float = Field(5.0, gt=0)
    fringe_depth: float = 0.0
    fringe_nm: float = Field(12.0, gt=0)
    fringe_decay_nm: float = Field(20.0, gt=0)


class Band(Part):
    """A bend contour: a broad dark band with a Gaussian profile along a parabola, directions as in `Border`."""

    normal_deg: float
    offset_nm: float
    bend_per_nm: float = 0.0
    width_nm: float = Field(gt=0)
    depth: float


class Perlin(Part):
    """Superposed gradient noise (K. Perlin, SIGGRAPH 1985): octaves from `period_nm` down, each half as long.

    `amplitude` is the root mean square of the first octave, each following one has `persistence` of it.
    """

    period_nm: float = Field(gt=0)
    octaves: int = Field(1, ge=1, le=6)
    amplitude: float
    persistence: float = Field(0.5, gt=0, le=1)


class Texture(Part):
    """White noise through a Gaussian filter: `rms` relative to the brightness, `sigma_nm` of the filter.

    With `relief_deg` the texture is lit from that direction, as the rough surface of a foil that was polished
    electrolytically. `elongation` stretches it along that direction's normal.
    """

    rms: float = Field(ge=0)
    sigma_nm: float = Field(gt=0)
    elongation: float = Field(1.0, ge=1)
    relief_deg: float | None = None


class Stripes(Part):
    """Curtaining by the ion beam: brightness that changes across the direction `normal_deg` only."""

    rms: float = Field(ge=0)
    width_nm: float = Field(gt=0)
    normal_deg: float = 0.0


class Dirt(Part):
    """Carbon: patches of depth `depth` over the share `coverage` of the frame, `size_nm` large, with soft rims."""

    size_nm: float = Field(gt=0)
    coverage: float = Field(gt=0, lt=1)
    depth: float
    soft: float = Field(0.5, gt=0)


class ScanBox(Part):
    """A rectangle that was scanned before and grew carbon; nm as in marks."""

    left_nm: float
    top_nm: float
    right_nm: float
    bottom_nm: float
    depth: float


class Patch(Part):
    """A piece of a real micrograph as the background, by name and checksum of its file.

    `crop` takes the pixels from (x_px, y_px) on, resampled by `zoom` (frame pixels per pixel of the file), turned and
    flipped; `texture` makes a random texture of the same power spectrum, of any size (B. Galerne, Y. Gousseau,
    J.-M. Morel, IEEE Trans. Image Process. 20 (2011) 257).
    """

    file: str
    sha256: str
    fill: Literal["crop", "texture"]
    x_px: int = Field(0, ge=0)
    y_px: int = Field(0, ge=0)
    zoom: float = Field(1.0, gt=0)
    quarter_turns: int = Field(0, ge=0, le=3)
    flipped: bool = False
    strength: float = Field(1.0, ge=0)


class Background(Part):
    """The foil without defects; its brightness is 1 before all of these.

    gradient_x, gradient_y: change of the brightness over the frame, from its left or top to the other side.
    """

    gradient_x: float = 0.0
    gradient_y: float = 0.0
    perlin: tuple[Perlin, ...] = ()
    textures: tuple[Texture, ...] = ()
    stripes: Stripes | None = None
    bands: tuple[Band, ...] = ()
    borders: tuple[Border, ...] = ()
    dirt: Dirt | None = None
    scan_boxes: tuple[ScanBox, ...] = ()
    patch: Patch | None = None


class Detector(Part):
    """From intensities to grey values.

    shot_rms: noise on the foil's own brightness, it grows with the root of the intensity; it is white noise through a
    Gaussian filter of response_x_px, response_y_px (standard deviations, before the rms is set). white_rms: noise
    without a filter. line_rms: steps of whole scan lines. blur_px: of the picture before all noise. level: grey value
    of the foil as a share of the full scale; black: of no electrons. With `stretch` the quantiles 0.002 and 0.998 are
    brought to two shares of the full scale instead, as in most stored pictures. jpeg_quality: None keeps the pixels.
    """

    shot_rms: float = Field(ge=0)
    response_x_px: float = Field(0.0, ge=0)
    response_y_px: float = Field(0.0, ge=0)
    white_rms: float = Field(0.0, ge=0)
    line_rms: float = Field(0.0, ge=0)
    blur_px: float = Field(0.0, ge=0)
    level: float = Field(gt=0, le=1)
    black: float = 0.0
    stretch: tuple[float, float] | None = None
    gamma: float = Field(1.0, gt=0)
    jpeg_quality: int | None = Field(None, ge=5, le=100)


class ScaleBar(Part):
    """A bar of a round length with its label, burnt into the picture; (x_px, y_px) is its top left corner."""

    x_px: int
    y_px: int
    length_nm: float = Field(gt=0)
    thickness_px: int = Field(ge=1)
    text_px: int = Field(ge=6)
    grey: int = Field(ge=0, le=255)
    outline: int | None = Field(None, ge=0, le=255)
    box: int | None = Field(None, ge=0, le=255)


class Caption(Part):
    """A line of text burnt into the picture."""

    x_px: int
    y_px: int
    text: str
    text_px: int = Field(ge=6)
    grey: int = Field(ge=0, le=255)


class Annotations(Part):
    """What a microscope's software writes over the picture; `strip` is the grey value outside of the field."""

    scale_bar: ScaleBar | None = None
    captions: tuple[Caption, ...] = ()
    strip: int = Field(255, ge=0, le=255)


class Parameters(Part):
    """A whole synthetic micrograph. `render(Parameters.model_validate_json(text))` gives it back bit for bit.

    With a `background.patch`, the folder that it was drawn from is needed as well.
    """

    version: Literal[1] = 1
    seed: int = Field(ge=0)
    material: Material | None = None
    contrast: Contrast = "bright_field"
    dark_level: float = Field(0.15, ge=0, lt=1)
    frame: Frame
    marks: tuple[Mark, ...] = ()
    lines: tuple[Line, ...] = ()
    background: Background = Background()
    detector: Detector
    annotations: Annotations = Annotations()
