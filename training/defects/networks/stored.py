"""A Mask R-CNN of the store as a network that can be trained further."""

from __future__ import annotations

import warnings
from pathlib import Path

import torch
from pydantic import ValidationError

from emserve.exceptions import StoreError
from model_store.manifest import load
from model_store.store import verify
from training.defects.networks.config import MaskRCNNConfig
from training.defects.networks.mask_rcnn import MaskRCNN

CONFIG = "config.json"
"""Name of the configuration inside the TorchScript file of an exported network."""


def load_stored(folder: Path) -> MaskRCNN:
    """The network of a model's folder, in `eval`, on the CPU; it answers bit for bit as the one that was exported.

    Its TorchScript file carries the weights, the statistics of the norms and the configuration.

    Raises:
        StoreError: the model is not a Mask R-CNN of this project, or ships no TorchScript file.
        ChecksumMismatch: the file is not the one that the manifest names.
    """
    manifest = load(folder)
    remedy = "Start from a defects model that this version exported, or from a run's folder."
    weights = manifest.files.get("torchscript")
    if manifest.family != "defects" or weights is None:
        raise StoreError(f"The training of defects cannot start from the model '{manifest.name}'.", remedy=remedy)
    verify(folder, weights)
    extra = {CONFIG: ""}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        scripted = torch.jit.load(folder / weights.path, map_location="cpu", _extra_files=extra)
    try:
        network = MaskRCNN(MaskRCNNConfig.model_validate_json(extra[CONFIG]))
    except ValidationError as error:
        raise StoreError(
            f"The file '{weights.path}' of the model '{manifest.name}' does not say what network it is.", remedy=remedy
        ) from error
    # In TorchScript every buffer is kept; here those that follow from the configuration are not loaded.
    tensors = scripted.state_dict()
    network.load_state_dict({name: tensors[name] for name in network.state_dict()})
    return network.eval()
