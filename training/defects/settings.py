"""What a training run of a defects network is made with."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from training.defects.published import CLASSES
from training.defects.sources import SourceSettings
from training.settings import RunSettings

NetworkName = Literal["compact", "resnet18", "resnet34", "resnet50", "resnet101"]


class Settings(RunSettings):
    """A training run.

    start: a network to go on from, instead of random weights: a run's folder, a model of the store, or the two files
    of Detectron2; `network` then counts for nothing. frozen_stages: of the ResNet, 1 the stem alone, 0 none.
    working_range_nm: pictures are brought to a pixel size inside before the network sees them, in training as when
    served. pixel_size_range_nm: of the synthetic pictures before that. synthetic: share of the batch.
    sources: real pictures. crops: squares cut out of each synthetic picture.
    """

    network: NetworkName = "compact"
    classes: tuple[str, ...] = Field(default=CLASSES, min_length=1)
    start: tuple[str, ...] = Field(default=(), max_length=2)
    frozen_stages: int = Field(default=0, ge=0, le=5)
    size_px: int = Field(default=320, ge=64, multiple_of=32)
    synthetic: float = Field(default=0.5, ge=0, le=1)
    sources: tuple[SourceSettings, ...] = ()
    working_range_nm: tuple[float, float] = (0.28, 0.55)
    pixel_size_range_nm: tuple[float, float] = (0.14, 0.88)
    crops: int = Field(default=4, gt=0)
    peak_learning_rate: float = Field(default=1e-3, gt=0)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.synthetic < 1 and not self.sources:
            raise ValueError("without real pictures everything is synthetic: give labels, or synthetic=1")
        for low, high in (self.working_range_nm, self.pixel_size_range_nm):
            if not 0 < low <= high:
                raise ValueError("a range of pixel sizes goes from a positive number to one that is not smaller")
        strangers = set(self.classes) - set(CLASSES)
        if self.synthetic > 0 and strangers:
            raise ValueError(f"synthetic pictures have no {', '.join(sorted(strangers))}: train with synthetic=0")
        return self
