"""The base of all parameters."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    """Base of all parameters: they do not change, and what is not known is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")
