"""A manifest → the configuration with which Triton serves the model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2 as pb

from emserve.exceptions import StoreError
from model_store import manifest as manifests
from model_store.manifest import Manifest, Tensor, WeightFile, WeightFormat
from model_store.runtimes.triton.session import PLATFORMS

HEADER = "# Written from manifest.yaml by `python -m export triton`: change it there.\n"

KINDS = {"float32": pb.TYPE_FP32, "uint8": pb.TYPE_UINT8, "int64": pb.TYPE_INT64}
"""Types of the manifest's tensors, as Triton calls them."""

QUEUE = 64  # requests for one model that may wait; beyond them they are refused, and the service answers 429
QUEUE_S = 30  # a request that has waited for so long is refused too; it can ask for less
VERSIONS = 2  # the newest ones that are served: while fronts are replaced, some still ask for the one before
WARM_UP_PX = 256


@dataclass(frozen=True)
class Device:
    """Where a server runs.

    file: of the model's folder. most_tiles: in one batch; the memory for more is not worth the little that it is
    faster. delay_us: how long a tile may wait for others.
    """

    file: str
    kind: int
    most_tiles: int
    delay_us: int


DEVICES = {
    "cpu": Device("config.pbtxt", pb.ModelInstanceGroup.KIND_CPU, most_tiles=4, delay_us=2_000),
    "gpu": Device("configs/gpu.pbtxt", pb.ModelInstanceGroup.KIND_GPU, most_tiles=16, delay_us=5_000),
}


@dataclass(frozen=True)
class Choices:
    """What does not follow from the manifest.

    weights: which file is served. instances: how many copies of the network work at once. threads: processors of each
    copy on a CPU; None lets ONNX Runtime take all of the machine, even where the container may use less. cache:
    whether Triton keeps answers, for pictures that are sent again; the server has to be started with `--cache-config`.
    """

    weights: WeightFormat = "onnx"
    instances: int = 1
    threads: int | None = None
    cache: bool = False


def configuration(manifest: Manifest, folder: Path, device: Device, choices: Choices) -> Any:
    """The `ModelConfig` of a model's folder; raises StoreError where the manifest has no such weights."""
    weights = manifest.files.get(choices.weights)
    if weights is None:
        raise StoreError(
            f"The model '{manifest.name}' has no {choices.weights} file.",
            remedy=f"It has: {', '.join(manifest.files)}.",
            field="files",
        )
    batched = manifest.takes_batches
    config = pb.ModelConfig(
        name=manifest.name,
        platform=next(platform for platform, kind in PLATFORMS.items() if kind == choices.weights),
        default_model_filename=PurePosixPath(weights.path).name,
        max_batch_size=device.most_tiles if batched else 0,
        input=[
            pb.ModelInput(name=tensor.name, data_type=KINDS[tensor.dtype], dims=_dims(tensor, batched))
            for tensor in manifest.tensors.inputs
        ],
        output=[
            pb.ModelOutput(name=tensor.name, data_type=KINDS[tensor.dtype], dims=_dims(tensor, batched))
            for tensor in manifest.tensors.outputs
        ],
        version_policy=pb.ModelVersionPolicy(latest=pb.ModelVersionPolicy.Latest(num_versions=VERSIONS)),
        instance_group=[pb.ModelInstanceGroup(kind=device.kind, count=choices.instances)],
        # A network that takes one picture only has it for the sake of the queue.
        dynamic_batching=pb.ModelDynamicBatching(
            max_queue_delay_microseconds=device.delay_us if batched else 0,
            default_queue_policy=pb.ModelQueuePolicy(
                timeout_action=pb.ModelQueuePolicy.REJECT,
                default_timeout_microseconds=QUEUE_S * 1_000_000,
                allow_timeout_override=True,
                max_queue_size=QUEUE,
            ),
        ),
        model_warmup=[_warm_up(manifest, batched)],
        response_cache=pb.ModelResponseCache(enable=choices.cache),
    )
    for version, checksum in _versions(folder, weights).items():
        config.parameters[f"sha256.{version}"].string_value = checksum
    if choices.threads is not None and device.kind == pb.ModelInstanceGroup.KIND_CPU:
        name = "intra_op_thread_count" if choices.weights == "onnx" else "INTRA_OP_THREAD_COUNT"
        config.parameters[name].string_value = str(choices.threads)
    return config


def text(config: Any) -> str:
    """A `ModelConfig` as the text of a file."""
    return HEADER + str(text_format.MessageToString(config, use_short_repeated_primitives=True))


def _dims(tensor: Tensor, batched: bool) -> list[int]:
    return tensor.shape[1:] if batched else tensor.shape


def _warm_up(manifest: Manifest, batched: bool) -> Any:
    sample = pb.ModelWarmup(name="black picture", batch_size=1 if batched else 0)
    for tensor in manifest.tensors.inputs:
        sample.inputs[tensor.name].data_type = KINDS[tensor.dtype]
        sample.inputs[tensor.name].dims.extend(WARM_UP_PX if n == -1 else n for n in _dims(tensor, batched))
        sample.inputs[tensor.name].zero_data = True
    return sample


def _versions(folder: Path, weights: WeightFile) -> dict[str, str]:
    """The checksum of the weights in each version's folder; that of the manifest's own is what the manifest says."""
    own, file = PurePosixPath(weights.path).parts
    paths = {path.parent.name: path for path in folder.glob(f"*/{file}") if path.parent.name.isdecimal()}
    others = {version: manifests.sha256(path) for version, path in paths.items() if version != own}
    return dict(sorted({**others, own: weights.sha256}.items(), key=lambda item: int(item[0])))
