"""How sizes and shapes are spread, as labelled and as predicted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from training.defects.evaluation.figures import FIND, TYPES, kinds
from training.defects.evaluation.plots.style import colours, panels, save
from training.defects.evaluation.verdicts import Verdict

FloatArray = npt.NDArray[np.float64]


def draw_sizes(verdicts: Sequence[Verdict], iou: float, path: Path) -> None:
    """Histograms of the size of every class, in nm where it is known of all pictures; none where labels are boxes."""
    in_nm = all(verdict.true.size_nm is not None and verdict.predicted.size_nm is not None for verdict in verdicts)
    unit = "nm" if in_nm else "px"
    _draw(verdicts, iou, path, f"size_{unit}", 0.0, f"size / {unit}")


def draw_shapes(verdicts: Sequence[Verdict], iou: float, path: Path) -> None:
    """Histograms of the Heywood circularity of every class."""
    _draw(verdicts, iou, path, "heywood", 1.0, "Heywood circularity")


def _draw(verdicts: Sequence[Verdict], iou: float, path: Path, column: str, start: float, label: str) -> None:
    names = [kind for kind in kinds(verdicts) if kind not in (FIND, TYPES)]
    both = {name: _values(verdicts, iou, column, name) for name in names}
    both = {name: pair for name, pair in both.items() if pair[0].size}
    if not both:
        return
    colour = colours(names)
    figure, grid = panels(len(both), width=4.2, height=3.6)
    for axes, (name, (true, predicted)) in zip(grid, both.items(), strict=True):
        edges = _edges(np.concatenate((true, predicted)), start)
        # the few beyond go into the last bin
        inside = [np.clip(values, edges[0], (edges[-2] + edges[-1]) / 2) for values in (true, predicted)]
        axes.hist(inside[0], edges, color="0.75", label=f"true: {_mean(true)}")
        axes.hist(
            inside[1], edges, histtype="step", color=colour[name], linewidth=1.8, label=f"predicted: {_mean(predicted)}"
        )
        axes.axvline(true.mean(), color="0.4", linestyle=":")
        if predicted.size:
            axes.axvline(predicted.mean(), color=colour[name], linestyle=":")
        axes.set(xlabel=label, title=name)
        axes.set_ylim(0, 1.3 * axes.get_ylim()[1])  # room for the legend
        axes.legend(fontsize="small", loc="upper right")
    grid[0].set_ylabel("defects")
    save(figure, path)


def _edges(values: FloatArray, start: float) -> FloatArray:
    """About twenty bins of a round width, over all but the largest hundredth."""
    span = max(float(np.percentile(values, 99)) - start, 1e-3)
    decade = 10.0 ** np.floor(np.log10(span / 20))
    width = min((decade * step for step in (1, 2, 5, 10)), key=lambda wide: abs(np.log(span / 20 / wide)))
    return np.asarray(start + width * np.arange(int(np.ceil(span / width)) + 2))


def _values(verdicts: Sequence[Verdict], iou: float, column: str, name: str) -> tuple[FloatArray, FloatArray]:
    true, predicted = [np.empty(0)], [np.empty(0)]
    for verdict in verdicts:
        if name in verdict.evaluations[iou].types:
            true.append(getattr(verdict.true, column)[verdict.true.of_class(name)])
            predicted.append(getattr(verdict.predicted, column)[verdict.predicted.of_class(name)])
    joined = np.concatenate(true), np.concatenate(predicted)
    return joined[0][~np.isnan(joined[0])], joined[1][~np.isnan(joined[1])]


def _mean(values: FloatArray) -> str:
    return f"{values.mean():.3g} ± {values.std():.2g} (n = {values.size})" if values.size else "none"
