"""Whether what a family looks for can be seen at a micrograph's pixel size.

What a file says may be the resolution of a scanner or of a screen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emserve.exceptions import InvalidParameter
from emserve.results import Notice

if TYPE_CHECKING:
    from analysis.micrograph import Micrograph


def within(size_nm: tuple[float, float], range_nm: tuple[float, float]) -> bool:
    """Whether a pixel size in x and y lies in a range, nm."""
    return range_nm[0] <= min(size_nm) and max(size_nm) <= range_nm[1]


def usable(
    micrograph: Micrograph,
    range_nm: tuple[float, float],
    notices: list[Notice],
    *,
    unseen: str,
    consequence: str,
) -> tuple[float, float] | None:
    """The pixel size in x and y, nm, unless it is missing or outside a range; if the file's is, a notice says so.

    Parameters
    ----------
    range_nm: at which the family sees what it looks for.
    notices: to which one is added.
    unseen: what cannot be seen outside, as `Atom columns cannot be resolved`.
    consequence: what follows for the answer, after `the pixel size in the file; `.

    Raises
    ------
    InvalidParameter: the pixel size was passed, and lies outside.
    """
    size_x, size_y = micrograph.pixel_size_x_nm, micrograph.pixel_size_y_nm
    if size_x is None or size_y is None:
        return None
    if within((size_x, size_y), range_nm):
        return size_x, size_y
    problem = f"{unseen} at {size_x:g} × {size_y:g} nm per pixel"
    remedy = f"Pass pixel_size_nm between {range_nm[0]:g} and {range_nm[1]:g}."
    if micrograph.pixel_size_source == "argument":
        raise InvalidParameter(f"{problem}.", remedy=remedy, field="pixel_size_nm")
    notices.append(
        Notice(
            code="pixel_size_implausible",
            message=f"{problem}, the pixel size in the file; {consequence}.",
            remedy=remedy,
        )
    )
    return None
