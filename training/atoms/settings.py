"""What one training run is made with: written beside its weights, read back when it is resumed."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from training.atoms.networks import DEFAULT, NETWORKS
from training.atoms.synthetic import LATTICES
from training.settings import RunSettings


class Settings(RunSettings):
    """A training run of a network for atom columns."""

    network: str = DEFAULT
    lattices: tuple[str, ...] = LATTICES
    usual_share: float = Field(default=0.5, ge=0, le=1)
    """Share of the pictures at usual quality; the others are drawn from the whole range."""
    random_share: float = Field(default=0.35, ge=0, le=1)
    """Share of the pictures that show random lattices: without, a network learns the named ones by heart."""
    reuse: int = Field(default=1, gt=0)
    """How many steps see each picture, each time turned, mirrored and scaled differently."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
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
