"""A trained network for atom columns → a folder of the store, whole or not at all."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from export.atoms.card import card
from export.atoms.evidence import Equality
from export.atoms.samples import scaled_batch, write_samples
from export.folding import folded
from export.onnx import write_onnx
from export.parity import ParityError, ParityReport, compare
from export.torchscript import write_torchscript
from model_store.manifest import (
    FILE_NAME,
    Manifest,
    Precision,
    PrecisionRule,
    Sample,
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
from training.atoms.networks import AtomNetwork
from training.atoms.wrapping import BEST_PIXEL_SIZE_NM, PIXEL_SIZE_RANGE_NM, input_spec

INPUT, OUTPUT = "micrograph", "probability"
ANY = [-1, 1, -1, -1]
FP32_TOLERANCE = 1e-4
"""Largest difference of a map that another runtime may show in fp32; an export that exceeds it is refused."""
PARITY_SHAPES = ((1, 256, 256), (1, 512, 384), (3, 128, 192), (1, 264, 520))
SOURCES = (
    Source(
        what="paper",
        citation="A. Myronenko, 3D MRI brain tumor segmentation using autoencoder regularization, BrainLes 2018 "
        "(SegResNet, the idea of the architecture)",
    ),
    Source(
        what="data",
        citation="Simulated HAADF micrographs of this project: multislice unit cells of five lattices and a seeded "
        "microscope, training/atoms/synthetic",
    ),
)


@dataclass(frozen=True)
class Evidence:
    """What is known about a network besides its weights.

    training: for the manifest. scores: for the manifest. bf16: whether it scores the same there, None if nobody tried.
    """

    training: Training
    scores: dict[str, Any]
    bf16: Equality | None


def export_network(network: AtomNetwork, evidence: Evidence, folder: Path, *, version: str, default: bool) -> Manifest:
    """Writes the folder of a model: ONNX, TorchScript, parity report, sample, manifest, card.

    Everything is written beside the folder first and moved there at the end.

    Args:
        network: trained, in `eval`. folder: of the store; its name is the model's, and it is replaced.

    Raises:
        ParityError: a runtime differs from PyTorch by more than the tolerance in fp32.
    """
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    (partial / "1").mkdir(parents=True)
    plain = folded(network)
    example = torch.zeros(1, 1, 8 * network.multiple_of, 8 * network.multiple_of)
    write_onnx(plain, partial / "1" / "model.onnx", input_name=INPUT, output_name=OUTPUT, example=example)
    write_torchscript(plain, partial / "1" / "model.pt", example=example)
    files: dict[WeightFormat, WeightFile] = {
        "onnx": weight_file(partial, "1/model.onnx"),
        "torchscript": weight_file(partial, "1/model.pt"),
    }
    tensors = Tensors(
        inputs=[Tensor(name=INPUT, dtype="float32", shape=ANY)],
        outputs=[Tensor(name=OUTPUT, dtype="float32", shape=ANY)],
    )
    report = parity_report(network, partial, files, tensors)
    (partial / "parity.json").write_text(report.model_dump_json(indent=1) + "\n", encoding="utf-8")
    if report.worst("fp32") > FP32_TOLERANCE:
        raise ParityError(
            f"a map differs from PyTorch's by {report.worst('fp32'):.2g} in fp32, allowed is {FP32_TOLERANCE:g}; "
            f"{partial / 'parity.json'} says in which runtime"
        )
    sample = write_samples(network, partial, input_name=INPUT, output_name=OUTPUT)
    manifest = describe(
        network, folder.name, evidence, files, tensors, report, sample, version=version, default=default
    )
    (partial / "card.md").write_text(card(manifest, report), encoding="utf-8")
    (partial / FILE_NAME).write_text(dump(manifest), encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)
    return load(folder)


def parity_report(
    network: AtomNetwork, folder: Path, files: dict[WeightFormat, WeightFile], tensors: Tensors
) -> ParityReport:
    """The network against every runtime, on simulated micrographs of several sizes and batches."""
    inputs = [scaled_batch("si_110", (height, width), count=count) for count, height, width in PARITY_SHAPES]
    return compare(network, folder, files, tensors, inputs)


def precision_rules(report: ParityReport, bf16: Equality | None) -> dict[Precision, PrecisionRule]:
    """fp32 always; bf16 only where its scores were shown equal."""
    rules: dict[Precision, PrecisionRule] = {"fp32": PrecisionRule(tolerance={OUTPUT: FP32_TOLERANCE})}
    worst = report.worst("bf16")
    if bf16 is not None and bf16.holds and worst > 0:
        # Twice the largest difference seen: the order of a sum, and with it the rounding, differs between processors.
        tolerance = round(min(2 * worst, 0.5), 3)
        rules["bf16"] = PrecisionRule(tolerance={OUTPUT: tolerance}, evidence=bf16.sentence())
    return rules


def describe(
    network: AtomNetwork,
    name: str,
    evidence: Evidence,
    files: dict[WeightFormat, WeightFile],
    tensors: Tensors,
    report: ParityReport,
    sample: Sample,
    *,
    version: str,
    default: bool,
) -> Manifest:
    """The manifest of an exported network."""
    return Manifest(
        name=name,
        family="atoms",
        version=version,
        title="Atom columns in HAADF-STEM micrographs",
        architecture=network.title,
        parameters=network.parameter_count(),
        licence="MIT",
        authors=["emserve authors"],
        sources=list(SOURCES),
        default=default,
        files=files,
        tensors=tensors,
        input=json.loads(input_spec(network).model_dump_json()),
        precisions=precision_rules(report, evidence.bf16),
        training=evidence.training,
        scores=evidence.scores,
        valid_range={
            "modality": "HAADF-STEM of a crystal along a zone axis, columns bright on dark",
            "pixel_size_nm": list(PIXEL_SIZE_RANGE_NM),
            "best_pixel_size_nm": BEST_PIXEL_SIZE_NM,
            "nearest_column_distance_pm": [135, 400],
            "brightest_column_electrons_per_px": [5, 3000],
        },
        sample=sample,
    )
