"""The three numbers of the ranking, as a radar."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from training.defects.evaluation.plots.style import model_colours, panels, save
from training.defects.evaluation.ranking import AXES, Place


def draw(places: Sequence[Place], path: Path) -> None:
    """One polygon a model, each number over that of the best one; an axis that is not known is left out."""
    known = [k for k in range(len(AXES)) if all(place.normalised[k] is not None for place in places)]
    angles = np.linspace(0, 2 * np.pi, len(known), endpoint=False)
    figure, (axes,) = panels(1, width=6.4, height=5.0, subplot_kw={"projection": "polar"})
    colour = model_colours([place.model for place in places])
    for place in places:
        values = [float(place.normalised[k] or 0.0) for k in known]
        label = f"{place.rank}. {place.model}: {place.norm:.3f}"
        axes.plot([*angles, angles[0]], [*values, values[0]], "o-", color=colour[place.model], label=label)
        axes.fill(angles, values, color=colour[place.model], alpha=0.12)
    axes.set_theta_zero_location("N")
    axes.set_xticks(angles, [AXES[k] for k in known])
    axes.tick_params(axis="x", pad=24)
    axes.set(ylim=(0, 1))
    axes.set_title("Each over the best, and the norm of the three", pad=18)
    figure.legend(loc="outside lower center", fontsize="small")
    save(figure, path)
