"""Columns of an answer in a matplotlib figure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from emserve import pictures
from emserve._extras import require
from emserve.results import AtomsResult

if TYPE_CHECKING:
    import matplotlib.axes

    from emserve.pictures import Picture


def plot(result: AtomsResult, picture: Picture | None, ax: matplotlib.axes.Axes | None) -> matplotlib.axes.Axes:
    """Scatter the columns, over the picture if one is given; axes in nm where the pixel size is known, else in px.

    y points down, as in the micrograph. Columns whose position is the network's (no fit) are drawn in another colour.
    """
    info = result.micrograph
    if ax is None:
        ax = require("matplotlib.pyplot", extra="plot", purpose="A plot").figure(layout="constrained").add_subplot()
    in_nm = info.pixel_size_x_nm is not None and info.pixel_size_y_nm is not None
    step_x, step_y = (info.pixel_size_x_nm or 1.0, info.pixel_size_y_nm or 1.0) if in_nm else (1.0, 1.0)
    extent = (-0.5 * step_x, (info.width_px - 0.5) * step_x, (info.height_px - 0.5) * step_y, -0.5 * step_y)
    if picture is not None:
        pixels = pictures.stretch(pictures.read_for(result, picture))
        ax.imshow(pixels, cmap="gray", extent=extent, interpolation="nearest")
    positions = result.positions_px * (step_x, step_y)
    fitted = np.array([column.refined for column in result.columns], dtype=bool)
    size = min(max(4000 / max(len(positions), 1), 3), 25)
    for chosen, colour, label in ((fitted, "#ff4814", "fitted"), (~fitted, "#3cbeff", "not fitted")):
        if chosen.any():
            x, y = positions[chosen].T
            ax.scatter(x, y, s=size, c=colour, edgecolors="black", linewidths=0.3, label=label)
    unit = "nm" if in_nm else "px"
    ax.set(xlim=extent[:2], ylim=extent[2:], aspect="equal", xlabel=f"x / {unit}", ylabel=f"y / {unit}")
    ax.set_title(f"{result.statistics.count:,} columns")
    return ax
