"""How one quantity is spread: mean, deviation, extremes, histogram."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

MOST_BINS = 1000


@dataclass(frozen=True)
class Distribution:
    """How one quantity is spread. `std` is that of the values themselves (divided by n), as the labellers give it.

    edges, counts: its histogram; value v lies in bin i where edges[i] <= v < edges[i + 1].
    """

    count: int
    mean: float
    std: float
    median: float
    minimum: float
    maximum: float
    edges: tuple[float, ...]
    counts: tuple[int, ...]


def distribution(values: npt.ArrayLike, *, bin_width: float, start: float = 0.0) -> Distribution | None:
    """Mean, spread and histogram of some values; NaN are left out; None where none is left.

    Parameters
    ----------
    values: in any unit.
    bin_width: of the histogram, in that unit; ten times as much, and again, where that would be too many bins.
    start: an edge of the histogram; its bins lie at whole numbers of widths from there.
    """
    given = np.asarray(values, float)
    known = given[~np.isnan(given)]
    if known.size == 0:
        return None
    while np.ptp(known) > MOST_BINS * bin_width:  # a scale that is wrong must not make an answer of megabytes
        bin_width *= 10
    bins = np.floor((known - start) / bin_width).astype(int)
    first = int(bins.min())
    counts = np.bincount(bins - first)
    return Distribution(
        count=int(known.size),
        mean=float(known.mean()),
        std=float(known.std()),
        median=float(np.median(known)),
        minimum=float(known.min()),
        maximum=float(known.max()),
        edges=tuple((start + bin_width * np.arange(first, first + counts.size + 1)).tolist()),
        counts=tuple(counts.tolist()),
    )
