"""Labels of any of the known kinds, recognised by content."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from training.defects.labels.boxes import read_box_table, read_box_texts
from training.defects.labels.coco import read_coco
from training.defects.labels.ellipses import read_ellipses
from training.defects.labels.label import LabelError, LabelledPicture
from training.defects.labels.pictures import pictures_in
from training.defects.labels.via import read_via
from training.defects.labels.yolo import read_yolo


def read_labels(
    path: Path,
    images: Path,
    *,
    names: Sequence[str] = (),
    class_name: str | None = None,
    labelled: Iterable[str] | None = None,
    columns: Sequence[str] | None = None,
    attribute: str | None = None,
    pixel_size_nm: float | None = None,
    thickness_nm: float | None = None,
) -> list[LabelledPicture]:
    """The labels of a folder of pictures.

    Parameters
    ----------
    path: a CSV file of ellipses (ImageJ) or boxes, a JSON file (VIA, COCO), or a folder of text files (YOLO; boxes
        where `columns` says what the values of a line are).
    images: folder of the pictures; an `images.csv` there or above tells their calibration (see `pictures_in`).
    names: what class 0, 1, … is called, where the labels have numbers.
    class_name: of labels that have no class; of class 0 of YOLO's.
    labelled: the classes that somebody labelled in every picture; others are unknown there. By default those that the
        labels know.
    columns: of a folder of box texts, such as ("y1", "x1", "y2", "x2").
    attribute: of a VIA file, the region attribute that holds the class.
    pixel_size_nm, thickness_nm: of pictures that no table tells about.

    Raises
    ------
    LabelError: no such labels, or broken ones; the message says where.
    """
    pictures = pictures_in(images, pixel_size_nm=pixel_size_nm, thickness_nm=thickness_nm)
    if path.is_dir():
        if columns:
            return read_box_texts(
                path, pictures, columns=columns, names=names, class_name=class_name, labelled=labelled
            )
        return read_yolo(path, pictures, names=names or ([class_name] if class_name else []), labelled=labelled)
    if not path.is_file():
        raise LabelError(f"there is no file of labels {path.name}")
    if path.suffix.lower() == ".json":
        try:
            content = json.loads(path.read_text(encoding="utf-8-sig"))
        except ValueError as error:
            raise LabelError(f"{path.name} is not JSON: {error}") from error
        if isinstance(content, dict) and {"annotations", "images", "categories"} <= content.keys():
            return read_coco(path, pictures, labelled=labelled)
        return read_via(path, pictures, attribute=attribute, names=names, class_name=class_name, labelled=labelled)
    with path.open(encoding="utf-8-sig") as file:
        header = file.readline().lower()
    if "major" in header and "minor" in header:
        return read_ellipses(path, pictures, names=names, class_name=class_name, labelled=labelled)
    if "x1" in header and "y2" in header:
        return read_box_table(path, pictures, names=names, class_name=class_name, labelled=labelled)
    raise LabelError(f"{path.name}: a table of labels has columns major and minor, or x1, y1, x2 and y2")
