"""The course of a training run as CSV, JSON and a picture."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt

FIRST_COLUMNS = ("step", "minutes", "loss", "learning_rate")


@dataclass(frozen=True)
class Panel:
    """One of the pictures beside the loss: columns of the log by name, each with its label."""

    title: str
    curves: tuple[tuple[str, str], ...]
    unit: str = ""
    bottom: float = 0.0
    top: float | None = None


def write_log(log: Sequence[dict[str, float]], folder: Path, panels: Sequence[Panel]) -> None:
    """Writes `log.csv`, `log.json` and `loss.png` into the run's folder; rows without validation leave those empty."""
    columns = dict.fromkeys((*FIRST_COLUMNS, *(name for row in log for name in row)))
    with (folder / "log.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(log)
    rows = [{name: value for name, value in row.items() if math.isfinite(value)} for row in log]
    (folder / "log.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    _draw(log, folder / "loss.png", panels)


def _draw(log: Sequence[dict[str, float]], path: Path, panels: Sequence[Panel]) -> None:
    count = 1 + len(panels)
    figure, grid = plt.subplots(1, count, figsize=(4.7 * count, 4), layout="constrained", squeeze=False)
    first, *others = grid[0]
    first.semilogy([row["step"] for row in log], [row["loss"] for row in log], color="tab:blue")
    first.set(xlabel="step", ylabel="loss", title="Training loss")
    for axes, panel in zip(others, panels, strict=True):
        for name, label in panel.curves:
            rows = [row for row in log if name in row]
            axes.plot([row["step"] for row in rows], [row[name] for row in rows], "o-", label=label)
        axes.set(xlabel="step", ylabel=panel.unit, title=panel.title, ylim=(panel.bottom, panel.top))
        if len(panel.curves) > 1:
            axes.legend(loc="lower right")
    for axes in (first, *others):
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=90)
    plt.close(figure)
