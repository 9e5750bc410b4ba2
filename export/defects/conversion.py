"""A Mask R-CNN as TorchScript and as ONNX: one file each, for pictures of every size."""

from __future__ import annotations

import copy
import warnings
from pathlib import Path

import onnx
import torch

from export.defects.operators import Graph
from export.folding import folded
from export.onnx import LARGEST_IR, OPSET
from training.defects.networks import MaskRCNN
from training.defects.networks.stored import CONFIG

INPUT = "image"
OUTPUTS = ("boxes", "scores", "classes", "masks")


def to_torchscript(network: MaskRCNN, path: Path) -> None:
    """Writes a TorchScript file that needs torch and nothing else to run, and that training can go on from.

    Its norms are not folded into the convolutions: it answers bit for bit as the network does, and
    `training.defects.networks.stored` makes a network out of it again. The configuration travels inside the file.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        scripted = torch.jit.script(copy.deepcopy(network).eval())
        torch.jit.save(scripted, str(path), _extra_files={CONFIG: network.config.model_dump_json()})


def to_onnx(network: MaskRCNN, path: Path) -> None:
    """Writes an ONNX file (opset 17, standard operators, H and W open) and checks it.

    Input `image` (C, H, W) float32; outputs `boxes`, `scores`, `classes`, `masks` as of MaskRCNN, N open.
    """
    graph = Graph(folded(network)).eval()
    # Any picture does: the trace has no branch that depends on it.
    image = torch.zeros(network.config.input_channels, 128, 160)
    found = {name: {0: "detections"} for name in OUTPUTS}
    with warnings.catch_warnings():
        # Sizes that are compared with constants, and the exporter's own deprecation.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            graph,
            (image,),
            str(path),
            input_names=[INPUT],
            output_names=list(OUTPUTS),
            dynamic_axes={INPUT: {1: "height", 2: "width"}, **found},
            opset_version=OPSET,
            dynamo=False,
        )
    model = onnx.load(path)
    model.ir_version = min(model.ir_version, LARGEST_IR)
    model.producer_name = "emserve"
    side = 2 * network.config.mask_head.resolution
    for dimension in model.graph.output[OUTPUTS.index("masks")].type.tensor_type.shape.dim[1:]:
        # The tracer does not see that the gathering of classes keeps it.
        dimension.dim_value = side
    onnx.checker.check_model(model, full_check=True)
    domains = sorted({node.domain for node in model.graph.node} - {"", "ai.onnx"})
    if domains:
        raise ValueError(f"the graph of {path.name} has operators that are not standard: {', '.join(domains)}")
    onnx.save(model, path)
