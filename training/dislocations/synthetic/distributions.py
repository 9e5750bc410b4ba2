"""What a microstructure's frames are drawn from: distributions, as JSON that can be measured, written and shared.

`m1` was measured on real frames of in-situ glide, `m2` is wide and even, `ti` is after another material. Lengths along
and across a slip band are in slip widths, the distance of its two traces; other lengths are px.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from training.dislocations.synthetic.parameters import Point
from training.synthetic.dice import Dice, Spread
from training.synthetic.parts import Part


class Even(Part):
    """Evenly between two numbers."""

    kind: Literal["even"] = "even"
    low: float
    high: float

    def draw(self, dice: Dice) -> float:
        """One number."""
        return dice.even(self.low, self.high)


class Decades(Part):
    """Evenly in the logarithm between two numbers."""

    kind: Literal["decades"] = "decades"
    low: float = Field(gt=0)
    high: float = Field(gt=0)

    def draw(self, dice: Dice) -> float:
        """One number."""
        return dice.decades((self.low, self.high))


class Normal(Part):
    """A normal distribution, cut off at two numbers."""

    kind: Literal["normal"] = "normal"
    mean: float
    deviation: float = Field(ge=0)
    low: float
    high: float

    def draw(self, dice: Dice) -> float:
        """One number."""
        return dice.near(Spread(self.mean, self.deviation, self.low, self.high))


class LogNormal(Part):
    """A log-normal distribution, cut off at two numbers; mean and deviation are the number's own, before the cut."""

    kind: Literal["log_normal"] = "log_normal"
    mean: float = Field(gt=0)
    deviation: float = Field(gt=0)
    low: float = Field(gt=0)
    high: float

    def draw(self, dice: Dice) -> float:
        """One number."""
        return dice.size(Spread(self.mean, self.deviation, self.low, self.high))


Distribution = Annotated[Even | Decades | Normal | LogNormal, Field(discriminator="kind")]


class Mode(Part):
    """One way in which lines differ: it moves every support point along (u, v), times a normal number."""

    deviation: float = Field(ge=0)
    points: tuple[Point, ...]


class Modes(Part):
    """Lines around a mean one: its support points (u, v) and the principal modes of their scatter.

    u runs along the traces from the line's beginning, v across from 0 on the first trace to 1 on the second.
    """

    kind: Literal["modes"] = "modes"
    mean: tuple[Point, ...] = Field(min_length=2)
    modes: tuple[Mode, ...] = ()


class Free(Part):
    """Lines of all kinds: straight from trace to trace, and then every inner support point moved.

    supports: how many, ends included. reach: u of the end. bow: u by which the middle bulges. wander: standard
    deviation of every inner support point, as a share of their distance.
    """

    kind: Literal["free"] = "free"
    supports: tuple[int, int]
    reach: Distribution
    bow: Distribution
    wander: Distribution


class Geometry(Part):
    """Pile-ups and their lines.

    pile_ups: probabilities of one, two, … in a frame. lines: of each. angle_deg: of the traces, as in ImageJ.
    splay_deg: between the two traces. slip_width: as a share of the frame's shorter side. spacing: from a line's
    beginning to the next one's. variation: how much the next line differs from the first, 1 being as much as lines of
    different pile-ups do. wave_rms, wave_px: small waves of a line and their length, px.
    """

    pile_ups: tuple[float, ...] = Field(min_length=1)
    lines: Distribution
    angle_deg: Distribution
    splay_deg: Distribution
    slip_width: Distribution
    spacing: Distribution
    variation: Distribution
    shape: Annotated[Modes | Free, Field(discriminator="kind")]
    wave_rms: Distribution
    wave_px: Distribution


class LineContrast(Part):
    """How lines look: `depth`, `width_px`, `exponent` are a frame's; its lines differ by the share `scatter`.

    end: factor on the depth at an end. beads, dots: chances of oscillating contrast and of a dark dot at an end.
    """

    depth: Distribution
    width_px: Distribution
    exponent: Distribution
    skew: Distribution
    scatter: float = Field(ge=0)
    end: Distribution
    beads: float = Field(ge=0, le=1)
    dots: float = Field(ge=0, le=1)


class TraceContrast(Part):
    """How slip traces look. chance: of a pile-up that its traces are seen.

    dark, light: depths of the two lines side by side, outside and inside of the slip band; where the one or the other
    is below 0.01 it is not drawn. apart, width_px: of these lines. step: depth of the slipped area between two lines.
    beyond: share of the contrast beyond the first and the last line.
    """

    chance: float = Field(ge=0, le=1)
    dark: Distribution
    light: Distribution
    width_px: Distribution
    apart_px: Distribution
    step: Distribution
    beyond: Distribution


class Surroundings(Part):
    """Light, dirt and noise of frames. light: chance of uneven light; specks: their number in 512² px.

    grain, mottle: noise relative to the brightness, its grain `grain_px` and `mottle_px`.
    """

    light: float = Field(ge=0, le=1)
    centre_x: Distribution
    centre_y: Distribution
    sigma_x: Distribution
    sigma_y: Distribution
    floor: Distribution
    specks: Distribution
    speck_px: Distribution
    speck_depth: Distribution
    grain: Distribution
    grain_px: Distribution
    mottle: Distribution
    mottle_px: Distribution
    blur_px: Distribution
    level: Distribution
    black: Distribution
    jpeg: float = Field(ge=0, le=1)


class Microstructure(Part):
    """All distributions of one kind of frame. source: where they come from."""

    name: str
    source: str
    geometry: Geometry
    lines: LineContrast
    traces: TraceContrast
    surroundings: Surroundings


def shipped() -> tuple[str, ...]:
    """Names of the microstructures that are here."""
    folder = resources.files("training.dislocations.synthetic") / "microstructures"
    return tuple(sorted(file.name.removesuffix(".json") for file in folder.iterdir() if file.name.endswith(".json")))


def microstructure(name: str | Path) -> Microstructure:
    """A shipped microstructure by its name, M1, M2 or Ti, or one from a JSON file.

    Raises
    ------
    FileNotFoundError: there is neither.
    pydantic.ValidationError: the file holds something else.
    """
    lower = str(name).lower()
    if lower in shipped():
        file = resources.files("training.dislocations.synthetic") / "microstructures" / f"{lower}.json"
        return Microstructure.model_validate_json(file.read_text(encoding="utf-8"))
    path = Path(name)
    if not path.is_file():
        known = ", ".join(shipped()).upper()
        raise FileNotFoundError(f"no microstructure {str(name)!r}: {known} are there, or give the path of a JSON")
    return Microstructure.model_validate_json(path.read_text(encoding="utf-8"))
