"""TorchScript on the CPU: for those who have PyTorch anyway, and to check the export."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from model_store.manifest import Precision, Tensors, WeightFormat

FORMAT: WeightFormat = "torchscript"
INSTALL = "pip install torch --index-url https://download.pytorch.org/whl/cpu"


def available() -> bool:
    return find_spec("torch") is not None


def supports(precision: Precision) -> bool:
    return precision == "fp32"


def rank(precision: Precision) -> int:
    return 1


class Session:
    """A scripted or traced module; its forward is thread-safe in inference mode."""

    def __init__(self, module: Any) -> None:
        self._module = module

    def run(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        import torch

        with torch.inference_mode():
            outputs = self._module(*[torch.from_numpy(np.require(array, requirements="W")) for array in inputs])
        return [output.numpy() for output in (outputs if isinstance(outputs, tuple | list) else [outputs])]


def open_session(file: Path, tensors: Tensors, precision: Precision, threads: int) -> Session:
    import torch

    # PyTorch has one number of threads for the whole process.
    torch.set_num_threads(threads)
    return Session(torch.jit.load(file, map_location="cpu").eval())
