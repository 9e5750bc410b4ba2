"""`python -m export defects --detectron2 config.yaml model_final.pth --name X`: a user's network → the store."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from analysis.defects.preprocess import InputSpec
from emserve.exceptions import EmserveError
from export.defects.folder import Description, ParityError, export_network
from export.defects.samples import grey_picture
from model_store.manifest import Source
from model_store.store import MODELS
from training.defects.networks import MaskRCNN
from training.defects.networks.detectron2 import load
from training.defects.networks.detectron2_config import PredictorScale

NOT_STATED = "not stated"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `python -m export defects`."""
    parser.description = (
        "Make a model of the store out of a Mask R-CNN that Detectron2 trained: ONNX and TorchScript, compared with "
        "each other in every runtime that is installed, with a manifest, a sample and a card."
    )
    parser.add_argument(
        "--detectron2",
        nargs=2,
        type=Path,
        required=True,
        metavar=("CONFIG", "CHECKPOINT"),
        help="the config.yaml and the model_final.pth that Detectron2 wrote",
    )
    parser.add_argument("--name", required=True, help="of the model and of its folder: a-z, 0-9 and _")
    parser.add_argument("--store", type=Path, default=MODELS, help="folder of models (default: the one that ships)")
    parser.add_argument(
        "--classes", metavar="A,B,…", help="names of its classes, in the order of training, such as loop_111,black_dot"
    )
    parser.add_argument("--sample", type=Path, metavar="FILE", help="a micrograph to ship beside it as its sample")
    parser.add_argument("--title", default="Defects in electron micrographs")
    parser.add_argument("--version", default="1.0.0")
    parser.add_argument("--licence", default=NOT_STATED, help="of the weights")
    parser.add_argument("--author", action="append", metavar="NAME", help="of the weights; may be given several times")
    parser.add_argument("--default", action="store_true", help="make it the default model of its family")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Exports, prints what was written; the exit code."""
    config, checkpoint = options.detectron2
    try:
        classes = [name.strip() for name in options.classes.split(",")] if options.classes else None
        network, scale = load(config, checkpoint, classes)
        spec = input_spec(network, scale)
        manifest = export_network(
            network,
            Description(
                title=options.title,
                licence=options.licence,
                authors=options.author or [NOT_STATED],
                version=options.version,
                sources=[Source(what="weights", citation=f"a checkpoint of Detectron2, {checkpoint.name}")],
                default=options.default,
                input=spec,
            ),
            options.store / options.name,
            sample=None if options.sample is None else grey_picture(options.sample, spec),
        )
    except (EmserveError, ParityError, OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    size = manifest.files["onnx"].bytes / 2**20
    print(f"{options.store / options.name}: {manifest.architecture}, {manifest.parameters:,} parameters, {size:.1f} MB")
    print(f"classes: {', '.join(network.config.classes)}")
    if classes is None:
        print("Detectron2 keeps the names of classes elsewhere: --classes names them.")
    return 0


def input_spec(network: MaskRCNN, scale: PredictorScale) -> InputSpec:
    """The `input` of the manifest: pictures as Detectron2's predictor would give them to the network."""
    return InputSpec(
        classes=network.config.classes,
        channels=1 if network.config.input_channels == 1 else 3,
        grey_levels="as_is",
        shortest_px=scale.shortest_px,
        longest_px=scale.longest_px,
        # A picture that the predictor would have scaled is not cut, as it was not in training.
        tile_px=max(1024, scale.longest_px) if scale.shortest_px else 1024,
        most_detections=network.config.regions.detections,
    )
