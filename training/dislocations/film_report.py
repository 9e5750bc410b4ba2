"""The films of `python -m training evaluate dislocations --films`: table, CSV and figures."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import numpy as np
from matplotlib import pyplot as plt

from training.dislocations.films import (
    DISTANCE_TARGET_PX,
    LINKS_TARGET,
    VELOCITY_TARGET,
    Film,
    FilmScore,
    figures_of,
)

Followed = Sequence[tuple[Film, FilmScore]]
FilmReport = Mapping[str, Mapping[str, Followed]]
"""Model → kind of films → the films with their scores."""


def as_figures(report: FilmReport) -> dict[str, dict[str, dict[str, Any]]]:
    """Model → kind → figures over its films, for the JSON."""
    return {
        model: {kind: figures_of([score for _, score in followed]) for kind, followed in kinds.items()}
        for model, kinds in report.items()
    }


def table(report: FilmReport) -> str:
    """One line a model and kind."""
    lines = []
    for model, kinds in as_figures(report).items():
        lines.append(f"{model}, films")
        for kind, row in kinds.items():
            lines.append(
                f"  {kind:14} found {_percent(row['recall'])}  links right {_percent(row['links_right'])} of "
                f"{row['links']}  pairs within 1 px {_percent(row['pairs_within_1_px'])} (median "
                f"{_number(row['pair_error_median_px'])})  velocities within 5 % "
                f"{_percent(row['velocities_within_5_percent'])} of {row['velocities']} (median "
                f"{_percent(row['velocity_error_median'])})  drift rms {_number(row['drift_error_rms_px'])} px, sure "
                f"{_percent(row['drift_sure'])}"
            )
    return "\n".join(lines)


def write_csv(report: FilmReport, path: Path) -> None:
    """One row a film."""
    rows = [
        {"model": model, "kind": kind, "seed": film.seed, **_row(film), **figures_of([score])}
        for model, kinds in report.items()
        for kind, followed in kinds.items()
        for film, score in followed
    ]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]) if rows else ["model"])
        writer.writeheader()
        writer.writerows(rows)


def draw(report: FilmReport, path: Path) -> None:
    """Right links by number of lines, errors of distances, velocities against the truth, errors of the drift."""
    figure, grid = plt.subplots(len(report), 4, figsize=(16, 3.6 * len(report)), squeeze=False, layout="constrained")
    for axes, (model, kinds) in zip(grid, report.items(), strict=True):
        for kind, followed in kinds.items():
            scores = [score for _, score in followed]
            linked = [score for score in scores if score.links]
            axes[0].plot(
                [score.lines for score in linked],
                [score.right_links / score.links for score in linked],
                "o",
                label=kind,
            )
            _rising(axes[1], [error for score in scores for error in score.pair_errors_px], kind)
            speeds = np.array([pair for score in scores for pair in score.velocities]).reshape(-1, 2)
            axes[2].plot(speeds[:, 0], speeds[:, 1], ".", label=kind)
            _rising(axes[3], [error for score in scores for error in score.drift_errors_px], kind)
        axes[0].axhline(LINKS_TARGET, color="0.5", linestyle=":")
        axes[0].set(title=Path(model).name, xlabel="lines in the film", ylabel="links right", ylim=(-0.03, 1.03))
        axes[1].axvline(DISTANCE_TARGET_PX, color="0.5", linestyle=":")
        axes[1].set(xlabel="error of a pair's distance, px", ylabel="share of pairs", xlim=(0, 5))
        reach = np.array(axes[2].get_xlim())
        for factor in (1 - VELOCITY_TARGET, 1 + VELOCITY_TARGET):
            axes[2].plot(reach, factor * reach, color="0.5", linestyle=":")
        axes[2].set(xlabel="true velocity, px per frame", ylabel="answered velocity")
        axes[3].set(xlabel="error of the drift, px", ylabel="share of frames", xlim=(0, 2))
        axes[0].legend(fontsize=8)
    figure.savefig(path, dpi=100)
    plt.close(figure)


def _row(film: Film) -> dict[str, float]:
    return {"drift_x_px": round(film.drift_px[0], 3), "drift_y_px": round(film.drift_px[1], 3)}


def _rising(axes: Any, errors: Sequence[float], label: str) -> None:
    """Share of the errors up to each size."""
    axes.step(np.sort(errors), np.arange(1, len(errors) + 1) / max(len(errors), 1), where="post", label=label)
    axes.set_ylim(0, 1.02)


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
