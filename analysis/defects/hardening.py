"""How much defects harden an alloy: the simplified dispersed barrier model.

Each defect is an obstacle to dislocations; those of one class and one size add Δσ = M α μ b √(ρ d) to the yield
strength, with ρ the number per volume and d the size. The volume is the field of view times the foil thickness.

The sizes of one class are summed in quadrature, because the model itself is: M α μ b √(Σ ρᵢ dᵢ) does not depend on
how finely the sizes are binned. The classes, whose strengths differ, are summed both ways that are in use.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from analysis.defects.classes import KNOWN
from analysis.defects.statistics import SIZE_BIN_NM
from analysis.defects.table import DefectTable
from emserve.results import Notice


def _strengths() -> dict[str, float]:
    return {name: kind.barrier_strength for name, kind in KNOWN.items() if kind.barrier_strength is not None}


@dataclass(frozen=True)
class BarrierModel:
    """Constants of the model. The defaults are those for irradiated FeCrAl (R. Jacobs et al., arXiv:2110.08244).

    Parameters
    ----------
    taylor_factor: M. shear_modulus_gpa: μ. burgers_vector_nm: b.
    strengths: α of each class; a class without one does not harden.
    bin_nm: width of the size bins.
    """

    taylor_factor: float = 3.06
    shear_modulus_gpa: float = 82.0
    burgers_vector_nm: float = 0.249
    strengths: Mapping[str, float] = field(default_factory=_strengths)
    bin_nm: float = SIZE_BIN_NM

    def __post_init__(self) -> None:
        numbers = (self.taylor_factor, self.shear_modulus_gpa, self.burgers_vector_nm, self.bin_nm)
        if not all(np.isfinite(number) and number > 0 for number in (*numbers, *self.strengths.values())):
            raise ValueError("every constant of the barrier model is a number above 0")

    def stress_mpa(self, class_name: str, density_per_nm3: float, size_nm: float) -> float:
        """Δσ of obstacles of one class and one size."""
        modulus_mpa = 1000 * self.shear_modulus_gpa
        factor = self.taylor_factor * self.strengths[class_name] * modulus_mpa * self.burgers_vector_nm
        return factor * float(np.sqrt(density_per_nm3 * size_nm))


@dataclass(frozen=True)
class HardeningBin:
    """What the defects of one class between two sizes add; `size_nm` is their mean size."""

    class_name: str
    size_from_nm: float
    size_to_nm: float
    count: int
    size_nm: float
    density_per_nm3: float
    hardening_mpa: float


@dataclass(frozen=True)
class Hardening:
    """What all defects add to the yield strength, MPa: by class, in bins, and in total."""

    bins: tuple[HardeningBin, ...]
    by_class_mpa: dict[str, float]
    linear_mpa: float
    quadrature_mpa: float


def hardening(sizes_nm: Mapping[str, npt.ArrayLike], volume_nm3: float, model: BarrierModel | None = None) -> Hardening:
    """Hardening by defects of known sizes in a known volume.

    Parameters
    ----------
    sizes_nm: sizes of the defects of each class; classes without a barrier strength are left out.
    volume_nm3: that they were counted in.
    """
    model = model or BarrierModel()
    bins: list[HardeningBin] = []
    by_class: dict[str, float] = {}
    for name, values in sizes_nm.items():
        sizes = np.asarray(values, float)
        if name not in model.strengths:
            continue
        index = np.floor(sizes / model.bin_nm).astype(int)
        squares = 0.0
        for k in np.unique(index).tolist():
            inside = sizes[index == k]
            density, mean = inside.size / volume_nm3, float(inside.mean())
            stress = model.stress_mpa(name, density, mean)
            squares += stress**2
            bins.append(
                HardeningBin(name, k * model.bin_nm, (k + 1) * model.bin_nm, int(inside.size), mean, density, stress)
            )
        by_class[name] = float(np.sqrt(squares))
    contributions = list(by_class.values())
    return Hardening(
        bins=tuple(bins),
        by_class_mpa=by_class,
        linear_mpa=float(sum(contributions)),
        quadrature_mpa=float(np.sqrt(sum(stress**2 for stress in contributions))),
    )


def pooled_hardening(
    pictures: Sequence[DefectTable], thicknesses_nm: Sequence[float | None], model: BarrierModel | None = None
) -> tuple[Hardening | None, tuple[Notice, ...]]:
    """Hardening by the defects of one or more pictures; None and a notice where something is not known.

    Parameters
    ----------
    thicknesses_nm: of the foil in each picture.
    """
    model = model or BarrierModel()
    if any(picture.size_nm is None or picture.field_nm2 is None for picture in pictures) or not pictures:
        return None, (
            Notice(
                code="no_hardening_without_pixel_size",
                message="The hardening is not given, because the pixel size is not known.",
                remedy="Pass pixel_size_nm.",
            ),
        )
    if any(thickness is None for thickness in thicknesses_nm):
        return None, (
            Notice(
                code="no_hardening_without_thickness",
                message="The hardening is not given, because the thickness of the foil is not known.",
                remedy="Pass thickness_nm.",
            ),
        )
    volume = sum((p.field_nm2 or 0.0) * (t or 0.0) for p, t in zip(pictures, thicknesses_nm, strict=True))
    sizes: dict[str, npt.NDArray[np.float64]] = {}
    for picture in pictures:
        for name in np.unique(picture.class_names).tolist():
            found = np.asarray(picture.size_nm)[picture.of_class(name)]
            sizes[name] = np.concatenate((sizes[name], found)) if name in sizes else found
    unknown = sorted(set(sizes) - set(model.strengths))
    notices = tuple(
        Notice(
            code="no_barrier_strength",
            message=f"Defects of the class {name} are not counted in the hardening: their strength is not known.",
            remedy=f"Pass a barrier strength for {name}.",
        )
        for name in unknown
    )
    return hardening(sizes, volume, model), notices
