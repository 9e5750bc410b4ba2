"""What a network sees of a labelled picture: a square of it, turned, mirrored and scaled, with its labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from skimage.draw import polygon as polygon_pixels
from skimage.measure import find_contours

from analysis.masks import decode
from analysis.resampling import resample
from training.defects.labels import Ellipse, Label, LabelledPicture
from training.defects.targets import Targets, nowhere_labelled, possible_classes

FloatArray = npt.NDArray[np.float64]
GreyArray = npt.NDArray[np.float32]

LEAST_VISIBLE = 0.35
"""Share of a defect that must be inside the square; of less, nobody can tell what it is: the place is not judged."""
LEAST_SIDE_PX = 3.0
"""Defects narrower than this in the square are too small to learn from: the place is not judged."""
OUTSIDE = 128.0
"""Grey level beyond the picture's edge: about what the network itself pads with."""
_ELLIPSE_POINTS = 48


@dataclass(frozen=True)
class View:
    """Which square: of `size_px`, with its middle at (x_px, y_px) of the picture.

    scale_x, scale_y: pixels of the square per pixel of the picture. turn_deg: what is in the picture appears turned by
    so much, counter-clockwise as seen on the screen; mirrored: and then left and right are exchanged.
    """

    size_px: int
    x_px: float
    y_px: float
    scale_x: float = 1.0
    scale_y: float = 1.0
    turn_deg: float = 0.0
    mirrored: bool = False

    @cached_property
    def _matrix(self) -> FloatArray:
        """From the square's offsets to the picture's, before scaling: (2, 2)."""
        angle = np.radians(self.turn_deg)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        # Right angles exactly, so that such a view copies pixels.
        turn = np.where(np.abs(turn) < 1e-12, 0.0, turn)
        return turn @ np.diag((-1.0 if self.mirrored else 1.0, 1.0))

    def points(self, picture: FloatArray) -> FloatArray:
        """Points (n, 2) of the picture → points of the square, both with pixel (0, 0) having its centre there."""
        offsets = (picture - (self.x_px, self.y_px)) * (self.scale_x, self.scale_y)
        return np.asarray(offsets @ self._matrix + (self.size_px - 1) / 2)

    def pixels(self, picture: GreyArray) -> GreyArray:
        """The square (size, size), grey levels 0 to 255; beyond the picture's edge it is grey."""
        height, width = picture.shape
        corners = (np.array([(-1, -1), (-1, 1), (1, -1), (1, 1)]) * self.size_px / 2) @ self._matrix.T
        reach = np.abs(corners).max(axis=0) / (self.scale_x, self.scale_y) + 2
        left, top = (int(max(0, np.floor(c - r))) for c, r in zip((self.x_px, self.y_px), reach, strict=True))
        right, bottom = (
            int(min(limit, np.ceil(c + r) + 1))
            for c, r, limit in zip((self.x_px, self.y_px), reach, (width, height), strict=True)
        )
        if right - left < 2 or bottom - top < 2:
            return np.full((self.size_px, self.size_px), OUTSIDE, np.float32)
        piece = np.ascontiguousarray(picture[top:bottom, left:right], np.float32)
        shape = max(1, round(piece.shape[0] * self.scale_y)), max(1, round(piece.shape[1] * self.scale_x))
        scaled = resample(piece, *shape)
        # PIL's affine map goes from the square to the piece, in coordinates of pixels' corners.
        ratio_x, ratio_y = shape[1] / piece.shape[1], shape[0] / piece.shape[0]
        to_piece = np.diag((ratio_x / self.scale_x, ratio_y / self.scale_y)) @ self._matrix
        middle = np.array([(self.x_px + 0.5 - left) * ratio_x, (self.y_px + 0.5 - top) * ratio_y])
        shift = middle - to_piece @ np.full(2, self.size_px / 2)
        # Lifted by one, 0 means nothing: it is what PIL fills with.
        turned = Image.fromarray(np.clip(scaled, 0, 255) + 1).transform(
            (self.size_px, self.size_px),
            Image.Transform.AFFINE,
            (to_piece[0, 0], to_piece[0, 1], shift[0], to_piece[1, 0], to_piece[1, 1], shift[1]),
            Image.Resampling.BICUBIC,
        )
        seen = np.asarray(turned, np.float32)
        return np.where(seen < 0.5, np.float32(OUTSIDE), np.clip(seen - 1, 0, 255))


@dataclass(frozen=True, eq=False)
class Outlined:
    """A label as training wants it. polygons: of (n, 2) x and y each; the box's corners where only that is known."""

    names: tuple[str, ...]
    polygons: tuple[FloatArray, ...]
    known: bool


def outlined(label: Label, possible: Callable[[str], Sequence[str]]) -> Outlined:
    """The outline of a label, and the classes that it may be."""
    names = tuple(possible(label.class_name))
    if label.ellipse is not None:
        return Outlined(names, (around(label.ellipse),), known=True)
    if label.polygons:
        return Outlined(names, label.polygons, known=True)
    if label.mask is not None:
        inner = np.pad(decode(label.mask), 1).astype(np.float32)
        lines = [line[:, ::-1] - 1 + (label.mask.x_px, label.mask.y_px) for line in find_contours(inner, 0.5)]
        return Outlined(names, tuple(lines), known=True)
    x1, y1, x2, y2 = label.box
    return Outlined(names, (np.array([(x1, y1), (x2, y1), (x2, y2), (x1, y2)]),), known=False)


def around(ellipse: Ellipse) -> FloatArray:
    """Points (n, 2) around an ellipse."""
    t = np.linspace(0, 2 * np.pi, _ELLIPSE_POINTS, endpoint=False)
    along, across = ellipse.major_px / 2 * np.cos(t), ellipse.minor_px / 2 * np.sin(t)
    cos, sin = np.cos(np.radians(ellipse.angle_deg)), np.sin(np.radians(ellipse.angle_deg))
    return np.column_stack((ellipse.x_px + along * cos + across * sin, ellipse.y_px - along * sin + across * cos))


def targets(
    view: View,
    labels: Sequence[Outlined],
    labelled: Sequence[str],
    classes: Sequence[str],
) -> Targets:
    """The labels of what a view shows.

    Defects that are mostly outside, or too small to be seen, are not learned from, and neither is their place. Defects
    of classes that the network does not know are background to it; those that may be of such a class or of one that it
    knows are not learned from.

    Args:
        labels: of the whole picture. labelled: classes that were looked for in it. classes: of the network.
    """
    size = view.size_px
    unlabelled = nowhere_labelled(labelled, classes, size, size).clone()
    boxes, names, masks, known = [], [], [], []
    for label in labels:
        strange = set(label.names) - set(classes)
        if len(strange) == len(set(label.names)):
            continue
        polygons = [view.points(polygon) for polygon in label.polygons]
        box = _box(polygons)
        cut = np.clip(box, 0, size)
        sides = cut[2:] - cut[:2]
        if sides.min() <= 0:
            continue
        mask = _mask(polygons, size)
        whole = sum(_area(polygon) for polygon in polygons)
        visible = mask.sum() / max(whole, 1e-9)
        if strange or visible < LEAST_VISIBLE or sides.min() < LEAST_SIDE_PX or not mask.any():
            x1, y1 = np.floor(cut[:2]).astype(int)
            x2, y2 = np.ceil(cut[2:]).astype(int)
            unlabelled[:, y1:y2, x1:x2] = True
            continue
        boxes.append(cut)
        names.append(label.names)
        masks.append(mask)
        known.append(label.known)
    return Targets(
        boxes=torch.from_numpy(np.array(boxes, np.float32).reshape(-1, 4)),
        possible=possible_classes(names, classes),
        masks=torch.from_numpy(np.array(masks, bool).reshape(-1, size, size)),
        outlined=torch.tensor(known, dtype=torch.bool),
        unlabelled=unlabelled,
    )


def _box(polygons: Sequence[FloatArray]) -> FloatArray:
    """x1, y1, x2, y2 with the left edge of the first pixel being 0."""
    points = np.concatenate(polygons)
    return np.concatenate((points.min(axis=0), points.max(axis=0))) + 0.5


def _area(polygon: FloatArray) -> float:
    x, y = polygon.T
    return 0.5 * abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1)))


def _mask(polygons: Sequence[FloatArray], size: int) -> npt.NDArray[np.bool_]:
    canvas = np.zeros((size, size), bool)
    for polygon in polygons:
        canvas[polygon_pixels(polygon[:, 1], polygon[:, 0], canvas.shape)] = True
    return canvas


def outlines(picture: LabelledPicture, possible: Callable[[str], Sequence[str]]) -> tuple[Outlined, ...]:
    """All labels of a picture."""
    return tuple(outlined(label, possible) for label in picture.labels)
