"""Which of several models is best, by one number from three.

R. Jacobs et al., arXiv:2110.08244, rank models by the L2 norm of the normalised F1, 100 − size error and 100 − density
error. Each of the three is divided by that of the best model, so that the best has 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

AXES = ("find F1", "100 − size error", "100 − density error")


@dataclass(frozen=True)
class Place:
    """One model in the ranking.

    raw: find F1, 100 − size error in %, 100 − density error in %, not below 0, which an error beyond 100 % is worth;
    None where the labels do not tell, or nothing was predicted. normalised: over the best, 0 for a model that predicted
    nothing, None where the labels do not tell. norm: of the normalised ones. rank: from 1.
    """

    model: str
    raw: tuple[float | None, ...]
    normalised: tuple[float | None, ...]
    norm: float
    rank: int


def ranking(rows: Mapping[str, Mapping[str, object]]) -> list[Place]:
    """The models from the best down.

    Parameters
    ----------
    rows: the `find` row of `figures` of each model, over the same pictures.
    """
    raw = {model: _raw(row) for model, row in rows.items()}
    # what is known of no model is what the labels do not tell; one model alone has none where it predicted nothing
    known = [any(values[axis] is not None for values in raw.values()) for axis in range(len(AXES))]
    best = [max(float(values[axis] or 0.0) for values in raw.values()) for axis in range(len(AXES))]
    places = []
    for model, values in raw.items():
        normalised = tuple(
            None if not known[axis] else float(values[axis] or 0.0) / best[axis] if best[axis] > 0 else 0.0
            for axis in range(len(AXES))
        )
        norm = float(np.sqrt(sum(value**2 for value in normalised if value is not None)))
        places.append((model, values, normalised, norm))
    places.sort(key=lambda place: -place[3])
    return [Place(*place, rank=rank) for rank, place in enumerate(places, 1)]


def _raw(row: Mapping[str, object]) -> tuple[float | None, ...]:
    f1, size, density = row["f1"], row["size_error_percent"], row["density_error_percent"]
    return (_number(f1), _left(size), _left(density))


def _left(error_percent: object) -> float | None:
    number = _number(error_percent)
    return None if number is None else max(100 - number, 0.0)


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None
