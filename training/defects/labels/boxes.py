"""Boxes: one table for all pictures, or one text file for each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from training.defects.labels.label import Label, LabelError, LabelledPicture
from training.defects.labels.pictures import Pictures, collected
from training.defects.labels.tables import Row, class_of, number, rows_with_header, rows_without_header

COLUMNS = ("class", "x1", "y1", "x2", "y2")


def read_box_table(
    path: Path,
    pictures: Pictures,
    *,
    names: Sequence[str] = (),
    class_name: str | None = None,
    labelled: Iterable[str] | None = None,
) -> list[LabelledPicture]:
    """Labels of a CSV file with columns `image`, `x1`, `y1`, `x2`, `y2` and maybe `class`, in any order.

    The edges are in px with (0, 0) at the picture's corner; `_px` after a name is passed over. Other parameters and
    errors as for `read_ellipses`.
    """
    by_image: dict[str, list[Label]] = {}
    for row in rows_with_header(path):
        if not row[1].get("image"):
            raise LabelError(f"{row[0]}: no column 'image'")
        by_image.setdefault(pictures.find(row[1]["image"]), []).append(_label(row, names, class_name))
    return collected(by_image, pictures, labelled)


def read_box_texts(
    folder: Path,
    pictures: Pictures,
    *,
    columns: Sequence[str] = COLUMNS,
    names: Sequence[str] = (),
    class_name: str | None = None,
    labelled: Iterable[str] | None = None,
) -> list[LabelledPicture]:
    """Labels of a folder of text files, each named as its picture, one box a line.

    Parameters
    ----------
    columns: what the values of a line are, in their order, such as ("y1", "x1", "y2", "x2"). A picture whose file is
        empty has no defect of the labelled classes.
    """
    files = sorted(path for path in folder.glob("*.txt") if path.stem != "classes")
    if not files:
        raise LabelError(f"{folder.name} has no text file of labels")
    by_image = {
        pictures.find(path.stem): [_label(row, names, class_name) for row in rows_without_header(path, columns)]
        for path in files
    }
    return collected(by_image, pictures, labelled)


def _label(row: Row, names: Sequence[str], class_name: str | None) -> Label:
    x1, y1, x2, y2 = (number(row, name) - 0.5 for name in ("x1", "y1", "x2", "y2"))
    if not (x2 > x1 and y2 > y1):
        raise LabelError(f"{row[0]}: a box needs x2 > x1 and y2 > y1")
    return Label(class_of(row, names, class_name), (x1, y1, x2, y2))
