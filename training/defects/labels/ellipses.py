"""Ellipses fitted by hand in ImageJ: one row a defect, as its table of results is saved."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from training.defects.labels.label import Ellipse, Label, LabelError, LabelledPicture
from training.defects.labels.pictures import Pictures, collected
from training.defects.labels.tables import class_of, number, rows_with_header


def read_ellipses(
    path: Path,
    pictures: Pictures,
    *,
    names: Sequence[str] = (),
    class_name: str | None = None,
    image: str | None = None,
    labelled: Iterable[str] | None = None,
) -> list[LabelledPicture]:
    """Labels of a CSV file of ellipses.

    Columns `image` (or ImageJ's `Label`), `class`, `x`, `y`, `major`, `minor`, `angle`, in any order and case, with or
    without `_px` and `_deg`: the centre with (0, 0) at the picture's corner, full axes, and ImageJ's angle. Other
    columns are passed over.

    Parameters
    ----------
    names: what class 0, 1, … is called, where the file has numbers.
    class_name: of all rows, where the file has no classes. image: of all rows, where it names no pictures.
    labelled: classes that were labelled in every picture; by default those that occur in the file.

    Raises
    ------
    LabelError: a row is not as described.
    """
    by_image: dict[str, list[Label]] = {}
    for row in rows_with_header(path):
        name = row[1].get("image") or image
        if not name:
            raise LabelError(f"{row[0]}: no column 'image': say which picture the labels are of")
        x, y = number(row, "x") - 0.5, number(row, "y") - 0.5
        ellipse = Ellipse(x, y, number(row, "major"), number(row, "minor"), number(row, "angle"))
        if not ellipse.major_px >= ellipse.minor_px > 0:
            raise LabelError(f"{row[0]}: expected full axes with major >= minor > 0")
        label = Label(class_of(row, names, class_name), ellipse.box, ellipse=ellipse)
        by_image.setdefault(pictures.find(name), []).append(label)
    return collected(by_image, pictures, labelled)
