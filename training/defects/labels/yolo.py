"""YOLO's text files: one for each picture, one defect a line, positions relative to the picture's size."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from training.defects.labels.label import Label, LabelError, LabelledPicture, box_around
from training.defects.labels.pictures import Pictures, collected
from training.defects.labels.tables import named


def read_yolo(
    folder: Path, pictures: Pictures, *, names: Sequence[str] = (), labelled: Iterable[str] | None = None
) -> list[LabelledPicture]:
    """Labels of a folder of YOLO text files, each named as its picture.

    A line is the class's index and the x and y of three or more corners (segmentation), or the x and y of the middle,
    the width and the height of a box (detection). A picture whose file is empty has no defect of the labelled classes.

    Parameters
    ----------
    names: what class 0, 1, … is called; by default the lines of `classes.txt` in the folder.
    labelled: classes that were labelled in every picture; by default all of the names.

    Raises
    ------
    LabelError: a line is not as described, or a class has no name.
    """
    listed = folder / "classes.txt"
    if not names and listed.is_file():
        names = listed.read_text(encoding="utf-8").split()
    files = sorted(path for path in folder.glob("*.txt") if path != listed)
    if not files:
        raise LabelError(f"{folder.name} has no text file of labels")
    by_image: dict[str, list[Label]] = {}
    for path in files:
        image = pictures.find(path.stem)
        height, width = pictures.size(image)
        by_image[image] = [
            _label(line.split(), names, f"{path.name}, line {number}", height, width)
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
            if line.strip()
        ]
    return collected(by_image, pictures, names if labelled is None else labelled)


def _label(cells: list[str], names: Sequence[str], where: str, height: int, width: int) -> Label:
    try:
        values = np.array([float(cell) for cell in cells[1:]])
    except ValueError as error:
        raise LabelError(f"{where}: {error}") from error
    if not np.isfinite(values).all() or values.size < 4 or values.size % 2 or values.max() > 2:
        raise LabelError(f"{where}: expected a class and four relative numbers (box) or six and more (polygon)")
    name = named(cells[0], names, where)
    if values.size == 4:
        x, y, w, h = values * (width, height, width, height)
        if not (w > 0 and h > 0):
            raise LabelError(f"{where}: a box needs a width and a height")
        return Label(name, (x - w / 2 - 0.5, y - h / 2 - 0.5, x + w / 2 - 0.5, y + h / 2 - 0.5))
    points = values.reshape(-1, 2) * (width, height) - 0.5
    return Label(name, box_around([points]), polygons=(points,))
