"""Random numbers that print and read back exactly, and the distributions that sizes have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeVar

import numpy as np

Range = tuple[float, float]
T = TypeVar("T")


class Spread(NamedTuple):
    """A distribution by its mean and standard deviation, cut off at `low` and `high`."""

    mean: float
    deviation: float
    low: float
    high: float


class Dice:
    """Draws Python numbers from one stream."""

    def __init__(self, seed: int, stream: int = 0) -> None:
        self.rng = np.random.default_rng([seed, stream])

    def even(self, low: float, high: float) -> float:
        """Evenly between two numbers."""
        return float(self.rng.uniform(low, high))

    def decades(self, span: Range) -> float:
        """Evenly in the logarithm."""
        return float(np.exp(self.rng.uniform(np.log(span[0]), np.log(span[1]))))

    def chance(self, probability: float) -> bool:
        """True with a probability."""
        return bool(self.rng.random() < probability)

    def sign(self) -> int:
        """-1 or 1."""
        return 1 if self.rng.random() < 0.5 else -1

    def one_of(self, choices: Sequence[T]) -> T:
        """One of them, all alike."""
        return choices[int(self.rng.integers(len(choices)))]

    def weighted(self, weights: Mapping[str, float]) -> str:
        """One of the keys, by their weights."""
        names = list(weights)
        p = np.array(list(weights.values()), float)
        return names[int(self.rng.choice(len(names), p=p / p.sum()))]

    def count(self, mean: float) -> int:
        """A Poisson number."""
        return int(self.rng.poisson(mean))

    def normal(self, mean: float, deviation: float) -> float:
        """A normal number."""
        return float(self.rng.normal(mean, deviation))

    def near(self, spread: Spread) -> float:
        """A normal number inside the spread's limits."""
        for _ in range(50):
            value = self.normal(spread.mean, spread.deviation)
            if spread.low <= value <= spread.high:
                return value
        return self.even(spread.low, spread.high)

    def size(self, spread: Spread) -> float:
        """A log-normal number inside the spread's limits; mean and deviation are the number's own, before the cut."""
        sigma = np.sqrt(np.log1p((spread.deviation / spread.mean) ** 2))
        for _ in range(50):
            value = float(np.exp(self.rng.normal(np.log(spread.mean) - sigma**2 / 2, sigma)))
            if spread.low <= value <= spread.high:
                return value
        return self.even(spread.low, spread.high)
