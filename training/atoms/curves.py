"""The course of a training run as CSV, JSON and a picture."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt

COLUMNS = ("step", "minutes", "loss", "learning_rate", "recall", "precision", "rms_pm")


def write_log(log: Sequence[dict[str, float]], folder: Path) -> None:
    """Writes `log.csv`, `log.json` and `loss.png` into the run's folder; rows without validation leave those empty."""
    with (folder / "log.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(log)
    rows = [{name: value for name, value in row.items() if math.isfinite(value)} for row in log]
    (folder / "log.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    _draw(log, folder / "loss.png")


def _draw(log: Sequence[dict[str, float]], path: Path) -> None:
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(14, 4), layout="constrained")
    left.semilogy([row["step"] for row in log], [row["loss"] for row in log], color="tab:blue")
    left.set(xlabel="step", ylabel="loss", title="Training loss")
    checked = [row for row in log if "recall" in row]
    steps = [row["step"] for row in checked]
    for name, colour in (("recall", "tab:green"), ("precision", "tab:orange")):
        middle.plot(steps, [row[name] for row in checked], "o-", color=colour, label=f"ID-{name}")
    middle.set(xlabel="step", ylim=(0.5, 1.01), title="Held-out pictures, usual quality")
    middle.legend(loc="lower right")
    right.plot(steps, [row["rms_pm"] for row in checked], "o-", color="tab:red")
    right.set(xlabel="step", ylabel="pm", title="Δd of the map (before refinement)", ylim=(0, None))
    for axes in (left, middle, right):
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=90)
    plt.close(figure)
