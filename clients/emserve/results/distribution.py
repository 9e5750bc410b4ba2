"""How a quantity is spread over what was found."""

from __future__ import annotations

from pydantic import Field

from emserve.results.head import Part


class Distribution(Part):
    """How one quantity is spread, in its own unit; value v lies in bin i where edges[i] <= v < edges[i + 1]."""

    count: int = Field(description="number of values")
    mean: float
    std: float = Field(description="standard deviation of the values themselves (divided by n)")
    median: float
    minimum: float
    maximum: float
    edges: list[float] = Field(description="edges of the histogram's bins")
    counts: list[int] = Field(description="number of values in each bin")
