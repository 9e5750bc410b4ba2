"""The configurations that ship are those of the manifests, and the validator names what Triton would refuse."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

pytest.importorskip("tritonclient")

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2 as pb

from export.__main__ import main
from export.triton.commands import Choices, write
from export.triton.validation import problems
from model_store.store import MODELS, Store

SHIPPED = sorted(path.parent.name for path in MODELS.glob("*/manifest.yaml"))
FILES = ("config.pbtxt", "configs/gpu.pbtxt")


@pytest.fixture
def folder(blob_store: Path, tmp_path: Path) -> Path:
    """The folder of `atoms_blobs` with its configurations, in a store that the test may change."""
    store = shutil.copytree(blob_store, tmp_path / "store")
    write(Store(store), "atoms_blobs", Choices())
    return store / "atoms_blobs"


def read(path: Path) -> pb.ModelConfig:
    return text_format.Parse(path.read_text(), pb.ModelConfig())


@pytest.mark.parametrize("name", SHIPPED)
def test_what_ships_is_what_the_manifest_says(name: str) -> None:
    assert write(Store(MODELS), name, Choices(), check=True) == [], "run `python -m export triton`"
    for file in FILES:
        assert problems(MODELS / name, file) == []


@pytest.mark.parametrize("name", SHIPPED)
def test_tile_networks_are_batched_and_the_others_queue(name: str) -> None:
    manifest = Store(MODELS).manifest(name)
    for file, kind in zip(FILES, ("KIND_CPU", "KIND_GPU"), strict=True):
        config = read(MODELS / name / file)
        assert (config.name, config.platform) == (name, "onnxruntime_onnx")
        assert (config.max_batch_size > 1) == (manifest.family in {"atoms", "dislocations"})
        policy = config.dynamic_batching.default_queue_policy
        assert 0 < policy.max_queue_size < 1000
        assert 0 < policy.default_timeout_microseconds <= 60_000_000
        assert policy.allow_timeout_override
        assert [pb.ModelInstanceGroup.Kind.Name(group.kind) for group in config.instance_group] == [kind]
        assert config.parameters["sha256.1"].string_value == manifest.files["onnx"].sha256
        assert len(config.model_warmup) == 1
        assert config.version_policy.latest.num_versions == 2
        assert not config.response_cache.enable


def test_choices_reach_the_configuration(folder: Path) -> None:
    write(Store(folder.parent), "atoms_blobs", Choices(instances=2, threads=3, cache=True))
    config = read(folder / "config.pbtxt")
    assert config.instance_group[0].count == 2
    assert config.parameters["intra_op_thread_count"].string_value == "3"
    assert config.response_cache.enable
    assert "intra_op_thread_count" not in read(folder / "configs" / "gpu.pbtxt").parameters


def test_torchscript_is_served_where_it_is_asked_for(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch = pytest.importorskip("torch")
    from model_store import manifest

    assert main(["triton", "--store", str(folder.parent), "--torchscript"]) == 1
    assert "has no torchscript file" in capsys.readouterr().err
    traced = torch.jit.trace(torch.nn.AvgPool2d(3, stride=1, padding=1), torch.zeros(1, 1, 8, 8))
    traced.save(folder / "1" / "model.pt")
    entry = manifest.load(folder)
    files = {**entry.files, "torchscript": manifest.weight_file(folder, "1/model.pt")}
    manifest.write(entry.model_copy(update={"files": files}), folder)
    assert main(["triton", "--store", str(folder.parent), "--torchscript"]) == 0
    config = read(folder / "config.pbtxt")
    assert (config.platform, config.default_model_filename) == ("pytorch_libtorch", "model.pt")
    assert config.parameters["sha256.1"].string_value == files["torchscript"].sha256
    (folder / "1" / "model.pt").write_bytes(b"nothing of the sort")
    assert "is not TorchScript" in str(problems(folder))


def test_check_writes_nothing_and_fails(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = str(folder.parent)
    assert main(["triton", "--store", store, "--check"]) == 0
    path = folder / "config.pbtxt"
    path.write_text(path.read_text().replace("max_queue_size: 64", "max_queue_size: 63"))
    before = path.read_text()
    assert main(["triton", "--store", store, "--check"]) == 1
    assert "config.pbtxt: is not what the manifest says" in capsys.readouterr().out
    assert path.read_text() == before
    assert main(["triton", "--store", store]) == 0
    assert "max_queue_size: 64" in path.read_text()


def test_every_version_has_its_checksum(folder: Path) -> None:
    shutil.copytree(folder / "1", folder / "2")
    write(Store(folder.parent), "atoms_blobs", Choices())
    assert set(read(folder / "config.pbtxt").parameters) == {"sha256.1", "sha256.2"}


def _rewritten(change: Callable[[onnx.ModelProto], None]) -> Callable[[Path], None]:
    def do(folder: Path) -> None:
        file = folder / "1" / "model.onnx"
        model = onnx.load(file)
        change(model)
        onnx.save(model, file)

    return do


def _replaced(old: str, new: str) -> Callable[[Path], None]:
    def do(folder: Path) -> None:
        path = folder / "config.pbtxt"
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new, 1))

    return do


def _reshaped(side: str, shape: list[int | str], kind: int = TensorProto.FLOAT) -> Callable[[Path], None]:
    def change(model: onnx.ModelProto) -> None:
        values = getattr(model.graph, side)
        values[0].CopyFrom(helper.make_tensor_value_info(values[0].name, kind, shape))

    return _rewritten(change)


def _external(model: onnx.ModelProto) -> None:
    tensor = numpy_helper.from_array(np.zeros(4, np.float32), "far")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="weights.bin")
    model.graph.initializer.append(tensor)


FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "no configuration": (lambda folder: (folder / "config.pbtxt").unlink(), "There is no config.pbtxt"),
    "unknown key": (_replaced("platform:", "plattform:"), "cannot be read.*plattform"),
    "name": (_replaced('name: "atoms_blobs"', 'name: "atoms_blob"'), "folder is called 'atoms_blobs'"),
    "platform": (_replaced("onnxruntime_onnx", "onnx"), "Use onnxruntime_onnx or pytorch_libtorch"),
    "rank": (_replaced("dims: [1, -1, -1]", "dims: [-1, 1, -1, -1]"), r"means \[-1, -1, 1, -1, -1\] with the batch"),
    "rank without batches": (_replaced("max_batch_size: 4", "max_batch_size: 0"), r"means \[1, -1, -1\]\."),
    "fixed batch": (_reshaped("input", [1, 1, "h", "w"]), "first length must vary for batches"),
    "fixed batch of the output": (_reshaped("output", [1, 1, "h", "w"]), "output.*first length must vary"),
    "dtype": (_reshaped("input", ["n", 1, "h", "w"], TensorProto.DOUBLE), "TYPE_FP32, in version 1 it is DOUBLE"),
    "length of an output": (_reshaped("output", ["n", 2, "h", "w"]), r"output 'probability' has the shape \[-1, 2,"),
    "name of a tensor": (_replaced('name: "probability"', 'name: "p"'), r"no output 'p'; it has \['probability'\]"),
    "one input too many": (
        _replaced("output {", 'input { name: "dose" data_type: TYPE_FP32 dims: [1] }\noutput {'),
        "takes 1 inputs, the configuration has 2",
    ),
    "dims": (_replaced("dims: [1, -1, -1]", "dims: [0, -1, -1]"), "at least 1, or -1"),
    "no type": (_replaced("data_type: TYPE_FP32", ""), "no data_type"),
    "newer opset": (_rewritten(lambda model: setattr(model.opset_import[0], "version", 24)), "opset 24.*up to 21"),
    "newer IR": (_rewritten(lambda model: setattr(model, "ir_version", 12)), "IR 12.*up to 10"),
    "operators of others": (
        _rewritten(lambda model: model.opset_import.append(helper.make_opsetid("org.example", 1))),
        "operators of 'org.example'",
    ),
    "weights elsewhere": (_rewritten(_external), "weights in 'weights.bin', which is not there"),
    "not ONNX": (lambda folder: (folder / "1" / "model.onnx").write_bytes(b"\xff" * 40), "is not ONNX"),
    "no weights": (lambda folder: (folder / "1" / "model.onnx").unlink(), "Version 1 has no model.onnx"),
    "folder of a version": (lambda folder: (folder / "1").rename(folder / "01"), "does not begin with 0"),
    "specific version": (
        _replaced("latest {\n    num_versions: 2\n  }", "specific { versions: [1, 3] }"),
        "asks for version 3",
    ),
    "preferred size": (
        _replaced("max_queue_delay_microseconds", "preferred_batch_size: [8]\n  max_queue_delay_microseconds"),
        "preferred_batch_size 8",
    ),
    "no instance": (_replaced("count: 1", "count: 0"), "0 instances"),
    "GPUs on a CPU": (_replaced("count: 1", "count: 1\n  gpus: [0]"), "names GPUs"),
    "batch of the warm-up": (_replaced("batch_size: 1", "batch_size: 9"), "has a batch of 9, the network takes 4"),
    "input of the warm-up": (_replaced('key: "micrograph"', 'key: "picture"'), r"has the inputs \['picture'\]"),
    "dims of the warm-up": (_replaced("dims: [1, 256, 256]", "dims: [2, 256, 256]"), "dims or a type"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_triton_refuses_is_named_with_a_remedy(fault: str, folder: Path) -> None:
    assert problems(folder) == []
    spoil, says = FAULTS[fault]
    spoil(folder)
    found = problems(folder)
    assert found
    assert all(problem.remedy for problem in found)
    assert any(re.search(says, str(problem)) for problem in found), [str(problem) for problem in found]
