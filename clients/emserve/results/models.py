"""What a server serves."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from emserve.results.head import CONTRACT, Part


class ModelSummary(Part):
    """One row of `GET /v1/models`."""

    name: str
    family: str
    version: str
    title: str
    default: bool
    licence: str
    sha256: str
    architecture: str
    parameters: int
    best_pixel_size_nm: float | None
    scores: dict[str, Any] = Field(default_factory=dict)


class ModelList(Part):
    """The answer of `GET /v1/models`."""

    contract: str = CONTRACT
    models: list[ModelSummary]
