"""Mask R-CNN as TorchScript and ONNX: one file for every size, the same detections, nothing but standard operators."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from export.defects.conversion import INPUT, OUTPUTS, to_onnx, to_torchscript
from export.defects.parity import compare, detections_of
from training.defects.networks import MaskRCNN, MaskRCNNConfig, compact
from training.defects.networks.config import RegionConfig

SIZES = ((33, 47), (257, 511), (96, 128))


def responsive(config: MaskRCNNConfig) -> MaskRCNN:
    """A network with random weights, scaled so that it finds dozens of things, with distinct scores."""
    torch.manual_seed(3)
    network = MaskRCNN(config).eval()
    with torch.no_grad():
        network.box_head.logits.weight.normal_(std=0.6)
        network.box_head.corrections.weight.normal_(std=0.05)
        network.proposal_head.logits.weight.normal_(std=0.5)
        network.mask_head.logits.weight.normal_(std=2.0)
    return network


def picture(height: int, width: int, channels: int, seed: int = 0) -> np.ndarray:
    """Grey squares of 8 px, (channels, height, width), 0 to 255."""
    coarse = np.random.default_rng(seed).uniform(0, 255, (channels, height // 8 + 1, width // 8 + 1))
    return np.kron(coarse, np.ones((1, 8, 8)))[:, :height, :width].astype(np.float32)


def onnx_answers(path: Path, image: np.ndarray) -> dict[str, np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return dict(zip(OUTPUTS, session.run(list(OUTPUTS), {INPUT: image}), strict=True))


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[MaskRCNN, Path]:
    """A compact network and the folder of its two files."""
    folder = tmp_path_factory.mktemp("compact")
    network = responsive(compact(("loop_111", "loop_100", "black_dot")))
    to_onnx(network, folder / "model.onnx")
    to_torchscript(network, folder / "model.pt")
    return network, folder


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_every_runtime_gives_the_same_detections(exported: tuple[MaskRCNN, Path], height: int, width: int) -> None:
    network, folder = exported
    image = picture(height, width, 1)
    expected = detections_of(network, image)
    assert len(expected["scores"]) >= 5
    found = {
        "onnx": onnx_answers(folder / "model.onnx", image),
        "torchscript": detections_of(torch.jit.load(folder / "model.pt"), image),
    }
    for runtime, answer in found.items():
        assert {name: values.dtype for name, values in answer.items()} == {
            "boxes": np.float32, "scores": np.float32, "classes": np.int64, "masks": np.float32,
        }  # fmt: skip
        assert answer["masks"].shape[1:] == (28, 28)
        parity = compare(expected, answer, image.shape, runtime=runtime)
        assert parity.matched == parity.expected == parity.found
        if runtime == "torchscript":
            assert all(np.array_equal(answer[name], expected[name]) for name in OUTPUTS), "bit for bit"
        assert parity.box_px <= 0.01
        assert parity.score <= 1e-4
        assert parity.mask_probability <= 1e-3
        assert parity.mask_iou >= 0.999


def test_the_graph_is_standard_and_its_sizes_are_open(exported: tuple[MaskRCNN, Path]) -> None:
    model = onnx.load(exported[1] / "model.onnx")
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 17)]
    assert model.ir_version <= 10
    operators = {node.op_type for node in model.graph.node}
    assert {"RoiAlign", "NonMaxSuppression", "TopK"} <= operators
    # Norms are folded away.
    assert "BatchNormalization" not in operators
    pooling = [node for node in model.graph.node if node.op_type == "RoiAlign"]
    modes = [attribute.s for node in pooling for attribute in node.attribute if "transformation" in attribute.name]
    assert modes == [b"half_pixel"] * len(pooling)

    def shape(tensor: onnx.ValueInfoProto) -> list[str | int]:
        return [entry.dim_param or entry.dim_value for entry in tensor.type.tensor_type.shape.dim]

    assert {tensor.name: shape(tensor) for tensor in (*model.graph.input, *model.graph.output)} == {
        "image": [1, "height", "width"],
        "boxes": ["detections", 4],
        "scores": ["detections"],
        "classes": ["detections"],
        "masks": ["detections", 28, 28],
    }


def test_torchscript_needs_torch_and_nothing_else(exported: tuple[MaskRCNN, Path]) -> None:
    program = (
        "import sys, torch\n"
        "network = torch.jit.load(sys.argv[1])\n"
        "boxes, scores, classes, masks = network(torch.rand(1, 70, 90) * 255)\n"
        "print(len(boxes), masks.shape[1:], *sorted({'torchvision', 'detectron2', 'training'} & set(sys.modules)))\n"
    )
    path = exported[1] / "model.pt"
    # Isolated: neither this folder nor PYTHONPATH can be imported from.
    done = subprocess.run(
        [sys.executable, "-I", "-c", program, str(path)], capture_output=True, text=True, check=True, cwd=path.parent
    )
    assert done.stdout.strip().endswith("torch.Size([28, 28])")


def test_no_detection_is_an_answer(tmp_path: Path) -> None:
    config = compact(("loop",))
    nothing = config.model_copy(update={"regions": RegionConfig(score_threshold=1.0)})
    network = responsive(nothing)
    to_onnx(network, tmp_path / "model.onnx")
    to_torchscript(network, tmp_path / "model.pt")
    image = picture(48, 64, 1)
    for answer in (
        detections_of(network, image),
        detections_of(torch.jit.load(tmp_path / "model.pt"), image),
        onnx_answers(tmp_path / "model.onnx", image),
    ):
        assert {name: values.shape for name, values in answer.items()} == {
            "boxes": (0, 4), "scores": (0,), "classes": (0,), "masks": (0, 28, 28),
        }  # fmt: skip
        assert compare(answer, answer, image.shape, runtime="onnx").mask_iou == 1.0


def test_openvino_gives_the_same_detections(exported: tuple[MaskRCNN, Path]) -> None:
    openvino = pytest.importorskip("openvino", reason="OpenVINO is not installed")
    network, folder = exported
    options = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    compiled = openvino.Core().compile_model(folder / "model.onnx", "CPU", options)
    for height, width in SIZES:
        image = picture(height, width, 1)
        results = compiled({INPUT: image})
        parity = compare(
            detections_of(network, image), {name: results[name] for name in OUTPUTS}, image.shape, runtime="openvino"
        )
        assert parity.matched == parity.expected == parity.found
        assert parity.box_px <= 0.02
        assert parity.mask_iou >= 0.999
