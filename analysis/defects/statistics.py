"""Defects → how many per area, how large and of what shape, in one picture or in many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.defects.table import DefectTable
from analysis.distributions import Distribution, distribution

SIZE_BIN_NM = 5.0
SIZE_BIN_PX = 10.0
HEYWOOD_BIN = 0.05


@dataclass(frozen=True)
class ClassStatistics:
    """Numbers of one class of defects (of all defects where `class_name` is None), over one or more pictures.

    density_per_nm2: count over the area of all pictures. density_mean_per_nm2, density_std_per_nm2: over the densities
    of the single pictures, which is how published tables are made: a small field counts as much as a large one. What
    needs a pixel size is None where a picture has none; a distribution is None where there is nothing to distribute.
    """

    class_name: str | None
    count: int
    density_per_nm2: float | None
    density_mean_per_nm2: float | None
    density_std_per_nm2: float | None
    size_px: Distribution | None
    size_nm: Distribution | None
    heywood: Distribution | None


def class_statistics(
    pictures: Sequence[DefectTable],
    class_name: str | None,
    *,
    size_bin_nm: float = SIZE_BIN_NM,
    size_bin_px: float = SIZE_BIN_PX,
    heywood_bin: float = HEYWOOD_BIN,
) -> ClassStatistics:
    """Numbers of one class (of all defects for None), pooled over pictures.

    Pictures in which the class was not labelled are left out, as nothing is known about it there.
    """
    known = [p for p in pictures if p.labelled is None or class_name is None or class_name in p.labelled]
    rows = [picture.of_class(class_name) for picture in known]
    per_picture = np.array([row.sum() for row in rows], int)
    density = mean = std = None
    areas = [picture.field_nm2 for picture in known if picture.field_nm2 is not None]
    if known and len(areas) == len(known):
        single = per_picture / np.array(areas)
        density, mean, std = float(per_picture.sum() / np.sum(areas)), float(single.mean()), float(single.std())
    both = list(zip(known, rows, strict=True))
    sizes_px = np.concatenate([np.empty(0), *(picture.size_px[row] for picture, row in both)])
    heywood = np.concatenate([np.empty(0), *(picture.heywood[row] for picture, row in both)])
    sizes_nm = [picture.size_nm[row] for picture, row in both if picture.size_nm is not None]
    all_in_nm = len(sizes_nm) == len(known)
    return ClassStatistics(
        class_name=class_name,
        count=int(per_picture.sum()),
        density_per_nm2=density,
        density_mean_per_nm2=mean,
        density_std_per_nm2=std,
        size_px=distribution(sizes_px, bin_width=size_bin_px),
        size_nm=distribution(np.concatenate([np.empty(0), *sizes_nm]), bin_width=size_bin_nm) if all_in_nm else None,
        heywood=distribution(heywood, bin_width=heywood_bin, start=1.0),
    )
