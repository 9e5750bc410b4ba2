"""The rows as CSV files, as one JSON file, and as a table to read."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from training.defects.evaluation.figures import Row
from training.defects.evaluation.ranking import AXES, Place
from training.defects.evaluation.report import Report


def write_tables(report: Report, folder: Path) -> None:
    """Writes `pictures.csv`, `splits.csv`, `pooled.csv`, `by_iou.csv`, `by_score.csv`, and `ranking.csv` of several
    models. What is not known is an empty cell."""
    for name in ("pictures", "splits", "pooled", "by_iou", "by_score"):
        write_csv(getattr(report, name), folder / f"{name}.csv")
    if report.ranking:
        write_csv(ranking_rows(report.ranking), folder / "ranking.csv")


def write_csv(rows: Sequence[Row], path: Path) -> None:
    """Writes rows under the columns of all of them, in the order in which they come."""
    columns = dict.fromkeys(name for row in rows for name in row)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows({name: _short(value) for name, value in row.items()} for row in rows)


def write_json(report: Report, about: Mapping[str, Any], path: Path) -> None:
    """Writes everything, and what it was made with (`about`), to all digits."""
    content = {**about, **asdict(report)}
    path.write_text(json.dumps(content, indent=1, default=str) + "\n", encoding="utf-8")


def ranking_rows(places: Sequence[Place]) -> list[Row]:
    """The ranking as rows."""
    rows: list[Row] = []
    for place in places:
        row: Row = {"rank": place.rank, "model": place.model, "norm": place.norm}
        row |= dict(zip(AXES, place.raw, strict=True))
        row |= {f"{name} over the best": value for name, value in zip(AXES, place.normalised, strict=True)}
        rows.append(row)
    return rows


_SUMMARY = (
    ("class", "class", "{}"),
    ("true", "true", "{:.0f}"),
    ("predicted", "pred.", "{:.0f}"),
    ("precision", "P", "{:.3f}"),
    ("recall", "R", "{:.3f}"),
    ("f1", "F1", "{:.3f}"),
    ("density_error_percent", "density %", "{:.1f}"),
    ("size_error_percent", "size %", "{:.1f}"),
    ("size_found_error_percent", "found %", "{:.1f}"),
    ("heywood_error_percent", "shape %", "{:.1f}"),
    ("hardening_linear_mape_percent", "hard. lin. %", "{:.1f}"),
    ("hardening_quadrature_mape_percent", "hard. quad. %", "{:.1f}"),
)


def summary(rows: Sequence[Row]) -> str:
    """The pooled rows as text: one block a model and setting, one line a class. Errors are means over pictures of the
    absolute percent error; – is what the labels do not tell."""
    lines: list[str] = []
    width = max([len(str(row["class"])) for row in rows] + [5])
    last: tuple[object, object] | None = None
    for row in rows:
        if (row["model"], row["setting"]) != last:
            last = (row["model"], row["setting"])
            pictures = "1 picture" if row["pictures"] == 1 else f"{row['pictures']} pictures"
            lines += ["", f"{row['model']}, {row['setting']}, {pictures} judged, IoU > {row['iou']:g}"]
            if row["splits"] != 1 and row["f1_mean"] is not None:
                lines[-1] += f", {row['splits']} splits: F1 {row['f1_mean']:.3f} ± {row['f1_std']:.3f}"
            lines.append("  ".join(_cell(title, title, width) for _, title, _ in _SUMMARY))
        cells = (("–" if row[name] is None else form.format(row[name]), title) for name, title, form in _SUMMARY)
        lines.append("  ".join(_cell(text, title, width) for text, title in cells))
    return "\n".join(lines[1:])


def ranking_text(places: Sequence[Place]) -> str:
    """The ranking as text."""
    lines = [f"Ranking by the norm of {', '.join(AXES)}, each over the best"]
    for place in places:
        values = ", ".join("–" if value is None else f"{value:.3f}" for value in place.normalised)
        lines.append(f"{place.rank}. {place.model}: {place.norm:.3f} ({values})")
    return "\n".join(lines)


def _cell(text: str, title: str, first: int) -> str:
    return text.ljust(first) if title == "class" else text.rjust(max(len(title), 6))


def _short(value: object) -> object:
    return f"{value:.6g}" if isinstance(value, float) else value
