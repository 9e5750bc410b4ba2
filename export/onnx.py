"""A network → one ONNX file that every server of the project can load."""

from __future__ import annotations

import warnings
from pathlib import Path

import onnx
import torch
from torch import nn

OPSET = 17
LARGEST_IR = 10
"""What the oldest supported server reads: its ONNX Runtime refuses a newer file format."""


def write_onnx(network: nn.Module, path: Path, *, input_name: str, output_name: str, example: torch.Tensor) -> None:
    """Writes an ONNX file with dynamic batch, height and width, and checks it.

    The exporter by tracing is used, not the one by `torch.export`: that one writes opset 18 and converts down, which
    does not succeed for every operator, and it fixes sizes that this one leaves free.

    Args:
        network: in `eval`, (N, C, H, W) → (N, C', H, W). example: an input of any size that the network takes.
    """
    axes = {0: "batch", 2: "height", 3: "width"}
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            network.eval(),
            (example,),
            str(path),
            opset_version=OPSET,
            dynamo=False,
            input_names=[input_name],
            output_names=[output_name],
            dynamic_axes={input_name: axes, output_name: axes},
        )
    model = onnx.load(path)
    model.ir_version = min(model.ir_version, LARGEST_IR)
    # The tracer knows the output's sizes only as expressions of its own: name them as the input's.
    for dimension, size in zip(
        model.graph.output[0].type.tensor_type.shape.dim, ("batch", None, "height", "width"), strict=True
    ):
        if size is not None:
            dimension.dim_param = size
    model.producer_name = "emserve"
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)
