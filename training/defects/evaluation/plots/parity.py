"""Predicted against true, one point a picture and class: density, size, hardening."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from training.defects.evaluation.figures import FIND, TYPES, Row
from training.defects.evaluation.plots.style import colours, panels, save


def draw(rows: Sequence[Row], path: Path) -> None:
    """One panel each for what the labels tell: density (number, without a pixel size), size with its standard deviation
    within the picture, hardening by both sums.

    Parameters
    ----------
    rows: of the single pictures, of one model.
    """
    in_nm = any(row.get("size_true_nm") is not None for row in rows)
    dense = any(row.get("density_true_per_nm2") is not None for row in rows)
    unit = "nm" if in_nm else "px"
    wanted = [
        ("density_true_per_nm2", "density_predicted_per_nm2", "areal density / nm⁻²", "", "")
        if dense
        else ("true", "predicted", "number of defects", "", ""),
        (
            f"size_true_{unit}",
            f"size_predicted_{unit}",
            f"mean size / {unit}",
            f"size_true_std_{unit}",
            f"size_predicted_std_{unit}",
        ),
        ("hardening_linear_true_mpa", "hardening_linear_predicted_mpa", "hardening, linear sum / MPa", "", ""),
        (
            "hardening_quadrature_true_mpa",
            "hardening_quadrature_predicted_mpa",
            "hardening, quadrature sum / MPa",
            "",
            "",
        ),
    ]
    known = [names for names in wanted if any(row.get(names[0]) is not None for row in rows)]
    names = [kind for kind in dict.fromkeys(str(row["class"]) for row in rows) if kind != TYPES]
    colour = colours(names)
    figure, grid = panels(len(known), width=4.2, height=4.2)
    for axes, (true, predicted, label, true_std, predicted_std) in zip(grid, known, strict=True):
        hardening = true.startswith("hardening")
        largest = 0.0
        for kind in names:
            pairs = [row for row in rows if row["class"] == kind and None not in (row[true], row[predicted])]
            if not pairs or (kind == FIND and len(names) == 2 and not hardening) or (true_std and kind == FIND):
                continue
            x, y = (np.array([row[name] for row in pairs], float) for name in (true, predicted))
            spread = {}
            if true_std:
                spread = {
                    "xerr": np.array([row[true_std] for row in pairs], float),
                    "yerr": np.array([row[predicted_std] for row in pairs], float),
                }
            axes.errorbar(
                x,
                y,
                fmt="o",
                color=colour[kind],
                markersize=5,
                elinewidth=0.7,
                alpha=0.75,
                label="all" if kind == FIND else kind,
                **spread,
            )
            largest = max(largest, float(x.max()), float(y.max()))
        top = 1.1 * largest or 1.0
        axes.plot((0, top), (0, top), color="0.5", linewidth=0.8, zorder=0)
        axes.set(xlim=(0, top), ylim=(0, top), xlabel="true", ylabel="predicted", title=label)
        axes.set_aspect("equal")
        axes.ticklabel_format(style="sci", scilimits=(-2, 4))
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small", loc="upper left")
    save(figure, path)
