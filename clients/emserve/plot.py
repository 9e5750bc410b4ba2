"""What was found in a matplotlib figure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from emserve import line_colours, pictures
from emserve._extras import require
from emserve.defect_classes import colours, title
from emserve.masks import outlines
from emserve.results import AtomsResult, DefectsResult, DislocationsFrame, DislocationsResult, Result

if TYPE_CHECKING:
    import matplotlib.axes

    from emserve.pictures import Picture

Step = tuple[float, float]


def plot(result: Result, picture: Picture | None, ax: matplotlib.axes.Axes | None) -> matplotlib.axes.Axes:
    """Draw the findings, over the picture if one is given; axes in nm where the pixel size is known, else in px.

    y points down, as in the micrograph. Atom columns are dots, in another colour where the position is the network's
    (no fit); defects are the outlines of their masks, in the colours of their classes; dislocation lines are curves
    with their numbers, of a frame with those of their tracks. Raises TypeError for an answer of another family.
    """
    info = result.micrograph
    if ax is None:
        ax = require("matplotlib.pyplot", extra="plot", purpose="A plot").figure(layout="constrained").add_subplot()
    in_nm = info.pixel_size_x_nm is not None and info.pixel_size_y_nm is not None
    step = (info.pixel_size_x_nm or 1.0, info.pixel_size_y_nm or 1.0) if in_nm else (1.0, 1.0)
    extent = (-0.5 * step[0], (info.width_px - 0.5) * step[0], (info.height_px - 0.5) * step[1], -0.5 * step[1])
    if picture is not None:
        pixels = pictures.stretch(pictures.read_for(result, picture))
        ax.imshow(pixels, cmap="gray", extent=extent, interpolation="nearest")
    match result:
        case AtomsResult():
            _columns(result, ax, step)
        case DefectsResult():
            _defects(result, ax, step)
        case DislocationsResult():
            _lines([(line.number, line.points_px) for line in result.lines], ax, step)
        case DislocationsFrame():
            _lines([(line.track, line.points_px) for line in result.lines], ax, step)
        case _:
            raise TypeError(f"{type(result).__name__} cannot be plotted")
    unit = "nm" if in_nm else "px"
    ax.set(xlim=extent[:2], ylim=extent[2:], aspect="equal", xlabel=f"x / {unit}", ylabel=f"y / {unit}")
    return ax


def _columns(result: AtomsResult, ax: matplotlib.axes.Axes, step: Step) -> None:
    positions = result.positions_px * step
    fitted = np.array([column.refined for column in result.columns], dtype=bool)
    size = min(max(4000 / max(len(positions), 1), 3), 25)
    for chosen, colour, label in ((fitted, "#ff4814", "fitted"), (~fitted, "#3cbeff", "not fitted")):
        if chosen.any():
            x, y = positions[chosen].T
            ax.scatter(x, y, s=size, c=colour, edgecolors="black", linewidths=0.3, label=label)
    ax.set_title(f"{result.statistics.count:,} columns")


def _defects(result: DefectsResult, ax: matplotlib.axes.Axes, step: Step) -> None:
    collections = require("matplotlib.collections", extra="plot", purpose="A plot")
    counts = result.counts
    palette = colours(counts)
    for name, count in counts.items():
        lines = [line * step for defect in result.of_class(name) for line in outlines(defect.mask)]
        colour = tuple(channel / 255 for channel in palette[name])
        label = f"{title(name)}: {count:,}"
        ax.add_collection(collections.LineCollection(lines, colors=[colour], linewidths=1.2, label=label))
    if counts:
        ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
    ax.set_title(f"{result.statistics.count:,} defects")


def _lines(lines: list[tuple[int, list[tuple[float, float]]]], ax: matplotlib.axes.Axes, step: Step) -> None:
    for number, points_px in lines:
        x, y = (np.array(points_px) * step).T
        ink = tuple(channel / 255 for channel in line_colours.colour(number))
        ax.plot(x, y, color=ink, linewidth=1.5)
        ax.annotate(str(number), (x[0], y[0]), color=ink, weight="bold", ha="center", va="bottom", clip_on=True)
    ax.set_title(f"{len(lines):,} dislocation lines")
