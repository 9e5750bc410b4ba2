"""The kinds of defects: how the size of each is read, and how strong an obstacle it is to dislocations."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

SizeRule = Literal["major", "mean"]


@dataclass(frozen=True)
class DefectClass:
    """One kind of defect.

    Parameters
    ----------
    name: as it stands in answers and labels.
    size_rule: 'major' takes the full major axis of the ellipse for the size, 'mean' the geometric mean of both axes.
    barrier_strength: α of the dispersed barrier model; None where it is not known.
    """

    name: str
    size_rule: SizeRule
    barrier_strength: float | None

    def size(self, major: float, minor: float) -> float:
        """Size of a defect from the full axes of its ellipse, in the axes' unit."""
        return major if self.size_rule == "major" else math.sqrt(major * minor)


# Irradiated FeCrAl: R. Jacobs et al., arXiv:2110.08244 (2021), and its labellers' own rules.
KNOWN = {
    known.name: known
    for known in (
        DefectClass("loop_111", "major", 0.11),
        DefectClass("loop_100", "major", 0.32),
        DefectClass("black_dot", "mean", 0.10),
    )
}


def defect_class(name: str) -> DefectClass:
    """The kind of that name. A name that is not known is sized like a loop and hardens by an unknown amount."""
    return KNOWN.get(name) or DefectClass(name, "major", None)
