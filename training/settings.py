"""What every training run is made with: written beside its weights, read back when it is resumed."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

FILE_NAME = "settings.json"


def in_words(error: Exception) -> str:
    """What an error says; of settings that are refused, which one and why, in one line."""
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors(include_url=False)[0]
    reason = first["msg"].removeprefix("Value error, ")
    name = ".".join(map(str, first["loc"]))
    return f"{name} is {first['input']!r}: {reason[:1].lower()}{reason[1:]}" if name else reason


class RunSettings(BaseModel):
    """A training run. Either `steps` or `minutes` says how long; with `steps` the result depends on nothing else."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = Field(default=1, ge=0)
    steps: int | None = Field(default=None, gt=0)
    minutes: float | None = Field(default=None, gt=0)
    batch: int = Field(default=8, gt=0)
    size_px: int = Field(default=256, gt=0)
    peak_learning_rate: float = Field(default=2e-3, gt=0)
    weight_decay: float = Field(default=1e-4, ge=0)
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    checkpoint_minutes: float = Field(default=3.0, gt=0)

    @model_validator(mode="after")
    def _one_budget(self) -> Self:
        if (self.steps is None) == (self.minutes is None):
            raise ValueError("say how long to train: either steps or minutes")
        return self

    def write(self, folder: Path) -> None:
        """Writes `settings.json` into the run's folder."""
        (folder / FILE_NAME).write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The settings of a run's folder."""
        return cls.model_validate_json((folder / FILE_NAME).read_text(encoding="utf-8"))
