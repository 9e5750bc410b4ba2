"""COCO's JSON: polygons, and masks as run lengths."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from skimage.draw import polygon_perimeter

from analysis.masks import Mask, encode, union
from training.defects.labels.label import Label, LabelError, LabelledPicture, box_around, inside, of_mask
from training.defects.labels.pictures import Pictures, collected

_TRACED = 0.25  # px by which a box may miss the extent of a polygon, plus one, of pixel indices


def read_coco(path: Path, pictures: Pictures, *, labelled: Iterable[str] | None = None) -> list[LabelledPicture]:
    """Labels of a COCO file. A picture without an annotation has no defect of the labelled classes.

    Polygons have (0, 0) at the picture's corner, as COCO defines it. Many tools write the indices of the traced
    pixels instead; they are known by a `bbox` that is one px larger than the polygon, and taken as such: the polygon
    runs through the centres of pixels that belong to the defect. Regions with `iscrowd` are passed over.

    Parameters
    ----------
    labelled: classes that were labelled in every picture; by default all categories of the file.

    Raises
    ------
    LabelError: the file is not COCO's, or an annotation is broken.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
        images = {image["id"]: image for image in content["images"]}
        categories = {category["id"]: str(category["name"]) for category in content["categories"]}
        annotations = content["annotations"]
    except (ValueError, KeyError, TypeError) as error:
        raise LabelError(f"{path.name} is not a COCO file: {error!r}") from error
    by_image: dict[str, list[Label]] = {_file_name(image): [] for image in images.values()}
    for index, annotation in enumerate(annotations):
        try:
            if not annotation.get("iscrowd"):
                image = images[annotation["image_id"]]
                label = _label(annotation, categories[annotation["category_id"]], image)
                by_image[_file_name(image)].append(label)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise LabelError(f"{path.name}, annotation {index}: {error!r}") from error
    found = {pictures.find(name): labels for name, labels in by_image.items()}
    return collected(found, pictures, categories.values() if labelled is None else labelled)


def _file_name(image: Mapping[str, Any]) -> str:
    return Path(str(image["file_name"])).name


def _label(annotation: Mapping[str, Any], name: str, image: Mapping[str, Any]) -> Label:
    x, y, width, height = (float(value) for value in annotation.get("bbox") or (0, 0, 0, 0))
    shape = annotation.get("segmentation")
    if isinstance(shape, dict):
        return of_mask(name, encode(_decoded(shape)))
    if not shape:
        if width <= 0 or height <= 0:
            raise ValueError("neither a segmentation nor a box")
        return Label(name, (x - 0.5, y - 0.5, x + width - 0.5, y + height - 0.5))
    parts = [np.array(part, float).reshape(-1, 2) for part in shape if len(part) >= 6]
    if not parts:
        raise ValueError("a polygon needs three corners")
    points = np.concatenate(parts)
    extent = np.ptp(points, axis=0)
    if np.abs(extent + 1 - (width, height)).max() < _TRACED and (points == np.round(points)).all():
        return of_mask(name, union(_traced(part) for part in parts))
    polygons = tuple(part - 0.5 for part in parts)
    return Label(name, box_around(polygons), polygons=polygons)


def _traced(points: npt.NDArray[np.float64]) -> Mask:
    """The pixels inside a line through the centres of pixels, and those on it."""
    low = points.min(axis=0).astype(int)
    corners = points.astype(int) - low
    canvas = np.zeros(corners.max(axis=0)[::-1] + 1, bool)
    canvas[polygon_perimeter(corners[:, 1], corners[:, 0], shape=canvas.shape)] = True
    return union((inside(points), encode(canvas, x_px=int(low[0]), y_px=int(low[1]))))


def _decoded(shape: Mapping[str, Any]) -> npt.NDArray[np.bool_]:
    """Pixels of COCO's run-length encoding, compressed (a string) or not (a list)."""
    height, width = (int(value) for value in shape["size"])
    counts = shape["counts"]
    runs = _uncompressed(counts) if isinstance(counts, str) else [int(count) for count in counts]
    if sum(runs) != height * width or min(runs, default=0) < 0:
        raise ValueError(f"run lengths of {sum(runs)} pixels for a mask of {height}×{width}")
    values = np.zeros(len(runs), bool)
    values[1::2] = True
    return np.repeat(values, runs).reshape(width, height).T


def _uncompressed(text: str) -> list[int]:
    """Run lengths of COCO's string: groups of five bits from 48 up, the sixth says that more follow, the last group's
    fifth is the sign; from the fourth number on, differences to the number two before."""
    runs: list[int] = []
    value, shift = 0, 0
    for character in text:
        group = ord(character) - 48
        value |= (group & 0x1F) << shift
        shift += 5
        if group & 0x20:
            continue
        if group & 0x10:
            value -= 1 << shift
        runs.append(value + runs[-2] if len(runs) > 2 else value)
        value, shift = 0, 0
    return runs
