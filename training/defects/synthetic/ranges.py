"""What the parameters of a material are drawn from: intervals, distributions, probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from training.synthetic.dice import Range, Spread

Form = Literal["open", "double", "edge_on", "solid", "dot"]


@dataclass(frozen=True)
class Population:
    """One kind of defect that is labelled.

    form: how it looks: `open` and `double` are rings with one and two edges, `edge_on` a bar, `solid` an ellipse,
    `dot` a disc. density_per_nm2: of a picture, drawn evenly in the logarithm. absent: share of the pictures that have
    none. size_nm: major axis, for `dot` the geometric mean of the axes. aspect: minor / major; of `edge_on` the minor
    axis in nm. along_deg: directions of the major axis relative to [100]; None is any. turn_deg: standard deviation
    from them; stray: share that keeps to none. soft_nm: width of the rim of what is solid.
    """

    class_name: str
    form: Form
    density_per_nm2: Range
    absent: float
    size_nm: Spread
    aspect: Spread
    depth: Range
    along_deg: tuple[float, ...] | None = None
    turn_deg: float = 0.0
    stray: float = 0.0
    soft_nm: Range = (3.4, 6.2)


@dataclass(frozen=True)
class Ranges:
    """Intervals (low, high) and probabilities; relative to the foil's brightness where no unit is named."""

    pixel_size_nm: Range
    populations: tuple[Population, ...]
    most_marks: int  # in 512² px; a denser picture is thinned out
    edge_nm: Range
    focus: Range  # factor on all widths of a picture
    vigour: Range  # factor on all depths of a picture
    clustered: Range  # share of the defects that gather around others or along lines
    # distractors
    line_density_per_nm2: Range
    lines_absent: float
    line_width_nm: Range
    line_depth: Range
    specks_chance: float
    speck_density_per_nm2: Range
    precipitate_chance: float
    network_chance: float
    scenes: dict[str, float]  # what borders the frame holds
    band_chance: float
    dirt_chance: float
    scan_box_chance: float
    stripes_chance: float
    # foil
    gradient: float  # ±
    slow: Range  # rms of the slowest Perlin noise
    slow_nm: Range
    mottle: Range  # rms of the fast Perlin noise
    mottle_nm: Range
    grain: Range  # rms of the Gaussian texture
    grain_px: Range
    relief_chance: float
    relief: Range
    # detector
    shot: Range
    response_px: Range
    streak_chance: float  # of a slow detector: the response is longer along the scan
    white: Range
    line_noise: Range
    blur_px: Range
    level: Range
    black: Range
    stretch_chance: float
    gamma: Range
    jpeg_chance: float
    jpeg_quality: tuple[int, int]
    scale_bar_chance: float
    strip_chance: float = 0.0  # of a strip of the software's annotations beside the picture
