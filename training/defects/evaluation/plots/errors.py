"""Percent errors as bars."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from training.defects.evaluation.figures import FIND, TYPES, Row
from training.defects.evaluation.plots.style import colours, model_colours, panels, save

_BARS = {
    "density": "density",
    "size": "size,\nall",
    "size_found": "size,\nfound",
    "heywood": "shape,\nall",
    "heywood_found": "shape,\nfound",
    "hardening_linear": "hardening,\nlinear",
    "hardening_quadrature": "hardening,\nquadrature",
}


def draw(rows: Sequence[Row], path: Path) -> None:
    """Mean absolute percent errors over the pictures, with their standard deviation: of each class for one model, of
    all defects for several models or settings."""
    several = len({(row["model"], row["setting"]) for row in rows}) > 1
    if several:
        one_setting = len({row["setting"] for row in rows}) == 1
        series = {
            str(row["model"]) if one_setting else f"{row['model']}, {row['setting']}": row
            for row in rows
            if row["class"] == FIND
        }
        colour = model_colours(list(series))
    else:
        series = {"all" if row["class"] == FIND else str(row["class"]): row for row in rows if row["class"] != TYPES}
        if len(series) == 2:  # one class is all there is
            series.pop("all")
        colour = colours(list(series)) | {"all": "black"}
    known = {
        name: title
        for name, title in _BARS.items()
        if any(row.get(_column(name)) is not None for row in series.values())
    }
    if not known:
        return
    figure, (axes,) = panels(1, width=2 + 1.3 * len(known))
    width = 0.8 / len(series)
    for k, (label, row) in enumerate(series.items()):
        at = np.arange(len(known)) + (k - (len(series) - 1) / 2) * width
        means = np.array([_number(row.get(_column(name))) for name in known])
        spread = np.array([_number(row.get(f"{name}_error_std_percent")) for name in known])
        axes.bar(at, means, width, color=colour[label], label=label, alpha=0.85)
        axes.errorbar(at, means, spread, fmt="none", ecolor="0.3", elinewidth=0.8, capsize=2)
    axes.set_xticks(np.arange(len(known)), known.values())
    axes.set(ylabel="mean absolute error / %", ylim=(0, None))
    axes.grid(axis="y", alpha=0.3)
    axes.legend(fontsize="small")
    save(figure, path)


def _column(name: str) -> str:
    return f"{name}_mape_percent" if name.startswith("hardening") else f"{name}_error_percent"


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else float("nan")
