"""What one training run is made with: written beside its weights, read back when it is resumed."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from training.atoms.networks import DEFAULT, NETWORKS
from training.atoms.synthetic import LATTICES

FILE_NAME = "settings.json"


class Settings(BaseModel):
    """A training run. Either `steps` or `minutes` says how long; with `steps` the result depends on nothing else."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    network: str = DEFAULT
    seed: int = Field(default=1, ge=0)
    steps: int | None = Field(default=None, gt=0)
    minutes: float | None = Field(default=None, gt=0)
    batch: int = Field(default=8, gt=0)
    size_px: int = Field(default=256, gt=0)
    lattices: tuple[str, ...] = LATTICES
    usual_share: float = Field(default=0.5, ge=0, le=1)
    """Share of the pictures at usual quality; the others are drawn from the whole range."""
    random_share: float = Field(default=0.35, ge=0, le=1)
    """Share of the pictures that show random lattices: without, a network learns the named ones by heart."""
    reuse: int = Field(default=1, gt=0)
    """How many steps see each picture, each time turned, mirrored and scaled differently."""
    peak_learning_rate: float = Field(default=2e-3, gt=0)
    weight_decay: float = Field(default=1e-4, ge=0)
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    checkpoint_minutes: float = Field(default=3.0, gt=0)

    @model_validator(mode="after")
    def _consistent(self) -> Settings:
        if (self.steps is None) == (self.minutes is None):
            raise ValueError("say how long to train: either steps or minutes")
        if self.network not in NETWORKS:
            raise ValueError(f"no network is called {self.network!r}; there are {', '.join(NETWORKS)}")
        if not self.lattices or not set(self.lattices) <= set(LATTICES):
            raise ValueError(f"lattices must be some of {', '.join(LATTICES)}; got {self.lattices}")
        if self.size_px % NETWORKS[self.network].multiple_of:
            raise ValueError(f"size_px must be a multiple of {NETWORKS[self.network].multiple_of}")
        return self

    @property
    def left_out(self) -> tuple[str, ...]:
        """The lattices that the run never sees."""
        return tuple(lattice for lattice in LATTICES if lattice not in self.lattices)

    def write(self, folder: Path) -> None:
        """Writes `settings.json` into the run's folder."""
        (folder / FILE_NAME).write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> Settings:
        """The settings of a run's folder."""
        return cls.model_validate_json((folder / FILE_NAME).read_text(encoding="utf-8"))
