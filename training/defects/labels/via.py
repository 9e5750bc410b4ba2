"""VGG Image Annotator's JSON: a project, or its exported annotations."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from training.defects.labels.label import Ellipse, Label, LabelError, LabelledPicture, box_around
from training.defects.labels.pictures import Pictures, collected
from training.defects.labels.tables import named


def read_via(
    path: Path,
    pictures: Pictures,
    *,
    attribute: str | None = None,
    names: Sequence[str] = (),
    class_name: str | None = None,
    labelled: Iterable[str] | None = None,
) -> list[LabelledPicture]:
    """Labels of a VIA file (versions 1 and 2): polygons, rectangles, ellipses and circles.

    Pictures of the project without a region have no defect of the labelled classes.

    Parameters
    ----------
    attribute: the region attribute that holds the class; needed only where regions have more than one.
    names: what class 0, 1, … is called, where the attribute holds numbers.
    class_name: of regions without attributes.
    labelled: classes that were labelled in every picture; by default those that occur in the file.

    Raises
    ------
    LabelError: the file is not VIA's, or a region is broken.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
        entries = list(content.get("_via_img_metadata", content).values())
        by_name = {str(entry["filename"]): entry["regions"] for entry in entries}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise LabelError(f"{path.name} is not a VIA file: {error!r}") from error
    by_image: dict[str, list[Label]] = {}
    for name, regions in by_name.items():
        labels = by_image.setdefault(pictures.find(Path(name).name), [])
        # version 1 numbers the regions in a dictionary
        for index, region in enumerate(regions.values() if isinstance(regions, dict) else regions):
            where = f"{path.name}, {name}, region {index}"
            try:
                kind = _class(region.get("region_attributes") or {}, attribute, class_name)
                labels.append(_label(named(kind, names, where), region["shape_attributes"]))
            except LabelError:
                raise
            except (KeyError, TypeError, ValueError) as error:
                raise LabelError(f"{where}: {error!r}") from error
    return collected(by_image, pictures, labelled)


def _class(attributes: Mapping[str, Any], attribute: str | None, default: str | None) -> str:
    if attribute is None and len(attributes) > 1:
        raise ValueError(f"say which of the attributes {sorted(attributes)} is the class")
    value = attributes.get(attribute) if attribute else next(iter(attributes.values()), None)
    if isinstance(value, dict):  # a check box: {"black_dot": true}
        chosen = [key for key, checked in value.items() if checked]
        if len(chosen) != 1:
            raise ValueError(f"one class is expected, found {chosen}")
        value = chosen[0]
    if value in (None, ""):
        value = default
    if value is None:
        raise ValueError("a region without a class")
    return str(value).strip()


def _label(name: str, shape: Mapping[str, Any]) -> Label:
    """A region; VIA's (0, 0) is the picture's corner."""
    kind = shape["name"]
    if kind in {"polygon", "polyline"}:
        points = np.column_stack((shape["all_points_x"], shape["all_points_y"])).astype(float) - 0.5
        if len(points) < 3:
            raise ValueError("a polygon needs three corners")
        return Label(name, box_around([points]), polygons=(points,))
    if kind == "rect":
        x, y = float(shape["x"]) - 0.5, float(shape["y"]) - 0.5
        width, height = float(shape["width"]), float(shape["height"])
        if not (width > 0 and height > 0):
            raise ValueError("a rectangle needs a width and a height")
        return Label(name, (x, y, x + width, y + height))
    if kind in {"ellipse", "circle"}:
        a, b = (float(shape[key]) for key in (("rx", "ry") if kind == "ellipse" else ("r", "r")))
        if not (a > 0 and b > 0):
            raise ValueError("an ellipse needs two radii")
        angle = -float(np.degrees(shape.get("theta", 0.0)))  # VIA turns clockwise on the screen
        if b > a:
            a, b, angle = b, a, angle + 90
        ellipse = Ellipse(float(shape["cx"]) - 0.5, float(shape["cy"]) - 0.5, 2 * a, 2 * b, angle % 180)
        return Label(name, ellipse.box, ellipse=ellipse)
    raise ValueError(f"a {kind} is not the outline of a defect")
