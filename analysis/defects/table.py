"""The defects of one picture as columns: what statistics, hardening and metrics read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analysis.defects.instances import Instance
from analysis.masks import Mask

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class DefectTable:
    """The defects of one picture, found by a network or labelled by a person.

    class_names: (N,) strings. boxes: (N, 4) edges in px, in the project's convention. masks: None where only boxes
    are known. size_px, heywood: (N,), NaN where not known. size_nm: None where the pixel size is not known.
    field_nm2: area of the field of view. labelled: the classes that were looked for; defects of others are unknown
    rather than absent. None means all classes were.
    """

    class_names: npt.NDArray[np.str_]
    boxes: FloatArray
    masks: tuple[Mask, ...] | None
    size_px: FloatArray
    size_nm: FloatArray | None
    heywood: FloatArray
    field_nm2: float | None
    labelled: frozenset[str] | None = None

    def __post_init__(self) -> None:
        n = len(self.class_names)
        columns = [self.boxes, self.size_px, self.heywood]
        columns += [] if self.size_nm is None else [self.size_nm]
        if any(len(column) != n for column in columns) or (self.masks is not None and len(self.masks) != n):
            raise ValueError("the columns of a table of defects are not equally long")
        if self.boxes.shape != (n, 4):
            raise ValueError(f"boxes are (N, 4), got {self.boxes.shape}")

    def __len__(self) -> int:
        return len(self.class_names)

    def of_class(self, name: str | None) -> npt.NDArray[np.bool_]:
        """Which rows are of a class; all of them for None."""
        return np.ones(len(self), bool) if name is None else self.class_names == name


def from_instances(
    instances: Sequence[Instance],
    height: int,
    width: int,
    *,
    pixel_size_nm: tuple[float, float] | None = None,
    labelled: frozenset[str] | None = None,
) -> DefectTable:
    """The table of measured defects of a picture of that size."""
    sizes_nm = [instance.size_nm for instance in instances if instance.size_nm is not None]
    if pixel_size_nm is not None and len(sizes_nm) != len(instances):
        raise ValueError("the defects were measured without the pixel size that the picture has")
    return DefectTable(
        class_names=np.array([instance.class_name for instance in instances], np.str_),
        boxes=np.array([instance.box for instance in instances], float).reshape(-1, 4),
        masks=tuple(instance.mask for instance in instances),
        size_px=np.array([instance.size_px for instance in instances], float),
        size_nm=None if pixel_size_nm is None else np.array(sizes_nm, float),
        heywood=np.array([instance.shape.heywood for instance in instances], float),
        field_nm2=None if pixel_size_nm is None else height * width * pixel_size_nm[0] * pixel_size_nm[1],
        labelled=labelled,
    )
