"""Reports of `python -m training evaluate dislocations` → the scores of a manifest and of a card."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from training.checkpoints import Checkpoint
from training.dislocations.settings import Settings

TITLES = {
    "pictures": "pictures",
    "lines": "lines",
    "length_score": "length score",
    "recall": "recall",
    "precision": "precision",
    "distance_px": "distance of found lines",
}
"""The figures that go into a manifest, and their names in a card."""
NUMBERS = (1, 6, 11, 16, 21)
"""Pictures are put together by how many lines they have: from each of these to below the next."""

FILMS, MATRIX = "films", "matrix"
FILM_TITLES = {
    "films": "films",
    "lines": "lines",
    "recall": "found",
    "links_right": "links right",
    "pairs_within_1_px": "pair distances within 1 px",
    "pair_error_median_px": "median",
    "velocities_within_5_percent": "velocities within 5 %",
    "velocity_error_median": "median",
    "drift_error_rms_px": "drift rms",
}
"""Of films of known motion."""

Scores = dict[str, Any]
"""Set of pictures → figures, with `length_score_by_lines`; under `films`, kind of films → figures, and under `matrix`,
what another network was trained on → set → length score."""


def read_scores(path: Path, models: Iterable[str]) -> Scores:
    """The figures of one model on every set of a report, rounded.

    Args:
        models: names under which the report may have the model, if it has more than one.

    Raises:
        ValueError: the file is no such report, or it is not clear which of its models is meant.
    """
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
        rows = _of_model(report["models"], set(models), path)
        scores: Scores = {title: _figures(row) for title, row in rows.items()}
        if films := _of_model(report.get(FILMS, {}), set(models), path):
            scores[FILMS] = {kind: _rounded(row, row) for kind, row in films.items()}
        if not scores:
            raise KeyError("models")
        return scores
    except (KeyError, TypeError, AttributeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is no report of `python -m training evaluate dislocations`: {error!r}") from error


def collected(paths: Iterable[Path], models: Iterable[str]) -> Scores:
    """The sets of several reports together.

    Raises:
        ValueError: two reports have the same set, and as for `read_scores`.
    """
    models, found = set(models), Scores()
    for path in paths:
        scores = read_scores(path, models)
        if twice := set(found) & set(scores):
            raise ValueError(f"{path} has {', '.join(sorted(twice))}, which a report before it has too")
        found |= scores
    return found


def score_table(scores: Scores) -> str:
    """The figures of every set of pictures as Markdown; empty where there are none."""
    scores = {title: row for title, row in scores.items() if "length_score" in row}
    if not scores:
        return ""
    columns = [name for name in TITLES if any(name in row for row in scores.values())]
    lines = ["| | " + " | ".join(TITLES[name] for name in columns) + " |", "|---|" + "---|" * len(columns)]
    lines += [
        f"| {title} | " + " | ".join(_text(name, row.get(name)) for name in columns) + " |"
        for title, row in scores.items()
    ]
    return "\n".join(lines)


def table_by_lines(scores: Scores) -> str:
    """The length score against the number of lines in the picture, as Markdown; empty where it is not known."""
    known = {title: row["length_score_by_lines"] for title, row in scores.items() if row.get("length_score_by_lines")}
    columns = [name for name in _names() if any(name in row for row in known.values())]
    if not columns:
        return ""
    lines = ["| lines in the picture | " + " | ".join(columns) + " |", "|---|" + "---|" * len(columns)]
    lines += [
        f"| {title} | " + " | ".join(_text("length_score", row.get(name)) for name in columns) + " |"
        for title, row in known.items()
    ]
    return "\n".join(lines)


def film_table(scores: Scores) -> str:
    """How well lines were followed in films of every kind, as Markdown; empty where there are none."""
    films: Scores = scores.get(FILMS, {})
    if not films:
        return ""
    lines = ["| | " + " | ".join(FILM_TITLES.values()) + " |", "|---|" + "---|" * len(FILM_TITLES)]
    lines += [
        f"| {kind} | " + " | ".join(_film_text(name, row.get(name)) for name in FILM_TITLES) + " |"
        for kind, row in films.items()
    ]
    return "\n".join(lines)


def read_matrix(path: Path) -> Scores:
    """The length scores of all runs of a report, by what each was trained on and for how long.

    Raises:
        ValueError: the file is no such report, or a model in it is no run.
    """
    found = Scores()
    try:
        report = json.loads(path.read_text(encoding="utf-8"))["models"]
        for run, sets in report.items():
            settings, checkpoint = Settings.read(Path(run)), Checkpoint.read(Path(run))
            kinds = f"{' and '.join(settings.microstructures)}, {' and '.join(settings.backgrounds)}"
            title = f"{kinds}, {checkpoint.minutes:.0f} minutes"
            found[title] = {name: round(row["length_score"], 4) for name, row in sets.items()}
    except (KeyError, TypeError, AttributeError, json.JSONDecodeError, FileNotFoundError) as error:
        raise ValueError(
            f"{path} is no report of `python -m training evaluate dislocations` on runs: {error!r}"
        ) from error
    return {MATRIX: found}


def matrix_table(scores: Scores) -> str:
    """The length scores of networks trained on one kind of pictures each, as Markdown; empty where there are none."""
    matrix: dict[str, dict[str, float]] = scores.get(MATRIX, {})
    if not matrix:
        return ""
    columns = list(dict.fromkeys(name for row in matrix.values() for name in row))
    lines = ["| trained on | " + " | ".join(columns) + " |", "|---|" + "---|" * len(columns)]
    lines += [
        f"| {title} | " + " | ".join(_text("length_score", row.get(name)) for name in columns) + " |"
        for title, row in matrix.items()
    ]
    return "\n".join(lines)


def _of_model(report: Mapping[str, Any], models: set[str], path: Path) -> Mapping[str, Any]:
    if not report:
        return {}
    named = [name for name in report if name in models] or list(report)
    if len(named) != 1:
        raise ValueError(f"{path} has the models {', '.join(report)}: evaluate the exported one alone, or by its name")
    rows: Mapping[str, Any] = report[named[0]]
    return rows


def _figures(row: Mapping[str, Any]) -> dict[str, Any]:
    figures = _rounded(row, TITLES)
    by_lines = {}
    for name, (low, high) in zip(_names(), pairwise(NUMBERS), strict=True):
        rows = [one for number, one in row["by_number_of_lines"].items() if low <= int(number) < high]
        if rows:
            together = sum(one["lines"] * one["length_score"] for one in rows) / sum(one["lines"] for one in rows)
            by_lines[name] = round(together, 4)
    return figures | {"length_score_by_lines": by_lines}


def _rounded(row: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """The figures of those names that are known."""
    return {
        name: round(row[name], 4) if isinstance(row[name], float) else row[name]
        for name in names
        if row[name] is not None
    }


def _names() -> list[str]:
    return [f"{low} to {high - 1}" for low, high in pairwise(NUMBERS)]


def _text(name: str, value: float | int | None) -> str:
    if value is None:
        return ""
    if name.endswith("px"):
        return f"{value:.2f} px"
    return str(value) if isinstance(value, int) else f"{value:.3f}"


def _film_text(name: str, value: float | int | None) -> str:
    if value is None:
        return ""
    if name.endswith("_px") and "within" not in name:
        return f"{value:.2f} px"
    return str(value) if isinstance(value, int) else f"{100 * value:.1f} %"
