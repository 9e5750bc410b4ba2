"""ONNX Runtime: the embedded default, everywhere; on the CPU, or where `model_store.providers` says."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from model_store import providers
from model_store.manifest import Precision, Tensors, WeightFormat

FORMAT: WeightFormat = "onnx"
INSTALL = "pip install onnxruntime"


def available() -> bool:
    return find_spec("onnxruntime") is not None  # onnxruntime-gpu has the same name


def supports(precision: Precision) -> bool:
    return precision == "fp32"


def rank(precision: Precision) -> int:
    return 20


class Session:
    """One ONNX Runtime session; its `run` is thread-safe by itself."""

    def __init__(self, session: Any, tensors: Tensors) -> None:
        self._session = session
        self._inputs = [tensor.name for tensor in tensors.inputs]
        self._outputs = [tensor.name for tensor in tensors.outputs]

    def run(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        return list(self._session.run(self._outputs, dict(zip(self._inputs, inputs, strict=True))))


def open_session(file: Path, tensors: Tensors, precision: Precision, threads: int) -> Session:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Threads that wait must not burn the processors that the rest of the pipeline needs; measured, it costs nothing.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    providers.preload(onnxruntime)
    chosen = providers.choose(onnxruntime.get_available_providers(), file)
    session = onnxruntime.InferenceSession(file, options, providers=chosen)
    providers.check(chosen, session.get_providers())
    return Session(session, tensors)
