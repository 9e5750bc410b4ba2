"""A network of the store as one that can be trained further."""

from __future__ import annotations

import warnings
from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from emserve.exceptions import StoreError
from model_store.manifest import load
from model_store.store import verify
from training.dislocations.networks import LineNetwork, build

CONFIG = "config.json"
"""Name of the configuration inside the TorchScript file of an exported network."""


class StoredConfig(BaseModel):
    """Which network the weights are of. masks: as of `LineNetwork`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    network: str
    masks: int = Field(gt=0)


def load_stored(folder: Path) -> LineNetwork:
    """The network of a model's folder, in `eval`, on the CPU; it answers bit for bit as the one that was exported.

    Its TorchScript file carries the weights, the statistics of the norms and which network they are of.

    Raises:
        StoreError: the model is no network for dislocation lines of this project, or ships no TorchScript file.
        ChecksumMismatch: the file is not the one that the manifest names.
    """
    manifest = load(folder)
    remedy = "Start from a dislocations model that this version exported, or from a run's folder."
    weights = manifest.files.get("torchscript")
    if manifest.family != "dislocations" or weights is None:
        raise StoreError(f"The training of dislocations cannot start from the model '{manifest.name}'.", remedy=remedy)
    verify(folder, weights)
    extra = {CONFIG: ""}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        traced = torch.jit.load(folder / weights.path, map_location="cpu", _extra_files=extra)
    try:
        config = StoredConfig.model_validate_json(extra[CONFIG])
        network = build(config.network, masks=config.masks)
    except (ValidationError, KeyError) as error:
        raise StoreError(
            f"The file '{weights.path}' of the model '{manifest.name}' does not say what network it is.", remedy=remedy
        ) from error
    network.load_state_dict(traced.state_dict())
    return network.eval()
