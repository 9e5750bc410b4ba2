"""A file's calibration → pixel size in nm."""

from __future__ import annotations

import math
import re
from typing import Literal

from analysis.micrograph.picture import Scale
from emserve.exceptions import UnreadableMicrograph
from emserve.results import Notice

Kind = Literal["length", "none", "reciprocal", "angle", "energy", "time", "unknown"]

# Outside of this a pixel size is a mistake: a hundredth of a hydrogen atom, or a pixel that shows to the naked eye.
SMALLEST_NM = 1e-4
LARGEST_NM = 1e6
MAX_ASPECT = 10.0  # of the two sides of a pixel: no microscope scans rows and columns more differently

_LENGTHS_NM = {
    1e9: ("m", "meter", "meters", "metre", "metres"),
    1e7: ("cm", "centimeter", "centimeters", "centimetre"),
    2.54e7: ("in", "inch", "inches", '"'),
    1e6: ("mm", "millimeter", "millimeters", "millimetre"),
    1e3: ("um", "micron", "microns", "micrometer", "micrometers", "micrometre", "micrometres"),
    1.0: ("nm", "nanometer", "nanometers", "nanometre", "nanometres"),
    1e-1: ("a", "å", "ang", "angstrom", "angstroms", "ångström", "ångstrom"),
    1e-3: ("pm", "picometer", "picometers", "picometre", "picometres"),
}
_NM = {name: factor for factor, names in _LENGTHS_NM.items() for name in names}
_NONE = {"", "-", "[]", "px", "pix", "pixel", "pixels", "none", "null", "n/a", "<undefined>", "unknown", "counts"}
_ANGLES = {"rad", "mrad", "urad", "deg", "degree", "degrees", "°"}
_ENERGIES = {"ev", "kev", "mev"}
_TIMES = {
    "s": 1.0, "sec": 1.0, "second": 1.0, "seconds": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9, "ps": 1e-12, "fs": 1e-15,
    "min": 60.0, "h": 3600.0
}  # fmt: skip
_RECIPROCAL = re.compile(r"^1\s*/|^/|\^?\s*[-−]\s*1\)?$|⁻¹$|^\(?1/")


def kind_of(unit: str) -> Kind:
    """What a unit measures; a file's spelling ('micron', 'µm', '1/nm', 'nm^-1', '') does not matter."""
    name = _plain(unit)
    if name in _NONE:
        return "none"
    if name in _NM:
        return "length"
    if _RECIPROCAL.search(name):
        return "reciprocal"
    for kind, names in (("angle", _ANGLES), ("energy", _ENERGIES), ("time", _TIMES)):
        if name in names:
            return kind  # type: ignore[return-value]
    return "unknown"


def calibrate(scale_x: Scale | None, scale_y: Scale | None) -> tuple[tuple[float, float] | None, tuple[Notice, ...]]:
    """The pixel size in x and y in nm that a file gives, or None where it gives none that can be true.

    Raises
    ------
    UnreadableMicrograph: the axes are not lengths, so the file is not a picture in real space.
    """
    if scale_x is None or scale_y is None:
        return None, ()
    kinds = (kind_of(scale_x.unit), kind_of(scale_y.unit))
    for kind, what in _NOT_REAL_SPACE.items():
        if kind in kinds:
            raise UnreadableMicrograph(
                f"The file holds {what} (its axes are in '{(scale_x if kinds[0] == kind else scale_y).unit}').",
                remedy="Send a picture in real space, with axes in nm, µm or pm.",
            )
    if "none" in kinds:
        return None, ()
    if "unknown" in kinds:
        return None, (_dropped(f"is in a unit that is not known ('{scale_x.unit}', '{scale_y.unit}')"),)
    size_nm = (scale_x.value * _NM[_plain(scale_x.unit)], scale_y.value * _NM[_plain(scale_y.unit)])
    if not is_plausible(*size_nm):
        return None, (_dropped(f"cannot be true ({size_nm[0]:.4g} nm × {size_nm[1]:.4g} nm)"),)
    return size_nm, ()


def seconds(scale: Scale) -> float | None:
    """A time in s; None for what is no time above 0."""
    value = scale.value * _TIMES.get(_plain(scale.unit), 0.0)
    return value if value > 0 and math.isfinite(value) else None


def is_plausible(x_nm: float, y_nm: float) -> bool:
    """Whether a pixel can have these sides."""
    if not all(math.isfinite(size) and SMALLEST_NM <= size <= LARGEST_NM for size in (x_nm, y_nm)):
        return False
    return max(x_nm, y_nm) <= MAX_ASPECT * min(x_nm, y_nm)


def _plain(unit: str) -> str:
    name = unit.strip().strip("\0").strip().lower()
    name = name.replace("\\u00b5", "u").replace("\\u03bc", "u").replace("\\u00c5", "å").replace("\\u212b", "å")
    return name.replace("µ", "u").replace("μ", "u").replace("\u212b", "å")


def _dropped(why: str) -> Notice:
    return Notice(
        code="pixel_size_dropped",
        message=f"The pixel size in the file {why} and was not used.",
        remedy="Pass pixel_size_nm.",
    )


_NOT_REAL_SPACE: dict[Kind, str] = {
    "reciprocal": "a diffraction pattern or a Fourier transform",
    "angle": "a diffraction pattern",
    "energy": "a spectrum",
    "time": "a signal over time",
}
