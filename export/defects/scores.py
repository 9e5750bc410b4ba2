"""Tables of `python -m training evaluate defects` → the scores of a manifest and of a card."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from analysis.defects.metrics import IOU_THRESHOLD
from training.defects.evaluation.figures import COLUMNS

TITLES = {
    "pictures": "pictures",
    "true": "true",
    "predicted": "predicted",
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
    "of_found_f1": "F1 among the found",
    "density_error_percent": "density error",
    "size_error_percent": "size error",
    "heywood_error_percent": "Heywood error",
    "hardening_linear_mape_percent": "hardening error (linear sum)",
    "hardening_quadrature_mape_percent": "hardening error (quadrature sum)",
}
"""The figures that go into a manifest, and their names in a card."""

SetScores = dict[str, dict[str, float | int]]
"""Figures of one set of pictures: of `find` (any class), `types` (all classes, each right only in its own), a class."""


def read_scores(path: Path) -> SetScores:
    """The rows of a table at IoU 0.3, without the figures that are not known.

    Raises:
        ValueError: the file is no such table.
    """
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    found: SetScores = {}
    for row in rows:
        if not set(COLUMNS) <= set(row):
            raise ValueError(f"{path} is no table of `python -m training evaluate defects`: it has not its columns")
        if float(row["iou"]) != IOU_THRESHOLD:
            continue
        if row["class"] in found:
            raise ValueError(
                f"{path} has more than one row of {row['class']!r}: pass the table of all pictures together"
            )
        found[row["class"]] = {name: _number(row[name]) for name in TITLES if row[name] not in ("", "nan")}
    if not found:
        raise ValueError(f"{path} has no row at IoU {IOU_THRESHOLD:g}")
    return found


def named_scores(arguments: Iterable[str]) -> dict[str, Any]:
    """The scores of `TITLE=FILE` arguments; raises ValueError for another form."""
    out: dict[str, Any] = {}
    for argument in arguments:
        title, separator, path = argument.partition("=")
        if not separator or not title:
            raise ValueError(f"--scores takes TITLE=FILE, not {argument!r}")
        out[title] = read_scores(Path(path))
    return out


def score_table(scores: SetScores) -> str:
    """The figures of one set as Markdown, a row for each class."""
    columns = [name for name in TITLES if any(name in row for row in scores.values())]
    lines = ["| | " + " | ".join(TITLES[name] for name in columns) + " |", "|---|" + "---|" * len(columns)]
    names = {"find": "found (any class)", "types": "found and of the right class"}
    lines += [
        f"| {names.get(kind, kind)} | " + " | ".join(_text(name, row.get(name)) for name in columns) + " |"
        for kind, row in scores.items()
    ]
    return "\n".join(lines)


def _number(text: str) -> float | int:
    return int(text) if text.isdecimal() else round(float(text), 4)


def _text(name: str, value: float | int | None) -> str:
    if value is None:
        return ""
    if name.endswith("percent"):
        return f"{value:.1f} %"
    return str(value) if isinstance(value, int) else f"{value:.2f}"
