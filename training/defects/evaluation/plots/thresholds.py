"""F1 as a function of the IoU threshold, and of the score from which predictions count."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from training.defects.evaluation.figures import FIND, TYPES, Row
from training.defects.evaluation.plots.style import colours, model_colours, panels, save


def draw_iou(rows: Sequence[Row], iou: float, path: Path) -> None:
    """F1 against the IoU threshold: finding on the left, with precision and recall; types on the right."""
    _draw(rows, "iou", "IoU threshold", path, marked=iou)


def draw_score(rows: Sequence[Row], path: Path) -> None:
    """The same against the least score of the predictions that count."""
    _draw(rows, "score", "least score", path)


def _draw(rows: Sequence[Row], x: str, label: str, path: Path, *, marked: float | None = None) -> None:
    series = list(dict.fromkeys((str(row["model"]), str(row["setting"])) for row in rows))
    if not rows or not series:
        return
    kinds = [kind for kind in dict.fromkeys(str(row["class"]) for row in rows) if kind not in (FIND, TYPES)]
    if len(series) == 1:
        figure, (left, right) = panels(2)
        _lines(left, _of(rows, series[0], FIND), x, {"f1": "-", "precision": "--", "recall": ":"}, "black")
        colour = colours(kinds)
        for kind in (TYPES, *kinds) if len(kinds) > 1 else kinds:
            _line(right, _of(rows, series[0], kind), x, colour[kind], "all classes" if kind == TYPES else kind)
        left.set_title("Found, of any class")
        right.set_title("Found, and of the right class")
    else:
        figure, (left, right) = panels(2)
        colour = model_colours([" ".join(one) for one in series])
        for one in series:
            name = one[0] if len({setting for _, setting in series}) == 1 else f"{one[0]}, {one[1]}"
            _line(left, _of(rows, one, FIND), x, colour[" ".join(one)], name)
            _line(right, _of(rows, one, TYPES), x, colour[" ".join(one)], name)
        left.set_title("Found, of any class")
        right.set_title("Found, and of the right class")
    for axes in (left, right):
        if marked is not None:
            axes.axvline(marked, color="0.7", linewidth=0.8, zorder=0)
        axes.set(xlabel=label, xlim=(0, 1), ylim=(0, 1))
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small", loc="best")
    left.set_ylabel("F1, precision, recall" if len(series) == 1 else "F1")
    right.set_ylabel("F1")
    save(figure, path)


def _of(rows: Sequence[Row], series: tuple[str, str], kind: str) -> list[Row]:
    return [row for row in rows if (row["model"], row["setting"]) == series and row["class"] == kind]


def _lines(axes: Any, rows: Sequence[Row], x: str, styles: dict[str, str], colour: str) -> None:
    for name, style in styles.items():
        title = "F1" if name == "f1" else name
        axes.plot([row[x] for row in rows], [row[name] for row in rows], style, color=colour, label=title)
        if name == "f1":
            _band(axes, rows, x, colour)


def _line(axes: Any, rows: Sequence[Row], x: str, colour: str, name: str) -> None:
    axes.plot([row[x] for row in rows], [row["f1"] for row in rows], "-", color=colour, label=name)
    _band(axes, rows, x, colour)


def _band(axes: Any, rows: Sequence[Row], x: str, colour: str) -> None:
    """One standard deviation of the splits to both sides, where there are several."""
    spread = [
        (
            row[x],
            float(row["f1_mean"] or 0) - float(row["f1_std"] or 0),
            float(row["f1_mean"] or 0) + float(row["f1_std"] or 0),
        )
        for row in rows
        if isinstance(row.get("splits"), int) and int(row["splits"] or 0) > 1
    ]
    if spread:
        at, low, high = zip(*spread, strict=True)
        axes.fill_between(at, low, high, color=colour, alpha=0.15, linewidth=0)
