"""`python -m export dislocations`: a training run → a folder of the store."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from analysis.dislocations.preprocess import InputSpec
from emserve.exceptions import EmserveError
from export.about import About, read_about
from export.dislocations.folder import Description, export_network
from export.dislocations.records import training_record
from export.dislocations.scores import collected, read_matrix
from export.parity import ParityError
from export.precision import Evidence
from model_store.store import MODELS
from training.dislocations.checkpoints import trained_network
from training.dislocations.serving import input_spec
from training.dislocations.settings import Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `python -m export dislocations`."""
    parser.description = (
        "Make a model of the store out of a training run: ONNX and TorchScript, compared with each other in every "
        "runtime that is installed, with a manifest, samples and a card."
    )
    parser.add_argument(
        "--run", type=Path, required=True, dest="run_folder", metavar="RUN", help="folder of a training run"
    )
    parser.add_argument("--name", required=True, help="of the model and of its folder: a-z, 0-9 and _")
    parser.add_argument("--store", type=Path, default=MODELS, help="folder of models (default: the one that ships)")
    parser.add_argument(
        "--about", type=Path, metavar="YAML", help="what the card says beyond figures; see export/about.py"
    )
    parser.add_argument(
        "--scores",
        type=Path,
        nargs="+",
        default=[],
        metavar="JSON",
        help="reports (evaluation.json) of `python -m training evaluate dislocations` on this run or its export",
    )
    parser.add_argument(
        "--matrix",
        type=Path,
        metavar="JSON",
        help="such a report on runs that each saw one kind of pictures",
    )
    parser.add_argument(
        "--evidence",
        type=Path,
        metavar="JSON",
        help="of `python -m export precision dislocations`, for bf16 to be allowed",
    )
    parser.add_argument("--threshold", type=float, help="of the masks, where none is asked for (default: 0.5)")
    parser.add_argument("--version", default="1.0.0")
    parser.add_argument("--default", action="store_true", help="make it the default model of its family")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Exports, prints what was written; the exit code."""
    run_folder: Path = options.run_folder
    folder: Path = options.store / options.name
    try:
        evidence = None
        if options.evidence is not None:
            evidence = Evidence.model_validate_json(options.evidence.read_text(encoding="utf-8"))
        network = trained_network(run_folder)
        spec = input_spec(network, Settings.read(run_folder))
        if options.threshold is not None:
            spec = InputSpec.model_validate(spec.model_dump() | {"threshold": options.threshold})
        description = Description(
            input=spec,
            about=About() if options.about is None else read_about(options.about),
            version=options.version,
            default=options.default,
            training=training_record(run_folder),
            scores=collected(options.scores, (str(run_folder), run_folder.name, options.name))
            | (read_matrix(options.matrix) if options.matrix else {}),
            bf16=evidence,
        )
        manifest = export_network(network, description, folder)
    except (EmserveError, ParityError, OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    size = manifest.files["onnx"].bytes / 2**20
    print(f"{folder}: {manifest.architecture}, {manifest.parameters:,} parameters, {size:.1f} MB")
    print(f"{network.masks} masks; precisions: {', '.join(manifest.precisions)}")
    if evidence is not None and not evidence.holds:
        print(f"bf16 is not allowed: it changes {evidence.largest[1]} by {evidence.largest[0]:.4f}")
    return 0
