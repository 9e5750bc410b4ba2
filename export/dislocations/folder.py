"""A trained network for dislocation lines → a folder of the store, whole or not at all."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from analysis.dislocations.preprocess import InputSpec
from export.about import About
from export.dislocations.card import card
from export.dislocations.samples import PARITY_SHAPES, scaled_batch, write_samples
from export.folding import folded
from export.onnx import write_onnx
from export.parity import ParityError, ParityReport, compare
from export.precision import Evidence
from export.torchscript import write_torchscript
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
from training.dislocations.networks import LineNetwork
from training.dislocations.networks.stored import CONFIG, StoredConfig

TITLE = "Dislocation lines in electron micrographs"
INPUT, OUTPUT = "micrograph", "masks"
FP32_TOLERANCE = 1e-3
"""Largest difference of a mask that another runtime may show in fp32; an export that exceeds it is refused."""


@dataclass(frozen=True)
class Description:
    """What is known about a network besides its weights.

    about: what people say of it. scores: figures by set of pictures, see `export.dislocations.scores`. bf16: its
    scores in bf16 beside those in fp32.
    """

    input: InputSpec
    about: About = field(default_factory=About)
    version: str = "1.0.0"
    default: bool = False
    training: Training | None = None
    scores: dict[str, Any] = field(default_factory=dict)
    bf16: Evidence | None = None


def export_network(network: LineNetwork, description: Description, folder: Path) -> Manifest:
    """Writes the folder of a model: ONNX, TorchScript, parity report, sample, manifest, card.

    The TorchScript file answers bit for bit as the network does, and `training.dislocations.networks.stored` makes a
    network out of it again; in the ONNX file the norms are folded into the convolutions. Everything is written beside
    the folder first and moved there at the end.

    Args:
        network: trained, in `eval`. folder: of the store; its name is the model's, and it is replaced.

    Raises:
        ParityError: a runtime differs from PyTorch by more than the tolerance in fp32.
        ValueError: the evidence for bf16 is of other weights.
    """
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    (partial / "1").mkdir(parents=True)
    example = torch.zeros(1, 1, 2 * network.stride, 3 * network.stride)
    write_onnx(folded(network), partial / "1" / "model.onnx", input_name=INPUT, output_name=OUTPUT, example=example)
    config = StoredConfig(network=network.name, masks=network.masks).model_dump_json()
    write_torchscript(network, partial / "1" / "model.pt", example=example, extra={CONFIG: config})
    files: dict[WeightFormat, WeightFile] = {
        "onnx": weight_file(partial, "1/model.onnx"),
        "torchscript": weight_file(partial, "1/model.pt"),
    }
    evidence, about = description.bf16, description.about
    if evidence is not None and evidence.sha256 != files["onnx"].sha256:
        raise ValueError("the evidence for bf16 is of other weights: export without it, measure again, export with it")
    tensors = tensors_of(network)
    inputs = [scaled_batch(shape, network.masks) for shape in PARITY_SHAPES]
    report = compare(network, partial, files, tensors, inputs)
    (partial / "parity.json").write_text(report.model_dump_json(indent=1) + "\n", encoding="utf-8")
    if report.worst("fp32") > FP32_TOLERANCE:
        raise ParityError(
            f"a mask differs from PyTorch's by {report.worst('fp32'):.2g} in fp32, allowed is {FP32_TOLERANCE:g}; "
            f"{partial / 'parity.json'} says in which runtime"
        )
    manifest = Manifest(
        name=folder.name,
        family="dislocations",
        version=description.version,
        title=about.title or TITLE,
        architecture=network.title,
        parameters=network.parameter_count(),
        licence=about.licence,
        authors=list(about.authors),
        sources=list(about.sources),
        default=description.default,
        files=files,
        tensors=tensors,
        input=json.loads(description.input.model_dump_json()),
        precisions=precision_rules(report, evidence),
        training=description.training,
        scores=description.scores,
        valid_range=about.valid_range,
        sample=write_samples(network, partial, input_name=INPUT, output_name=OUTPUT),
    )
    (partial / "card.md").write_text(card(manifest, about, report), encoding="utf-8")
    (partial / FILE_NAME).write_text(dump(manifest), encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)
    return load(folder)


def tensors_of(network: LineNetwork) -> Tensors:
    """The input and the output as the manifest describes them; -1 is a size that may vary."""
    return Tensors(
        inputs=[Tensor(name=INPUT, dtype="float32", shape=[-1, 1, -1, -1])],
        outputs=[Tensor(name=OUTPUT, dtype="float32", shape=[-1, network.masks, -1, -1])],
    )


def precision_rules(report: ParityReport, evidence: Evidence | None) -> dict[Precision, PrecisionRule]:
    """fp32 always; bf16 only where its scores were shown equal, with twice the difference that was seen."""
    rules: dict[Precision, PrecisionRule] = {"fp32": PrecisionRule(tolerance={OUTPUT: FP32_TOLERANCE})}
    worst = report.worst("bf16")
    if evidence is not None and evidence.holds and worst > 0:
        tolerance = round(min(2 * worst, 1.0), 3)
        rules["bf16"] = PrecisionRule(tolerance={OUTPUT: tolerance}, evidence=evidence.sentence())
    return rules
