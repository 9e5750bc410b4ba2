"""Single defects: as the network found them, and measured."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from analysis.defects.classes import defect_class
from analysis.defects.outlines import Outline, of_probabilities
from analysis.defects.shapes import Shape, measure
from analysis.masks import Mask

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Detection:
    """A defect as the network found it.

    box: x1, y1, x2, y2 of its edges in px, in the project's convention: the box of pixel (0, 0) is -0.5 … 0.5.
    probabilities: (cells, cells) the network's soft map of the mask, which covers the box, where there is one.
    """

    class_name: str
    score: float
    box: Box
    mask: Mask
    probabilities: npt.NDArray[np.floating] | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Instance:
    """A defect with its measures. `size_*` is what the labellers call its size (see `DefectClass`)."""

    class_name: str
    score: float
    box: Box
    mask: Mask
    shape: Shape
    size_px: float
    size_nm: float | None
    touches_edge: bool

    def moved(self, dx: int, dy: int) -> Instance:
        """The same defect elsewhere: from a part's pixels to the picture's."""
        x1, y1, x2, y2 = self.box
        shape = replace(self.shape, x_px=self.shape.x_px + dx, y_px=self.shape.y_px + dy)
        return replace(self, box=(x1 + dx, y1 + dy, x2 + dx, y2 + dy), mask=self.mask.moved(dx, dy), shape=shape)


def box_of(mask: Mask) -> Box:
    """The edges of a mask's crop."""
    return (mask.x_px - 0.5, mask.y_px - 0.5, mask.right_px - 0.5, mask.bottom_px - 0.5)


def measured(
    detections: Iterable[Detection], height: int, width: int, *, pixel_size_nm: tuple[float, float] | None = None
) -> list[Instance]:
    """Size and shape of each detection, in the same order.

    Parameters
    ----------
    detections: with masks that are not empty.
    height, width: of the picture.
    pixel_size_nm: of a pixel in x and in y; without it nothing is given in nm.
    """
    found = list(detections)
    shapes = measure([d.mask for d in found], pixel_size_nm=pixel_size_nm, outlines=_outlines(found))
    instances = []
    for detection, shape in zip(found, shapes, strict=True):
        kind = defect_class(detection.class_name)
        size_nm = None
        if shape.major_nm is not None and shape.minor_nm is not None:
            size_nm = kind.size(shape.major_nm, shape.minor_nm)
        instances.append(
            Instance(
                class_name=detection.class_name,
                score=detection.score,
                box=detection.box,
                mask=detection.mask,
                shape=shape,
                size_px=kind.size(shape.major_px, shape.minor_px),
                size_nm=size_nm,
                touches_edge=detection.mask.touches_edge(height, width),
            )
        )
    return instances


def _outlines(detections: Sequence[Detection]) -> list[Outline | None]:
    """Outlines of the soft maps; None where a detection has none."""
    outlines: list[Outline | None] = [None] * len(detections)
    soft = [(k, d.probabilities, d.box) for k, d in enumerate(detections) if d.probabilities is not None]
    for shape in {values.shape for _, values, _ in soft}:
        which, maps, boxes = zip(*(found for found in soft if found[1].shape == shape), strict=True)
        for k, outline in zip(which, of_probabilities(np.stack(maps), np.array(boxes) + 0.5), strict=True):
            outlines[k] = outline
    return outlines
