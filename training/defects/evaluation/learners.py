"""What is evaluated: something that learns from labelled pictures, or a model that has learned already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from analysis.defects.pipeline import DefectsNetwork
from analysis.defects.preprocess import InputSpec
from model_store.manifest import Precision
from model_store.store import Store
from training.checkpoints import FILE_NAME as CHECKPOINT
from training.defects.building import trained_network
from training.defects.labels import LabelledPicture
from training.defects.serving import TorchNetwork, spec_of_run
from training.store_models import open_model


class Learner(Protocol):
    """A way to get a network from labelled pictures."""

    def fit(self, pictures: Sequence[LabelledPicture], images: Path, *, seed: int) -> tuple[DefectsNetwork, InputSpec]:
        """A network that has learned from these pictures of the folder `images`, and from no others of it."""
        ...


@dataclass(frozen=True)
class FixedModel:
    """A learner that does not learn: the same network whatever the pictures are."""

    network: DefectsNetwork
    spec: InputSpec

    def fit(self, pictures: Sequence[LabelledPicture], images: Path, *, seed: int) -> tuple[DefectsNetwork, InputSpec]:
        """The model as it is."""
        return self.network, self.spec


def fixed_model(
    name: str, *, store: Path | None = None, runtime: str | None = None, precision: Precision | None = None
) -> FixedModel:
    """The model of that name: the folder of a training run, or a model of the store.

    Parameters
    ----------
    store, runtime, precision: of a model of the store; by default as it is served.

    Raises
    ------
    UnknownModel, StoreError, ChecksumMismatch, MissingDependency: the model cannot be opened.
    """
    if (Path(name) / CHECKPOINT).exists():
        network = trained_network(Path(name))
        return FixedModel(TorchNetwork(network, Path(name).name), spec_of_run(Path(name), network))
    models = Store(store)
    entry = models.manifest(name, family="defects")
    model = open_model(models, name, runtime=runtime, precision=precision)
    return FixedModel(model, InputSpec.model_validate(entry.input))
