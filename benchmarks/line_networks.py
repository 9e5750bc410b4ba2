"""The networks of `benchmarks.dislocations`, and the ways in which each can be run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from analysis.network import Network
from emserve.results import ModelInfo
from export.dislocations.folder import INPUT, OUTPUT, tensors_of
from export.folding import folded
from export.onnx import write_onnx
from model_store import runtimes
from model_store.manifest import Precision
from model_store.store import Store
from training.dislocations.networks import LineNetwork, build
from training.dislocations.networks.stored import load_stored
from training.dislocations.serving import TorchNetwork

Array = npt.NDArray[np.float32]
EAGER = "eager PyTorch"
PUBLISHED = "unetplusplus_resnet50"
ALL: dict[Precision, str] = {"fp32": "", "bf16": "not shown to be equal for these weights"}


@dataclass(frozen=True)
class Contestant:
    """One network in one runtime, for the pipeline. remark: what must be known to read its figures."""

    network: str
    way: str
    runner: Network
    remark: str = ""


class Opened:
    """A session as the pipeline wants it."""

    def __init__(self, name: str, runtime: str, precision: Precision, session: runtimes.Session) -> None:
        self.info = ModelInfo(
            name=name, family="dislocations", version="0", sha256="", runtime=runtime, precision=precision
        )
        self._session = session

    def run(self, batch: Array) -> Array:
        """(n, 1, h, w) → (n, masks, h, w)."""
        return self._session.run([batch])[0]


def published(folder: Path, threads: int) -> list[Contestant]:
    """The published network, U-Net++ on ResNet-50, with random weights: for its speed only."""
    return of_random_weights(build(PUBLISHED), f"{PUBLISHED}, random weights", folder, threads)


def of_random_weights(network: LineNetwork, name: str, folder: Path, threads: int) -> list[Contestant]:
    """Eager PyTorch, and our ONNX in every runtime and precision of this machine."""
    path = folder / "random.onnx"
    example = torch.zeros(1, 1, 2 * network.stride, 2 * network.stride)
    write_onnx(folded(network.eval()), path, input_name=INPUT, output_name=OUTPUT, example=example)
    return [Contestant(name, EAGER, TorchNetwork(network)), *_sessions(path, network, name, ALL, threads)]


def of_store(store: Store, name: str, threads: int) -> list[Contestant]:
    """Eager PyTorch, and the model of the store in every runtime and precision that its manifest allows."""
    network, manifest, folder = load_stored(store.folder(name)), store.manifest(name), store.folder(name)
    allowed = dict.fromkeys(manifest.precisions, "")
    path = folder / manifest.files["onnx"].path
    return [Contestant(name, EAGER, TorchNetwork(network)), *_sessions(path, network, name, allowed, threads)]


def _sessions(
    path: Path, network: LineNetwork, name: str, allowed: Mapping[Precision, str], threads: int
) -> list[Contestant]:
    found = []
    for runtime_name in ("onnx", "openvino"):
        runtime = runtimes.find(runtime_name)
        for precision, remark in allowed.items():
            if runtime.available() and runtime.supports(precision):
                session = runtime.open_session(path, tensors_of(network), precision, threads)
                opened = Opened(name, runtime_name, precision, session)
                found.append(Contestant(name, f"{runtime_name} {precision}", opened, remark))
    return found
