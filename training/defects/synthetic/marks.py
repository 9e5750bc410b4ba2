"""What is drawn on the foil: rings, discs, bars and lines, labelled or not, with every number that makes them.

Positions are nm from the centre of the top left pixel, x to the right, y down; axes and widths are full; angles are
ImageJ's: degrees, counter-clockwise as seen on the screen. A depth is an attenuation a: the foil's intensity is
multiplied by exp(-a), so that 0.7 halves it, a negative one brightens, and overlapping marks darken each other.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from training.synthetic.parts import Part


class Harmonic(Part):
    """amplitude · cos(order · θ + phase), θ running once around the ellipse from its major axis."""

    order: int = Field(ge=1, le=12)
    amplitude: float
    phase_rad: float


class _Ellipse(Part):
    """A mark inside an ellipse; with a class it is a defect to be found, and the ellipse is its truth."""

    class_name: str | None = None
    x_nm: float
    y_nm: float
    major_nm: float = Field(gt=0)
    minor_nm: float = Field(gt=0)
    angle_deg: float = 0.0
    depth: float


class SecondEdge(Part):
    """The inner edge of a double one: a dark line `inset_nm` inside the outer one, and a brighter one between them."""

    inset_nm: float = Field(gt=0)
    depth: float
    between: float = 0.0


class Ring(_Ellipse):
    """An open loop: a dark line along the ellipse.

    edge_nm: full width at half maximum of the line, whose middle runs `edge_nm` / 6 inside the ellipse: there the
    labellers' ellipses lie on the real pictures. fill: attenuation inside. core: of a spot in the middle, as wide as
    the edge. lobes: modulation of the depth around the loop. outline: of its radius. gap: share of the circumference
    where the line is out of contrast, around the end of the major axis that `gap_end` (+1, -1) names.
    """

    form: Literal["ring"] = "ring"
    edge_nm: float = Field(gt=0)
    fill: float = 0.0
    core: float = 0.0
    lobes: tuple[Harmonic, ...] = ()
    outline: tuple[Harmonic, ...] = ()
    gap: float = Field(0.0, ge=0, lt=0.5)
    gap_end: Literal[-1, 1] = 1
    second: SecondEdge | None = None


class Disc(_Ellipse):
    """A solid ellipse: a black dot, a closed loop, a precipitate.

    soft_nm: the rim's width, over which the depth goes from about 85 to 15 %. lobes: modulation of the depth, growing
    from the middle to the rim. split: share of the depth that is missing on a line across the middle, along the minor
    axis (the coffee bean). outline: modulation of its radius. rim: depth of a thin line around it.
    """

    form: Literal["disc"] = "disc"
    soft_nm: float = Field(gt=0)
    lobes: tuple[Harmonic, ...] = ()
    split: float = Field(0.0, ge=0, le=1)
    outline: tuple[Harmonic, ...] = ()
    rim: float = 0.0


class Bar(_Ellipse):
    """A loop seen edge-on: a bar as long as the major axis and as thick as the minor one.

    bow_nm: how far its middle is off the straight line between its ends. taper: how much thinner it gets to its ends.
    waves: modulation of the depth, cos(order · π · position + phase), position running from -1 to 1. halo: depth of
    the strain contrast beside the bar, `halo_nm` its width, `halo_side` its asymmetry, from -1 (only right of the
    major axis' direction) to 1.
    """

    form: Literal["bar"] = "bar"
    soft_nm: float = Field(gt=0)
    bow_nm: float = 0.0
    taper: float = Field(0.0, ge=0, lt=1)
    waves: tuple[Harmonic, ...] = ()
    halo: float = 0.0
    halo_nm: float = Field(5.0, gt=0)
    halo_side: float = Field(0.0, ge=-1, le=1)


class Line(Part):
    """A dislocation: a smooth dark line through points (x, y) in nm.

    width_nm: full width at half maximum. fade_nm: the same on the left side, seen along the line, is wider by that:
    the line runs through the foil and its contrast fades to one side. taper_nm: length over which its ends fade in.
    ends: depth of start and end relative to the middle. waves: modulation of the depth, cos(order · π · position +
    phase), position running from 0 to 1. beads: modulation with period bead_nm.
    """

    points_nm: tuple[tuple[float, float], ...] = Field(min_length=2)
    depth: float
    width_nm: float = Field(gt=0)
    fade_nm: float = Field(0.0, ge=0)
    taper_nm: float = Field(3.0, ge=0)
    ends: tuple[float, float] = (1.0, 1.0)
    waves: tuple[Harmonic, ...] = ()
    beads: float = Field(0.0, ge=0, le=1)
    bead_nm: float = Field(10.0, gt=0)
    bead_phase_rad: float = 0.0


Mark = Annotated[Ring | Disc | Bar, Field(discriminator="form")]
"""A mark inside an ellipse."""
