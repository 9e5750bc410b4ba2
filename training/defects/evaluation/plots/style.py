"""What all plots share: colours, and how a figure gets into a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from training.defects.evaluation.figures import FIND, TYPES

_KNOWN = {
    FIND: "black",
    TYPES: "tab:gray",
    "loop_111": "tab:red",
    "loop_100": "goldenrod",
    "black_dot": "tab:blue",
}
_OTHERS = ("tab:green", "tab:purple", "tab:brown", "tab:pink", "tab:cyan", "tab:olive")
MODELS = ("tab:blue", "tab:orange", "tab:green", "tab:red", "tab:purple", "tab:brown", "tab:pink", "tab:cyan")


def colours(kinds: Sequence[str]) -> dict[str, str]:
    """A colour for each class, the same in all plots: those of the field for the known ones."""
    unknown = sorted(set(kinds) - set(_KNOWN))
    return _KNOWN | {name: _OTHERS[k % len(_OTHERS)] for k, name in enumerate(unknown)}


def model_colours(models: Sequence[str]) -> dict[str, str]:
    """A colour for each model."""
    return {name: MODELS[k % len(MODELS)] for k, name in enumerate(dict.fromkeys(models))}


def panels(count: int, *, width: float = 4.6, height: float = 4.0, **options: Any) -> tuple[Figure, list[Any]]:
    """A figure of so many panels side by side."""
    figure, grid = plt.subplots(
        1, count, figsize=(width * count, height), layout="constrained", squeeze=False, **options
    )
    return figure, list(grid[0])


def save(figure: Figure, path: Path) -> None:
    """Writes the figure and closes it."""
    figure.savefig(path, dpi=100)
    plt.close(figure)
