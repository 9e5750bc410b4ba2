"""A Mask R-CNN → a folder of the store, whole or not at all."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from analysis.defects.preprocess import InputSpec
from export.defects.card import card
from export.defects.conversion import INPUT, OUTPUTS, to_onnx, to_torchscript
from export.defects.parity import DetectionParity, report
from export.defects.samples import Grey, drawn_picture, network_input, write_samples
from model_store.manifest import (
    FILE_NAME,
    Manifest,
    PrecisionRule,
    Source,
    Tensor,
    Tensors,
    Training,
    WeightFile,
    WeightFormat,
    dump,
    load,
    weight_file,
)
from training.defects.networks import MaskRCNN

TOLERANCE = {"boxes": 0.05, "scores": 1e-3, "classes": 0.0, "masks": 0.01}
"""Largest difference of a matched detection that another runtime may show in fp32: px, and probabilities."""
MATCHED = 0.98
"""Share of the detections that must have a partner. Not all: one at the threshold of score or overlap may tip over."""
SIZES_PX = ((320, 384), (257, 511), (512, 512))


class ParityError(RuntimeError):
    """The exported files do not answer as the network does."""


@dataclass(frozen=True)
class Description:
    """What is known about a network besides its weights; the fields are those of the manifest."""

    title: str
    licence: str
    authors: Sequence[str]
    input: InputSpec
    version: str = "1.0.0"
    sources: Sequence[Source] = ()
    default: bool = False
    training: Training | None = None
    scores: dict[str, Any] = field(default_factory=dict)
    valid_range: dict[str, Any] = field(default_factory=dict)


def export_network(
    network: MaskRCNN, description: Description, folder: Path, *, sample: Grey | None = None
) -> Manifest:
    """Writes the folder of a model: ONNX, TorchScript, parity report, sample, manifest, card.

    Everything is written beside the folder first and moved there at the end.

    Args:
        network: trained, in `eval`. folder: of the store; its name is the model's, and it is replaced. sample: grey
            levels (H, W) of the picture that ships beside it, by default a drawn one.

    Raises:
        ParityError: in fp32 a runtime finds other detections than PyTorch.
    """
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    (partial / "1").mkdir(parents=True)
    to_onnx(network, partial / "1" / "model.onnx")
    to_torchscript(network, partial / "1" / "model.pt")
    files: dict[WeightFormat, WeightFile] = {
        "onnx": weight_file(partial, "1/model.onnx"),
        "torchscript": weight_file(partial, "1/model.pt"),
    }
    grey = drawn_picture() if sample is None else sample
    parity = report(network, partial, files, tensors_of(network), pictures(network, grey))
    (partial / "parity.json").write_text(parity.model_dump_json(indent=1) + "\n", encoding="utf-8")
    refuse_differences(parity.of("fp32"), partial / "parity.json")
    manifest = Manifest(
        name=folder.name,
        family="defects",
        version=description.version,
        title=description.title,
        architecture=architecture(network),
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        licence=description.licence,
        authors=list(description.authors),
        sources=list(description.sources),
        default=description.default,
        files=files,
        tensors=tensors_of(network),
        input=json.loads(description.input.model_dump_json()),
        precisions={"fp32": PrecisionRule(tolerance=dict(TOLERANCE))},
        training=description.training,
        scores=description.scores,
        valid_range=description.valid_range,
        sample=write_samples(network, partial, grey),
    )
    (partial / "card.md").write_text(card(manifest, parity), encoding="utf-8")
    (partial / FILE_NAME).write_text(dump(manifest), encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)
    return load(folder)


def tensors_of(network: MaskRCNN) -> Tensors:
    """The input and the outputs as the manifest describes them."""
    side = 2 * network.config.mask_head.resolution
    shapes = {"boxes": [-1, 4], "scores": [-1], "classes": [-1], "masks": [-1, side, side]}
    return Tensors(
        inputs=[Tensor(name=INPUT, dtype="float32", shape=[network.config.input_channels, -1, -1])],
        outputs=[
            Tensor(name=name, dtype="int64" if name == "classes" else "float32", shape=shapes[name]) for name in OUTPUTS
        ],
    )


def pictures(network: MaskRCNN, grey: Grey) -> list[npt.NDArray[np.float32]]:
    """Pictures of several sizes to compare runtimes on: parts of the sample, and drawn ones."""
    channels = network.config.input_channels
    drawn = [drawn_picture(seed, size) for seed, size in enumerate(SIZES_PX)]
    return [network_input(picture, channels) for picture in (grey[:512, :512], *drawn)]


def refuse_differences(comparisons: Sequence[DetectionParity], where: Path) -> None:
    """Raises ParityError that says what differs, in which runtime, at which size."""
    for entry in comparisons:
        differences = {"boxes": entry.box_px, "scores": entry.score, "masks": entry.mask_probability}
        too_far = [f"{name} by {value:.2g}" for name, value in differences.items() if value > TOLERANCE[name]]
        if entry.matched < MATCHED * max(entry.expected, entry.found):
            too_far.insert(0, f"{entry.matched} of {entry.expected} detections found among {entry.found}")
        if too_far:
            raise ParityError(
                f"{entry.runtime} differs from PyTorch in fp32 at {entry.shape}: {', '.join(too_far)}; see {where}"
            )


def architecture(network: MaskRCNN) -> str:
    """For the manifest: Mask R-CNN (ResNet-50-FPN)."""
    resnet = network.config.resnet
    grouped = f" {resnet.groups}×{resnet.width_per_group}d" if resnet.groups > 1 else ""
    name = "ResNeXt" if resnet.groups > 1 else "ResNet"
    return f"Mask R-CNN ({name}-{resnet.depth}{grouped}-FPN, {network.config.pyramid.channels} channels)"
