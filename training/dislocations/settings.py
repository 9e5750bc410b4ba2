"""What a training run of a network for dislocation lines is made with."""

from __future__ import annotations

from typing import Literal, Self, get_args

from pydantic import Field, model_validator

from training.dislocations.networks import DEFAULT, MASKS, NETWORKS
from training.settings import RunSettings

BackgroundKind = Literal["perlin", "real"]
BACKGROUNDS: tuple[BackgroundKind, ...] = get_args(BackgroundKind)


class Settings(RunSettings):
    """A training run.

    start: folder of a run whose best weights are gone on from. masks: most lines that the network tells apart.
    matching, empty_weight: see `training.dislocations.losses`. microstructures, backgrounds: the kinds of synthetic
    pictures, all equally often; a microstructure is M1, M2 or the path of a JSON. background_folder: the real
    micrographs of the backgrounds. frames: folder of labelled frames with their labelme JSON; left_out: names of those
    that are held out. synthetic: share of the batch beside them. reuse: how many steps see each synthetic picture,
    each time turned and changed differently.
    """

    network: str = DEFAULT
    masks: int = Field(default=MASKS, gt=0)
    start: str | None = None
    matching: Literal["optimal", "greedy", "ordered"] = "optimal"
    empty_weight: float = Field(default=0.1, ge=0)
    microstructures: tuple[str, ...] = Field(default=("M1", "M2"), min_length=1)
    backgrounds: tuple[BackgroundKind, ...] = Field(default=("perlin",), min_length=1)
    background_folder: str | None = None
    frames: str | None = None
    left_out: tuple[str, ...] = ()
    synthetic: float = Field(default=1.0, ge=0, le=1)
    reuse: int = Field(default=1, gt=0)
    size_px: int = Field(default=512, ge=64)
    batch: int = Field(default=4, gt=0)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.network not in NETWORKS:
            raise ValueError(f"no network is called {self.network!r}; there are {', '.join(NETWORKS)}")
        if "real" in self.backgrounds and self.background_folder is None:
            raise ValueError("real backgrounds need a folder of micrographs: give background_folder")
        if self.frames is None and (self.synthetic < 1 or self.left_out):
            raise ValueError("without labelled frames everything is synthetic: give frames, or synthetic=1")
        if self.frames is not None and self.synthetic == 1:
            raise ValueError("labelled frames that are never shown: give a share of synthetic pictures below 1")
        return self
