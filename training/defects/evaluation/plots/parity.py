"""Predicted against true, one point a picture and class: density, size, hardening."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from training.defects.evaluation.figures import FIND, TYPES, Row
from training.defects.evaluation.plots.style import colours, panels, save

_WIDE = 20.0  # a range of densities beyond this is drawn on logarithmic axes


@dataclass(frozen=True)
class _Panel:
    """Columns of the tables. spread: of the standard deviation within a picture; together: whether all defects have a
    point beside those of the classes; density: whether it may be drawn on logarithmic axes."""

    title: str
    true: str
    predicted: str
    spread: tuple[str, str] | None = None
    together: bool = True
    density: bool = False


_PANELS = (
    _Panel("areal density / nm⁻²", "density_true_per_nm2", "density_predicted_per_nm2", density=True),
    _Panel("number of defects", "true", "predicted", density=True),
    _Panel("mean size / nm", "size_true_nm", "size_predicted_nm", ("size_true_std_nm", "size_predicted_std_nm"), False),
    _Panel("mean size / px", "size_true_px", "size_predicted_px", ("size_true_std_px", "size_predicted_std_px"), False),
    _Panel("hardening, linear sum / MPa", "hardening_linear_true_mpa", "hardening_linear_predicted_mpa"),
    _Panel("hardening, quadrature sum / MPa", "hardening_quadrature_true_mpa", "hardening_quadrature_predicted_mpa"),
)


def draw(rows: Sequence[Row], path: Path) -> None:
    """One panel each for what the labels tell: density (the number, without a pixel size), mean size with its standard
    deviation within the picture, hardening by both sums. What was not found at all lies on the lower edge.

    Parameters
    ----------
    rows: of the single pictures, of one model.
    """
    known = [panel for panel in _PANELS if any(row[panel.true] is not None for row in rows)]
    titles = {panel.title for panel in known}
    known = [panel for panel in known if not _is_spare(panel, titles)]
    figure, grid = panels(len(known), width=4.2, height=4.6)
    for axes, panel in zip(grid, known, strict=True):
        _draw_panel(axes, panel, rows)
    save(figure, path)


def _is_spare(panel: _Panel, titles: set[str]) -> bool:
    """Whether the same is shown in a better unit."""
    better = {"number of defects": "areal density / nm⁻²", "mean size / px": "mean size / nm"}
    return better.get(panel.title) in titles


def _draw_panel(axes: Any, panel: _Panel, rows: Sequence[Row]) -> None:
    names = [kind for kind in dict.fromkeys(str(row["class"]) for row in rows) if kind != TYPES]
    if len(names) == 2 or not panel.together:  # all defects are the one class that there is, or mix unlike ones
        names.remove(FIND)
    shown = [row for row in rows if row["class"] in names and None not in (row[panel.true], row[panel.predicted])]
    values = np.array([(row[panel.true], row[panel.predicted]) for row in shown], float).reshape(-1, 2)
    positive = values[values > 0]
    logarithmic = panel.density and positive.size > 0 and bool(positive.max() > _WIDE * positive.min())
    reach = values
    if panel.spread is not None:
        reach = values + np.array([[row[column] or 0.0 for column in panel.spread] for row in shown]).reshape(-1, 2)
    low, high = (
        (positive.min() / 2, positive.max() * 2) if logarithmic else (0.0, 1.1 * float(reach.max(initial=0)) or 1)
    )
    colour = colours(names)
    for kind in names:
        own = np.array([row["class"] == kind for row in shown], bool)
        if not own.any():
            continue
        x, y = np.maximum(values[own], low).T
        spread = {}
        if panel.spread is not None:
            for side, column in zip(("xerr", "yerr"), panel.spread, strict=True):
                spread[side] = np.array([row[column] for row in shown if row["class"] == kind], float)
        label = "all" if kind == FIND else kind
        look = {"fmt": "o", "markersize": 5, "elinewidth": 0.7, "alpha": 0.75}
        axes.errorbar(x, y, color=colour[kind], label=label, **look, **spread)
    axes.plot((low, high), (low, high), color="0.5", linewidth=0.8, zorder=0)
    if logarithmic:
        axes.set(xscale="log", yscale="log")
    else:
        axes.ticklabel_format(style="sci", scilimits=(-2, 4))
        axes.locator_params(nbins=6)
    axes.set(xlim=(low, high), ylim=(low, high), xlabel="true", ylabel="predicted", title=panel.title)
    axes.set_box_aspect(1)
    axes.grid(alpha=0.3)
    if shown:
        axes.legend(fontsize="small", loc="upper left")
