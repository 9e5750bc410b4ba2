"""`python -m export defects`: a run of our own training, or a user's network of Detectron2 → the store."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from analysis.defects.preprocess import InputSpec
from emserve.exceptions import EmserveError
from export.about import About, read_about
from export.defects.folder import Description, export_network
from export.defects.records import training_record
from export.defects.scores import named_scores
from export.parity import ParityError
from export.precision import Evidence
from model_store.manifest import Source
from model_store.store import MODELS
from training.defects.building import trained_network
from training.defects.networks import MaskRCNN
from training.defects.networks.detectron2 import load
from training.defects.networks.detectron2_config import PredictorScale
from training.defects.serving import spec_of_run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `python -m export defects`."""
    parser.description = (
        "Make a model of the store out of a trained Mask R-CNN: ONNX and TorchScript, compared with each other in "
        "every runtime that is installed, with a manifest, samples and a card."
    )
    origin = parser.add_mutually_exclusive_group(required=True)
    origin.add_argument("--run", type=Path, dest="run_folder", metavar="RUN", help="folder of a training run")
    origin.add_argument(
        "--detectron2",
        nargs=2,
        type=Path,
        metavar=("CONFIG", "CHECKPOINT"),
        help="the config.yaml and the model_final.pth that Detectron2 wrote",
    )
    parser.add_argument("--name", required=True, help="of the model and of its folder: a-z, 0-9 and _")
    parser.add_argument("--store", type=Path, default=MODELS, help="folder of models (default: the one that ships)")
    parser.add_argument(
        "--classes", metavar="A,B,…", help="names of a Detectron2 network's classes, in the order of its training"
    )
    parser.add_argument("--sample", type=Path, metavar="FILE", help="a micrograph to ship beside it as its sample")
    parser.add_argument(
        "--about", type=Path, metavar="YAML", help="what the card says beyond figures; see export/about.py"
    )
    parser.add_argument(
        "--scores",
        nargs="+",
        default=[],
        metavar="TITLE=CSV",
        help="tables of `python -m training evaluate defects`, each with the title that the card gives it",
    )
    parser.add_argument(
        "--evidence", type=Path, metavar="JSON", help="of `python -m export precision defects`, for bf16 to be allowed"
    )
    parser.add_argument("--score", type=float, help="the least that counts as found, where none is asked for")
    parser.add_argument("--title")
    parser.add_argument("--version", default="1.0.0")
    parser.add_argument("--licence", help="of the weights")
    parser.add_argument("--author", action="append", metavar="NAME", help="of the weights; may be given several times")
    parser.add_argument("--default", action="store_true", help="make it the default model of its family")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Exports, prints what was written; the exit code."""
    folder: Path = options.store / options.name
    try:
        about = _about(options)
        evidence = None
        if options.evidence is not None:
            evidence = Evidence.model_validate_json(options.evidence.read_text(encoding="utf-8"))
        common: dict[str, Any] = {
            "version": options.version,
            "default": options.default,
            "scores": named_scores(options.scores),
            "bf16": evidence,
        }
        if options.run_folder is not None:
            network = trained_network(options.run_folder)
            spec, record = spec_of_run(options.run_folder, network), training_record(options.run_folder)
            description = Description(input=spec, about=about, training=record, **common)
        else:
            config, checkpoint = options.detectron2
            network, description = _of_detectron2(config, checkpoint, _names(options.classes), about, common)
        if options.score is not None:
            spec = InputSpec.model_validate(description.input.model_dump() | {"score": options.score})
            description = replace(description, input=spec)
        manifest = export_network(network, description, folder, sample=options.sample)
    except (EmserveError, ParityError, OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    size = manifest.files["onnx"].bytes / 2**20
    print(f"{folder}: {manifest.architecture}, {manifest.parameters:,} parameters, {size:.1f} MB")
    print(f"classes: {', '.join(network.config.classes)}; precisions: {', '.join(manifest.precisions)}")
    if evidence is not None and not evidence.holds:
        print(f"bf16 is not allowed: it changes {evidence.largest[1]} by {evidence.largest[0]:.4f}")
    if options.detectron2 and not options.classes:
        print("Detectron2 keeps the names of classes elsewhere: --classes names them.")
    return 0


def detectron2_spec(network: MaskRCNN, scale: PredictorScale) -> InputSpec:
    """The `input` of the manifest: pictures as Detectron2's predictor would give them to the network."""
    return InputSpec(
        classes=network.config.classes,
        channels=1 if network.config.input_channels == 1 else 3,
        grey_levels="as_is",
        shortest_px=scale.shortest_px,
        longest_px=scale.longest_px,
        # A picture that the predictor would have scaled is not cut, as it was not in training.
        tile_px=max(1024, scale.longest_px) if scale.shortest_px else 1024,
        lowest_score=network.config.regions.score_threshold,
        most_detections=network.config.regions.detections,
    )


def _of_detectron2(
    config: Path, checkpoint: Path, classes: Sequence[str] | None, about: About, common: dict[str, Any]
) -> tuple[MaskRCNN, Description]:
    network, scale = load(config, checkpoint, classes)
    source = Source(what="weights", citation=f"a checkpoint of Detectron2, {checkpoint.name}")
    about = about.model_copy(update={"sources": (*about.sources, source)})
    return network, Description(input=detectron2_spec(network, scale), about=about, **common)


def _about(options: argparse.Namespace) -> About:
    """The YAML's facts; what the command line says wins."""
    about = About() if options.about is None else read_about(options.about)
    said = {"title": options.title, "licence": options.licence, "authors": options.author}
    return About.model_validate(about.model_dump() | {name: value for name, value in said.items() if value})


def _names(text: str | None) -> list[str] | None:
    return [name.strip() for name in text.split(",")] if text else None
