"""What the readers of labels need to know about the pictures: their size, pixel size and foil thickness."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from analysis.micrograph import read_file
from training.defects.labels.label import Label, LabelError, LabelledPicture


@dataclass(frozen=True)
class Calibration:
    """What a table of pictures says about one of them; None where it does not."""

    width_px: int | None = None
    height_px: int | None = None
    pixel_size_nm: float | None = None
    thickness_nm: float | None = None


@dataclass(frozen=True)
class Pictures:
    """The folder of the pictures, and what a table beside them says.

    Parameters
    ----------
    folder: of the pictures.
    calibrations: by file name.
    pixel_size_nm, thickness_nm: of pictures that the table does not know.
    """

    folder: Path
    calibrations: Mapping[str, Calibration]
    pixel_size_nm: float | None = None
    thickness_nm: float | None = None

    def find(self, stem: str) -> str:
        """The file name of the picture of that name, with or without its ending.

        Raises
        ------
        LabelError: no such picture, or more than one.
        """
        if (self.folder / stem).is_file():
            return stem
        ignored = {".txt", ".csv", ".json"}
        found = sorted(p.name for p in self.folder.glob("*") if p.stem == stem and p.suffix.lower() not in ignored)
        if len(found) != 1:
            raise LabelError(f"labels name the picture {stem!r}; the folder of pictures has {found or 'none such'}")
        return found[0]

    def size(self, image: str) -> tuple[int, int]:
        """Height and width of a picture, px, from the table or the file's header."""
        known = self.calibrations.get(image, Calibration())
        if known.height_px and known.width_px:
            return known.height_px, known.width_px
        path = self.folder / image
        if not path.is_file():
            raise LabelError(f"labels name the picture {image!r}, which is not in the folder of pictures")
        try:
            with Image.open(path) as picture:
                return picture.height, picture.width
        except UnidentifiedImageError:
            height, width = read_file(path).pixels.shape
            return int(height), int(width)

    def scale(self, image: str) -> tuple[float, float] | None:
        """Pixel size of a picture in x and in y, nm."""
        size = self.calibrations.get(image, Calibration()).pixel_size_nm or self.pixel_size_nm
        return None if size is None else (size, size)

    def thickness(self, image: str) -> float | None:
        """Foil thickness of a picture, nm."""
        return self.calibrations.get(image, Calibration()).thickness_nm or self.thickness_nm


def pictures_in(
    folder: Path, *, table: Path | None = None, pixel_size_nm: float | None = None, thickness_nm: float | None = None
) -> Pictures:
    """The pictures of a folder.

    Parameters
    ----------
    table: a CSV file with a column `image` and any of `width_px`, `height_px`, `pixel_size_nm`, `field_width_nm` and
        `thickness_nm`. The field's width over the width in px is preferred to a rounded pixel size.
        By default `images.csv` in the folder or in the one above, if there is one.
    """
    if table is None:
        beside = [folder / "images.csv", folder.parent / "images.csv"]
        table = next((path for path in beside if path.is_file()), None)
    calibrations = {} if table is None else read_calibrations(table)
    return Pictures(folder, calibrations, pixel_size_nm, thickness_nm)


def read_calibrations(path: Path) -> dict[str, Calibration]:
    """What a CSV file says about pictures, by file name; columns as for `pictures_in`."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    if not rows or "image" not in rows[0]:
        raise LabelError(f"{path.name}: expected a CSV file with a column 'image'")
    found = {}
    for line, row in enumerate(rows, 2):
        try:
            number = {key: float(value) for key, value in row.items() if key != "image" and _is_number(key) and value}
        except ValueError as error:
            raise LabelError(f"{path.name}, line {line}: {error}") from error
        width, height = number.get("width_px"), number.get("height_px")
        pixel_size = number.get("pixel_size_nm")
        if width and "field_width_nm" in number:
            pixel_size = number["field_width_nm"] / width
        found[row["image"]] = Calibration(
            int(width) if width else None, int(height) if height else None, pixel_size, number.get("thickness_nm")
        )
    return found


def collected(
    by_image: dict[str, list[Label]], pictures: Pictures, labelled: Iterable[str] | None
) -> list[LabelledPicture]:
    """One `LabelledPicture` for each picture, in the order of the file.

    Parameters
    ----------
    labelled: classes that were labelled in every picture; None for those that occur.
    """
    occurring = {label.class_name for labels in by_image.values() for label in labels}
    classes = frozenset(occurring if labelled is None else labelled)
    result = []
    for image, labels in by_image.items():
        height, width = pictures.size(image)
        scale, thickness = pictures.scale(image), pictures.thickness(image)
        result.append(LabelledPicture(image, height, width, tuple(labels), classes, scale, thickness))
    return result


def _is_number(column: str) -> bool:
    return column in {"width_px", "height_px", "pixel_size_nm", "field_width_nm", "thickness_nm"}
