"""The learning rate over a run."""

from __future__ import annotations

import math

WARM_UP = 0.04
"""Share of the run in which the learning rate rises."""
LAST = 0.01
"""Learning rate at the end as a fraction of the peak."""


def learning_rate(progress: float, peak: float) -> float:
    """One cycle: a linear rise, then half a cosine. Source: L. N. Smith, arXiv:1803.09820."""
    if progress < WARM_UP:
        return peak * max(progress / WARM_UP, 0.02)
    fall = min((progress - WARM_UP) / (1 - WARM_UP), 1.0)
    return peak * (LAST + (1 - LAST) * 0.5 * (1 + math.cos(math.pi * fall)))
