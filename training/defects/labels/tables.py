"""Rows of numbers in text files, as label tables have them."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path

from training.defects.labels.label import LabelError

Row = tuple[str, dict[str, str]]  # where it stands ("boxes.csv, line 7"), and the cells by column


def rows_with_header(path: Path) -> list[Row]:
    """Rows of a CSV file by the names of its columns, lower case and without units ("Major", "major_px" → "major")."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.reader(file)
        header = [_plain(name) for name in next(reader, [])]
        if len(set(header)) < len(header):
            raise LabelError(f"{path.name}: two columns have one name: {', '.join(header)}")
        rows = []
        for cells in reader:
            where = f"{path.name}, line {reader.line_num}"
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(header):
                raise LabelError(f"{where}: {len(cells)} cells under {len(header)} columns")
            rows.append((where, dict(zip(header, (cell.strip() for cell in cells), strict=True))))
    if not header:
        raise LabelError(f"{path.name} is empty")
    return rows


def rows_without_header(path: Path, columns: Sequence[str]) -> list[Row]:
    """Rows of a text file of values between blanks, commas or semicolons, under given names; # begins a remark."""
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), 1):
        cells = line.split("#")[0].replace(",", " ").replace(";", " ").split()
        if not cells:
            continue
        where = f"{path.name}, line {number}"
        if len(cells) != len(columns):
            raise LabelError(f"{where}: {len(cells)} values, expected {' '.join(columns)}")
        rows.append((where, dict(zip(columns, cells, strict=True))))
    return rows


def number(row: Row, *names: str) -> float:
    """The first of the named cells that is there, as a finite number."""
    where, cells = row
    for name in names:
        if name in cells:
            try:
                value = float(cells[name])
            except ValueError as error:
                raise LabelError(f"{where}: {cells[name]!r} is no number for {name}") from error
            if math.isfinite(value):
                return value
            raise LabelError(f"{where}: {name} is not finite")
    raise LabelError(f"{where}: no column {' or '.join(names)}; there are {', '.join(cells)}")


def class_of(row: Row, names: Sequence[str], default: str | None) -> str:
    """The class of a row: its cell `class`, by name or by index into `names`; the default where it has none."""
    where, cells = row
    value = cells.get("class") or cells.get("class_name") or default
    if not value:
        raise LabelError(f"{where}: no column 'class': say which class the labels are of")
    return named(value, names, where)


def named(value: str, names: Sequence[str], where: str) -> str:
    """A class by its name, or by its index into `names`."""
    if not value.isdecimal():
        return value
    if int(value) >= len(names):
        raise LabelError(f"{where}: class {value} has no name: name {int(value) + 1} classes or more")
    return names[int(value)]


def _plain(name: str) -> str:
    plain = name.strip().lower().removesuffix("_px").removesuffix("_deg")
    return {"label": "image", "filename": "image", "file_name": "image"}.get(plain, plain)
