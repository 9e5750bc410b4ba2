"""What Triton and its backends check when they load a model, so that a fault is found before it is deployed.

After the source of Triton's core and of its onnxruntime and pytorch backends, which refuse the same with messages that
name no remedy. A server that refuses one model is not ready for any.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
from google.protobuf import text_format
from onnx import TensorProto
from tritonclient.grpc import model_config_pb2 as pb

from model_store.runtimes.triton.session import PLATFORMS

NEWEST_IR = 10
NEWEST_OPSET = 21
"""What the ONNX Runtime in release 24.10 reads (1.19); later ones read more."""
DOMAINS = {"", "ai.onnx", "ai.onnx.ml", "com.microsoft"}

_ONNX_KINDS = {
    TensorProto.FLOAT: pb.TYPE_FP32,
    TensorProto.FLOAT16: pb.TYPE_FP16,
    TensorProto.DOUBLE: pb.TYPE_FP64,
    TensorProto.UINT8: pb.TYPE_UINT8,
    TensorProto.INT8: pb.TYPE_INT8,
    TensorProto.INT32: pb.TYPE_INT32,
    TensorProto.INT64: pb.TYPE_INT64,
    TensorProto.BOOL: pb.TYPE_BOOL,
}
_AGAIN = "Write it anew with `python -m export triton`."


@dataclass(frozen=True)
class Problem:
    """Why Triton would not load a model, and what to do about it."""

    message: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}"


def problems(folder: Path, file: str = "config.pbtxt") -> list[Problem]:
    """All that Triton would refuse in a model's folder, with the configuration in `file`; empty if it would load."""
    path = folder / file
    if not path.is_file():
        return [Problem(f"There is no {file}.", _AGAIN)]
    config = pb.ModelConfig()
    try:
        text_format.Parse(path.read_text(encoding="utf-8"), config)
    except (text_format.ParseError, UnicodeDecodeError) as error:
        return [Problem(f"{file} cannot be read: {error}.", _AGAIN)]
    return [*_of_the_core(config, folder), *_of_the_weights(config, folder)]


def _of_the_core(config: Any, folder: Path) -> Iterator[Problem]:
    """What is checked whichever backend it is."""
    if config.name != folder.name:
        yield Problem(
            f"The folder is called '{folder.name}' and the configuration '{config.name}'.",
            "Give the folder the name of the model: the two must be equal.",
        )
    if config.platform not in PLATFORMS:
        yield Problem(f"The platform is '{config.platform}'.", f"Use {' or '.join(PLATFORMS)}.")
    for kind in ("input", "output"):
        tensors = getattr(config, kind)
        if not tensors:
            yield Problem(f"The configuration has no {kind}.", _AGAIN)
        for tensor in tensors:
            if not tensor.name or tensor.data_type == pb.TYPE_INVALID:
                yield Problem(f"The {kind} '{tensor.name}' has no name or no data_type.", _AGAIN)
            if not tensor.dims or any(length < 1 and length != -1 for length in tensor.dims):
                yield Problem(
                    f"The {kind} '{tensor.name}' has the dims {list(tensor.dims)}.",
                    "Each is a length of at least 1, or -1 where it varies; without the batch.",
                )
    if config.max_batch_size < 0:
        yield Problem(f"max_batch_size is {config.max_batch_size}.", "Set 0 for a network without batches.")
    for size in config.dynamic_batching.preferred_batch_size:
        if not 0 < size <= config.max_batch_size:
            yield Problem(f"preferred_batch_size {size} is not in 1 … {config.max_batch_size}.", _AGAIN)
    for group in config.instance_group:
        if group.count < 1:
            yield Problem(f"An instance group has {group.count} instances.", "Ask for one or more.")
        if group.gpus and group.kind == pb.ModelInstanceGroup.KIND_CPU:
            yield Problem("An instance group on CPUs names GPUs.", "Leave `gpus` out, or set KIND_GPU.")
    yield from _of_the_warm_up(config)


def _of_the_warm_up(config: Any) -> Iterator[Problem]:
    inputs = {tensor.name: tensor for tensor in config.input}
    for sample in config.model_warmup:
        if sample.batch_size > config.max_batch_size:
            yield Problem(
                f"The warm-up '{sample.name}' has a batch of {sample.batch_size}, the network takes "
                f"{config.max_batch_size}.",
                _AGAIN,
            )
        if set(sample.inputs) != set(inputs):
            yield Problem(
                f"The warm-up '{sample.name}' has the inputs {sorted(sample.inputs)}, the network {sorted(inputs)}.",
                _AGAIN,
            )
        for name, given in sample.inputs.items():
            wanted = list(inputs[name].dims) if name in inputs else []
            fits = len(wanted) == len(given.dims) and all(a in {-1, b} for a, b in zip(wanted, given.dims, strict=True))
            if name in inputs and not (fits and min(given.dims) > 0 and given.data_type == inputs[name].data_type):
                yield Problem(
                    f"The warm-up '{sample.name}' gives '{name}' dims or a type that the input has not.", _AGAIN
                )


def _of_the_weights(config: Any, folder: Path) -> Iterator[Problem]:
    """What is checked in each version that would be served."""
    is_onnx = PLATFORMS.get(config.platform, "onnx") == "onnx"
    file = config.default_model_filename or ("model.onnx" if is_onnx else "model.pt")
    # A folder whose name begins with 0 or is no number is passed over without a word.
    numbers = sorted(int(path.name) for path in folder.iterdir() if path.is_dir() and _is_version(path.name))
    policy = config.version_policy
    if policy.WhichOneof("policy_choice") == "specific":
        for number in sorted(set(policy.specific.versions) - set(numbers)):
            yield Problem(f"version_policy asks for version {number}, which has no folder.", _AGAIN)
        numbers = [number for number in numbers if number in policy.specific.versions]
    elif policy.WhichOneof("policy_choice") != "all":
        numbers = numbers[-max(1, policy.latest.num_versions) :]
    if not numbers:
        yield Problem(
            f"No folder of a version is served: there are {sorted(path.name for path in folder.iterdir())}.",
            f"Put the weights into 1/{file}; the name is a number that does not begin with 0.",
        )
    for number in numbers:
        weights = folder / str(number) / file
        if not weights.is_file():
            yield Problem(f"Version {number} has no {file}.", "Export the model again, or remove the folder.")
        elif is_onnx:
            yield from _of_onnx(config, weights, number)
        else:
            yield from _of_torchscript(config, weights, number)


def _is_version(name: str) -> bool:
    return name.isascii() and name.isdecimal() and not name.startswith("0")


def _of_onnx(config: Any, file: Path, number: int) -> Iterator[Problem]:
    try:
        model = onnx.load(file, load_external_data=False)
    except Exception as error:  # protobuf's own classes differ between its implementations
        yield Problem(f"Version {number} is not ONNX: {error}.", "Export the model again.")
        return
    if model.ir_version > NEWEST_IR:
        yield Problem(
            f"Version {number} has IR {model.ir_version}, the server's ONNX Runtime reads up to {NEWEST_IR}.",
            "Export it with `ir_version` 8 to 10.",
        )
    for opset in model.opset_import:
        if opset.domain in {"", "ai.onnx"} and opset.version > NEWEST_OPSET:
            yield Problem(
                f"Version {number} has opset {opset.version}, the server's ONNX Runtime reads up to {NEWEST_OPSET}.",
                "Export it with opset 17.",
            )
        if opset.domain not in DOMAINS:
            yield Problem(f"Version {number} needs operators of '{opset.domain}'.", "Use standard operators only.")
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location" and not (file.parent / entry.value).is_file():
                yield Problem(
                    f"Version {number} has weights in '{entry.value}', which is not there.",
                    "Put that file beside it, or export the model in one file.",
                )
    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in constants]
    if len(inputs) != len(config.input):
        yield Problem(
            f"Version {number} takes {len(inputs)} inputs, the configuration has {len(config.input)}.", _AGAIN
        )
    yield from _of_tensors("input", config.input, inputs, config.max_batch_size, number)
    yield from _of_tensors("output", config.output, model.graph.output, config.max_batch_size, number)


def _of_tensors(kind: str, ours: Any, theirs: Any, most: int, number: int) -> Iterator[Problem]:
    values = {value.name: value.type.tensor_type for value in theirs}
    for tensor in ours:
        what = f"{kind} '{tensor.name}'"
        value = values.get(tensor.name)
        if value is None:
            yield Problem(f"Version {number} has no {what}; it has {sorted(values)}.", "Use the network's own names.")
            continue
        if _ONNX_KINDS.get(value.elem_type) != tensor.data_type:
            found = TensorProto.DataType.Name(value.elem_type)
            yield Problem(
                f"The {what} is {pb.DataType.Name(tensor.data_type)}, in version {number} it is {found}.",
                "Correct `dtype` in the manifest and write the configuration anew.",
            )
        shape = [length.dim_value if length.HasField("dim_value") else -1 for length in value.shape.dim]
        if most > 0 and shape[:1] != [-1]:
            yield Problem(
                f"The {what} has the shape {shape} in version {number}: its first length must vary for batches.",
                "Export the network with a dynamic batch axis, or give the manifest's shapes a fixed one: then "
                "max_batch_size is 0.",
            )
            continue
        full = [-1] * (most > 0) + list(tensor.dims)
        # An input may leave open what the network fixes; an output must say exactly what it is.
        fits = len(full) == len(shape) and all(
            a == b or (kind == "input" and -1 in {a, b}) for a, b in zip(full, shape, strict=True)
        )
        if not fits:
            yield Problem(
                f"The {what} has the shape {shape} in version {number}, the configuration means {full}"
                f"{' with the batch in front, as max_batch_size is above 0' if most > 0 else ''}.",
                "Correct `shape` in the manifest and write the configuration anew.",
            )


def _of_torchscript(config: Any, file: Path, number: int) -> Iterator[Problem]:
    """libtorch knows neither names nor shapes of outputs: they are taken in the configuration's order."""
    import torch

    try:
        module = torch.jit.load(file, map_location="cpu")
    except (RuntimeError, ValueError) as error:
        yield Problem(f"Version {number} is not TorchScript: {str(error).splitlines()[0]}.", "Export the model again.")
        return
    arguments = [argument.name for argument in module.forward.schema.arguments if argument.name != "self"]
    if len(arguments) != len(config.input):
        yield Problem(
            f"Version {number} takes {len(arguments)} inputs, the configuration has {len(config.input)}.", _AGAIN
        )
    indexed = [tensor.name for tensor in config.output if "__" in tensor.name]
    if indexed and len(indexed) != len(config.output):
        yield Problem(f"Only some outputs are numbered: {', '.join(indexed)}.", "Number all with __0, __1, …, or none.")
