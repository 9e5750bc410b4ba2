"""A Mask R-CNN → a folder of the store, whole or not at all."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from analysis.defects.preprocess import InputSpec
from analysis.micrograph import read_file
from export.about import About
from export.defects.card import card
from export.defects.conversion import INPUT, OUTPUTS, to_onnx, to_torchscript
from export.defects.parity import DetectionParity, DetectionReport, report
from export.defects.samples import INPUT_SIZE_PX, network_input, parity_inputs, write_micrographs, write_samples
from export.parity import ParityError
from export.precision import Evidence
from model_store.manifest import (
    FILE_NAME,
    Manifest,
    Precision,
    PrecisionRule,
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

TITLE = "Defects in electron micrographs"
TOLERANCE = {"boxes": 0.05, "scores": 1e-3, "classes": 0.0, "masks": 0.01}
"""Largest difference of a matched detection that another runtime may show in fp32: px, and probabilities."""
MATCHED = 0.98
"""Share of the detections that must have a partner. Not all: one at the threshold of score or overlap may tip over."""


@dataclass(frozen=True)
class Description:
    """What is known about a network besides its weights.

    about: what people say of it. scores: figures by data set, see `export.defects.scores`. bf16: its scores in bf16
    beside those in fp32.
    """

    input: InputSpec
    about: About = field(default_factory=About)
    version: str = "1.0.0"
    default: bool = False
    training: Training | None = None
    scores: dict[str, Any] = field(default_factory=dict)
    bf16: Evidence | None = None


def export_network(
    network: MaskRCNN, description: Description, folder: Path, *, sample: Path | None = None
) -> Manifest:
    """Writes the folder of a model: ONNX, TorchScript, parity report, sample, manifest, card.

    Everything is written beside the folder first and moved there at the end.

    Args:
        network: trained, in `eval`. folder: of the store; its name is the model's, and it is replaced. sample: a
            micrograph that ships beside it, by default two drawn ones.

    Raises:
        ParityError: in fp32 a runtime finds other detections than PyTorch.
        ValueError: the evidence for bf16 is of other weights.
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
    spec, about, evidence = description.input, description.about, description.bf16
    if evidence is not None and evidence.sha256 != files["onnx"].sha256:
        raise ValueError("the evidence for bf16 is of other weights: export without it, measure again, export with it")
    micrographs = write_micrographs(partial, spec, sample)
    middle = network_input(read_file(partial / micrographs[0]), spec, INPUT_SIZE_PX)
    parity = report(network, partial, files, tensors_of(network), parity_inputs(spec, middle))
    (partial / "parity.json").write_text(parity.model_dump_json(indent=1) + "\n", encoding="utf-8")
    refuse_differences(parity.of("fp32"), partial / "parity.json")
    manifest = Manifest(
        name=folder.name,
        family="defects",
        version=description.version,
        title=about.title or TITLE,
        architecture=architecture(network),
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        licence=about.licence,
        authors=list(about.authors),
        sources=list(about.sources),
        default=description.default,
        files=files,
        tensors=tensors_of(network),
        input=json.loads(spec.model_dump_json()),
        precisions=precision_rules(parity, evidence),
        training=description.training,
        scores=description.scores,
        valid_range=about.valid_range,
        sample=write_samples(network, partial, spec, micrographs),
    )
    (partial / "card.md").write_text(card(manifest, about, parity), encoding="utf-8")
    (partial / FILE_NAME).write_text(dump(manifest), encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)
    return load(folder)


def precision_rules(parity: DetectionReport, evidence: Evidence | None) -> dict[Precision, PrecisionRule]:
    """fp32 always; bf16 only where its scores were shown equal, with twice the differences that were seen."""
    rules: dict[Precision, PrecisionRule] = {"fp32": PrecisionRule(tolerance=dict(TOLERANCE))}
    seen = parity.of("bf16")
    if evidence is not None and evidence.holds and seen:
        rules["bf16"] = PrecisionRule(
            tolerance={
                "boxes": round(2 * max(entry.box_px for entry in seen), 2),
                "scores": round(min(2 * max(entry.score for entry in seen), 1.0), 3),
                "classes": 0.0,
                "masks": round(min(2 * max(entry.mask_probability for entry in seen), 1.0), 3),
            },
            evidence=evidence.sentence(),
        )
    return rules


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
