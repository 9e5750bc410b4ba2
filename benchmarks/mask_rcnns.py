"""The networks of `benchmarks.defects`, and the ways in which each can be run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from export.defects.conversion import OUTPUTS, to_onnx
from export.defects.folder import tensors_of
from export.defects.parity import detections_of
from model_store import runtimes
from model_store.manifest import Precision
from model_store.store import Store
from training.defects.networks import MaskRCNN, MaskRCNNConfig, compact
from training.defects.networks.config import ResNetConfig
from training.defects.networks.initialisation import initialise
from training.defects.networks.stored import load_stored

Picture = npt.NDArray[np.float32]
CLASSES = ("loop_111", "loop_100", "black_dot")
EAGER = "eager PyTorch"
ALL: dict[Precision, str] = {"fp32": "", "bf16": "not shown to be equal for these weights"}


@dataclass(frozen=True)
class Contestant:
    """One network in one runtime: a picture (C, H, W) → `boxes`, `scores`, `classes`, `masks`.

    remark: what must be known to read its figures.
    """

    network: str
    way: str
    run: Callable[[Picture], Mapping[str, npt.NDArray[Any]]]
    channels: int
    remark: str = ""


def resnet50(seed: int = 0) -> MaskRCNN:
    """Detectron2's `mask_rcnn_R_50_FPN` at full width for three classes; random weights that find 100 things."""
    # Batch norm only to give random weights sensible statistics: folded away, or as a fixed scale, it costs the same.
    config = MaskRCNNConfig(classes=CLASSES, pixel_std=(57.0, 57.0, 57.0), resnet=ResNetConfig(depth=50, norm="batch"))
    return responsive(MaskRCNN(config), seed)


def responsive(network: MaskRCNN, seed: int) -> MaskRCNN:
    """A network with random weights that are scaled so that it finds as much as it may answer."""
    initialise(network, seed)
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # the statistics of what it sees now
    with torch.no_grad():
        noise = 255 * torch.rand(2, network.config.input_channels, 40, 40, generator=generator)
        network.train().features(nn.functional.interpolate(noise, size=(320, 320), mode="bilinear"))
        network.proposal_head.logits.weight.normal_(std=0.5, generator=generator)
        network.box_head.logits.weight.normal_(std=0.6, generator=generator)
        network.box_head.corrections.weight.normal_(std=0.05, generator=generator)
        network.mask_head.logits.weight.normal_(std=2.0, generator=generator)
    return network.eval()


def contestants_of_random_weights(network: MaskRCNN, name: str, folder: Path, threads: int) -> list[Contestant]:
    """Eager PyTorch, and our ONNX in every runtime and precision of this machine.

    Random weights cannot show whether bf16 keeps the scores; it takes part with that remark.
    """
    path = folder / f"{name}.onnx"
    to_onnx(network, path)
    return [_eager(network, name), *_sessions(path, network, name, ALL, threads)]


def contestants_of_store(store: Store, model: str, threads: int) -> list[Contestant]:
    """Eager PyTorch, and the model of the store in every runtime and precision that its manifest allows."""
    network, manifest, folder = load_stored(store.folder(model)), store.manifest(model), store.folder(model)
    allowed = dict.fromkeys(manifest.precisions, "")
    return [
        _eager(network, model),
        *_sessions(folder / manifest.files["onnx"].path, network, model, allowed, threads),
    ]


def compact_with_random_weights(seed: int = 0) -> MaskRCNN:
    """The compact network before any training."""
    return responsive(MaskRCNN(compact(CLASSES)), seed)


def _eager(network: MaskRCNN, name: str) -> Contestant:
    return Contestant(name, EAGER, lambda picture: detections_of(network, picture), network.config.input_channels)


def _sessions(
    path: Path, network: MaskRCNN, name: str, allowed: Mapping[Precision, str], threads: int
) -> list[Contestant]:
    found = []
    for runtime_name in runtimes.names():
        runtime = runtimes.find(runtime_name)
        if runtime.FORMAT != "onnx" or not runtime.available():
            continue
        for precision, remark in allowed.items():
            if runtime.supports(precision):
                session = runtime.open_session(path, tensors_of(network), precision, threads)
                way = f"{runtime_name} {precision}"
                found.append(Contestant(name, way, _runner(session), network.config.input_channels, remark))
    return found


def _runner(session: runtimes.Session) -> Callable[[Picture], Mapping[str, npt.NDArray[Any]]]:
    return lambda picture: dict(zip(OUTPUTS, session.run([picture]), strict=True))
