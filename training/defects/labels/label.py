"""Labels of one picture, whatever file they come from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ellipe
from skimage.draw import polygon as polygon_pixels

from analysis.defects.classes import defect_class
from analysis.defects.instances import Box, box_of
from analysis.defects.shapes import measure
from analysis.defects.table import DefectTable
from analysis.masks import EMPTY, Mask, clipped, encode, union

FloatArray = npt.NDArray[np.float64]


class LabelError(ValueError):
    """A file of labels that is not what it should be; the message says where, and what is expected."""


@dataclass(frozen=True)
class Ellipse:
    """An ellipse by its centre and full axes, px; the angle is ImageJ's: counter-clockwise as seen on the screen."""

    x_px: float
    y_px: float
    major_px: float
    minor_px: float
    angle_deg: float

    @property
    def box(self) -> Box:
        """The edges of the smallest upright box around it."""
        angle = np.radians(self.angle_deg)
        a, b = self.major_px / 2, self.minor_px / 2
        half_x = float(np.hypot(a * np.cos(angle), b * np.sin(angle)))
        half_y = float(np.hypot(a * np.sin(angle), b * np.cos(angle)))
        return (self.x_px - half_x, self.y_px - half_y, self.x_px + half_x, self.y_px + half_y)

    @property
    def heywood(self) -> float:
        """Perimeter over the circumference of the circle of the same area."""
        a, b = self.major_px / 2, self.minor_px / 2
        return float(4 * a * ellipe(1 - (b / a) ** 2) / (2 * np.pi * np.sqrt(a * b)))

    def mask(self) -> Mask:
        """The pixels whose centres lie inside."""
        x1, y1, x2, y2 = (int(np.floor(edge)) for edge in self.box)
        x, y = np.arange(x1, x2 + 2) - self.x_px, (np.arange(y1, y2 + 2) - self.y_px)[:, None]
        cos, sin = np.cos(np.radians(self.angle_deg)), np.sin(np.radians(self.angle_deg))
        along, across = x * cos - y * sin, x * sin + y * cos  # y points down
        return encode((2 * along / self.major_px) ** 2 + (2 * across / self.minor_px) ** 2 <= 1, x_px=x1, y_px=y1)


@dataclass(frozen=True, eq=False)
class Label:
    """One labelled defect: a box, and what is known of its outline.

    All positions are in px in the project's convention, pixel (0, 0) having its centre there. Readers convert from
    files whose (0, 0) is the picture's corner.

    box: x1, y1, x2, y2 of its edges.
    polygons: (n, 2) of x and y each; their union is the defect. ellipse, mask: at most one of the three is given.
    """

    class_name: str
    box: Box
    polygons: tuple[FloatArray, ...] = ()
    ellipse: Ellipse | None = None
    mask: Mask | None = None

    @property
    def has_outline(self) -> bool:
        """Whether more than a box is known."""
        return bool(self.polygons) or self.ellipse is not None or self.mask is not None

    def pixels(self, height: int, width: int) -> Mask:
        """The label's pixels in a picture of that size; the box's where only a box is known.

        A label that covers no pixel's centre gets the one that its middle lies in, unless that is outside.
        """
        if self.mask is not None:
            drawn = self.mask
        elif self.ellipse is not None:
            drawn = self.ellipse.mask()
        elif self.polygons:
            drawn = union(inside(points) for points in self.polygons)
        else:
            x1, y1, x2, y2 = (int(np.ceil(edge)) for edge in self.box)
            drawn = encode(np.ones((max(y2 - y1, 0), max(x2 - x1, 0)), bool), x_px=x1, y_px=y1)
        if not drawn.area_px:
            x, y = round((self.box[0] + self.box[2]) / 2), round((self.box[1] + self.box[3]) / 2)
            drawn = Mask(x, y, 1, 1, (0, 1))
        return clipped(drawn, 0, 0, width, height)


@dataclass(frozen=True, eq=False)
class LabelledPicture:
    """A picture's labels.

    image: file name of the picture. height_px, width_px: its size.
    labelled: the classes that were labelled in it. Defects of other classes may be there: they are unknown, not
    background. pixel_size_nm: in x and in y. thickness_nm: of the foil.
    """

    image: str
    height_px: int
    width_px: int
    labels: tuple[Label, ...]
    labelled: frozenset[str]
    pixel_size_nm: tuple[float, float] | None = None
    thickness_nm: float | None = None

    def __post_init__(self) -> None:
        strangers = {label.class_name for label in self.labels} - self.labelled
        if strangers:
            raise LabelError(f"{self.image} has labels of {sorted(strangers)}, but only {sorted(self.labelled)} count")

    def table(self, *, shapes: bool = True) -> DefectTable:
        """The labels as columns for statistics and metrics.

        The size of an ellipse is that of its own axes; that of a polygon or a mask is measured on its pixels; that of
        a box is not known. Labels that lie outside the picture are left out.

        Parameters
        ----------
        shapes: False leaves sizes and shapes unknown (NaN), which is faster where only finding is judged.
        """
        drawn = [(label, label.pixels(self.height_px, self.width_px)) for label in self.labels]
        drawn = [(label, mask) for label, mask in drawn if mask.area_px]
        scale = self.pixel_size_nm
        unknown = [(float("nan"), float("nan"))] * len(drawn)
        px = _sizes_and_shapes(drawn, (1.0, 1.0)) if shapes else unknown
        nm = None
        if scale is not None:
            nm = _sizes_and_shapes(drawn, scale) if shapes else unknown
        return DefectTable(
            class_names=np.array([label.class_name for label, _ in drawn], np.str_),
            boxes=np.array([label.box for label, _ in drawn], float).reshape(-1, 4),
            masks=tuple(mask for _, mask in drawn) if all(label.has_outline for label, _ in drawn) else None,
            size_px=np.array([size for size, _ in px], float),
            size_nm=None if nm is None else np.array([size for size, _ in nm], float),
            heywood=np.array([shape for _, shape in (px if nm is None else nm)], float),
            field_nm2=None if scale is None else self.height_px * scale[0] * self.width_px * scale[1],
            labelled=self.labelled,
        )


def _sizes_and_shapes(drawn: Sequence[tuple[Label, Mask]], scale: tuple[float, float]) -> list[tuple[float, float]]:
    """Size in the unit of the scale per pixel, and Heywood circularity, of each label."""
    square = scale[0] == scale[1]
    to_measure = [label.has_outline and not (label.ellipse and square) for label, _ in drawn]
    masks = [mask for (_, mask), wanted in zip(drawn, to_measure, strict=True) if wanted]
    shapes = iter(measure(masks, pixel_size_nm=scale))
    found = []
    for (label, _), wanted in zip(drawn, to_measure, strict=True):
        kind = defect_class(label.class_name)
        if wanted:
            shape = next(shapes)
            assert shape.major_nm is not None
            assert shape.minor_nm is not None
            found.append((kind.size(shape.major_nm, shape.minor_nm), shape.heywood))
        elif label.ellipse is not None:
            major, minor = label.ellipse.major_px * scale[0], label.ellipse.minor_px * scale[0]
            found.append((kind.size(major, minor), label.ellipse.heywood))
        else:
            found.append((float("nan"), float("nan")))
    return found


def inside(points: npt.ArrayLike) -> Mask:
    """The pixels whose centres lie inside a polygon of (n, 2) x and y."""
    vertices = np.asarray(points, float)
    if len(vertices) < 3:
        return EMPTY
    low = np.floor(vertices.min(axis=0)).astype(int)
    size = np.ceil(vertices.max(axis=0)).astype(int) - low + 1
    canvas = np.zeros((size[1], size[0]), bool)
    canvas[polygon_pixels(vertices[:, 1] - low[1], vertices[:, 0] - low[0], canvas.shape)] = True
    return encode(canvas, x_px=int(low[0]), y_px=int(low[1]))


def box_around(polygons: Sequence[FloatArray]) -> Box:
    """The edges of the smallest upright box around polygons."""
    points = np.concatenate(polygons)
    (x1, y1), (x2, y2) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    return (x1, y1, x2, y2)


def of_mask(class_name: str, mask: Mask) -> Label:
    """The label of some pixels."""
    return Label(class_name, box_of(mask), mask=mask)
