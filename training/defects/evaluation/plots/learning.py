"""What splits make of the score: one bar a split, and the score against the number of training pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from training.defects.evaluation.figures import FIND, TYPES, Row
from training.defects.evaluation.plots.style import colours, model_colours, panels, save


def draw_splits(rows: Sequence[Row], path: Path) -> None:
    """F1 of finding and of types in each split, for every model."""
    models = list(dict.fromkeys(str(row["model"]) for row in rows))
    names = list(dict.fromkeys(str(row["split"]) for row in rows))
    colour = model_colours(models)
    figure, (axes,) = panels(1, width=6.5, height=1.2 + 0.28 * len(names) * max(1, len(models)))
    height = 0.8 / len(models)
    for k, model in enumerate(models):
        at = np.arange(len(names)) + (k - (len(models) - 1) / 2) * height
        for kind, alpha in ((FIND, 0.45), (TYPES, 1.0)):
            found = {str(row["split"]): row["f1"] for row in rows if row["model"] == model and row["class"] == kind}
            values = np.array([found.get(name, np.nan) for name in names], float)
            what = "found" if kind == FIND else "and of the right class"
            axes.barh(
                at,
                values,
                height * (1.0 if kind == FIND else 0.5),
                color=colour[model],
                alpha=alpha,
                label=f"{model}: {what}",
            )
    pictures = {str(row["split"]): row["pictures"] for row in rows}
    axes.set_yticks(np.arange(len(names)), [f"{name} ({pictures[name]})" for name in names])
    axes.invert_yaxis()
    axes.set(xlabel="F1", xlim=(0, 1))
    axes.grid(axis="x", alpha=0.3)
    figure.legend(loc="outside lower center", fontsize="small", ncols=2)
    save(figure, path)


def draw_curve(rows: Sequence[Row], path: Path) -> None:
    """F1, and the errors of density and size, against the number of training pictures: each split as a dot, the mean as
    a line, one standard deviation as a band."""
    rows = [row for row in rows if row["true"] or row["predicted"]]
    models = list(dict.fromkeys(str(row["model"]) for row in rows))
    errors = [row for row in rows if row["class"] == FIND and row["density_error_percent"] is not None]
    figure, grid = panels(len(models) + bool(errors))
    for axes, model in zip(grid, models, strict=False):
        own = [row for row in rows if row["model"] == model]
        kinds = list(dict.fromkeys(str(row["class"]) for row in own))
        colour = colours(kinds)
        for kind in kinds:
            title = {FIND: "found", TYPES: "and of the right class"}.get(kind, kind)
            _curve(axes, [row for row in own if row["class"] == kind], "f1", colour[kind], title)
        axes.set(xlabel="training pictures", ylabel="F1", ylim=(0, 1), title=model)
    if errors:
        several = model_colours(models)
        for model in models:
            own = [row for row in errors if row["model"] == model]
            _curve(grid[-1], own, "density_error_percent", several[model], f"{model}: density")
            sized = [row for row in own if row["size_error_percent"] is not None]
            if sized:
                _curve(grid[-1], sized, "size_error_percent", several[model], f"{model}: size", "--")
        grid[-1].set(xlabel="training pictures", ylabel="mean absolute error / %", ylim=(0, None), title="Errors")
    for axes in grid:
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small")
    save(figure, path)


def _curve(axes: Any, rows: Sequence[Row], name: str, colour: str, label: str, style: str = "-") -> None:
    x = np.array([row["train_pictures"] for row in rows], float)
    y = np.array([row[name] for row in rows], float)
    at = np.unique(x)
    mean, std = (np.array([f(y[x == value]) for value in at]) for f in (np.mean, np.std))
    axes.plot(x, y, ".", color=colour, alpha=0.4, markersize=4)
    axes.plot(at, mean, style, color=colour, label=label)
    axes.fill_between(at, mean - std, mean + std, color=colour, alpha=0.12, linewidth=0)
