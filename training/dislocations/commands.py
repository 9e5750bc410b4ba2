"""The command of the family: `python -m training dislocations`, from scratch or on from another run."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch
from pydantic import ValidationError

from emserve.exceptions import EmserveError
from training.dislocations.checkpoints import settings_of_start
from training.dislocations.labels import LabelError
from training.dislocations.loop import WrongStart, train
from training.dislocations.matching import MATCHINGS
from training.dislocations.networks import DEFAULT, NETWORKS
from training.dislocations.settings import BACKGROUNDS, Settings

DEFAULT_MINUTES = 90.0
FINE_TUNING_MINUTES = 10.0
FINE_TUNING_RATE = 3e-4


def add_training(parser: argparse.ArgumentParser) -> None:
    """Arguments of `python -m training dislocations`."""
    parser.description = (
        "Train a network for dislocation lines on synthetic pictures, made as it goes. With --start and --frames, "
        "fine-tune the network of another run, or a model of the store, on labelled frames: its settings are gone on "
        "with where none are given."
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the run: weights, settings, curves")
    parser.add_argument("--start", type=Path, metavar="RUN", help="run, or model of the store, to go on from")
    parser.add_argument("--frames", type=Path, metavar="DIR", help="labelled frames: pictures with labelme's JSON")
    parser.add_argument("--leave-out", nargs="+", metavar="PICTURE", help="frames to validate on, never trained on")
    parser.add_argument("--synthetic", type=float, help="share of synthetic pictures beside frames (default: 0.5)")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--steps", type=int, help="train this many steps: the same result on every machine of a kind")
    length.add_argument(
        "--minutes",
        type=float,
        help=f"train this long (default: {DEFAULT_MINUTES:g}; {FINE_TUNING_MINUTES:g} with --start)",
    )
    parser.add_argument("--network", choices=sorted(NETWORKS), help=f"default: {DEFAULT}")
    parser.add_argument("--masks", type=int, help="most lines that it tells apart (default: 20)")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--microstructures", nargs="+", metavar="KIND", help="M1, M2 or a JSON (default: M1 M2)")
    parser.add_argument("--backgrounds", nargs="+", choices=BACKGROUNDS)
    parser.add_argument("--background-folder", type=Path, metavar="DIR", help="micrographs for real backgrounds")
    parser.add_argument("--matching", choices=sorted(MATCHINGS), help="of lines and masks (default: optimal)")
    parser.add_argument("--empty-weight", type=float, help="how much masks without a line are pushed to empty")
    parser.add_argument("--batch", type=int)
    parser.add_argument("--size", type=int, dest="size_px", help="height and width of the pictures, px")
    parser.add_argument("--reuse", type=int, help="steps that see each synthetic picture, changed each time")
    parser.add_argument("--learning-rate", type=float, dest="peak_learning_rate")
    parser.add_argument("--precision", choices=("auto", "fp32", "bf16"))
    parser.add_argument("--workers", type=int, default=1, help="processes that make pictures")
    parser.add_argument("--threads", type=int, help="threads of the network (default: PyTorch's)")
    parser.add_argument("--resume", action="store_true", help="go on with the run in --out, with its own settings")
    parser.set_defaults(run=run_training)


def settings_of(options: argparse.Namespace) -> Settings:
    """The settings that a command line asks for.

    Raises:
        ValidationError: they make no sense. FileNotFoundError, StoreError: there is nothing to start from.
    """
    chosen: dict[str, object] = {"minutes": DEFAULT_MINUTES}
    if options.start is not None:
        chosen = {
            **settings_of_start(str(options.start)),
            "start": str(options.start),
            "minutes": FINE_TUNING_MINUTES,
            "peak_learning_rate": FINE_TUNING_RATE,
        }
    if options.frames is not None:
        chosen |= {"frames": str(options.frames), "synthetic": 0.5}
    given = {name: getattr(options, name, None) for name in Settings.model_fields if name not in ("start", "frames")}
    given["left_out"] = options.leave_out
    given["background_folder"] = None if options.background_folder is None else str(options.background_folder)
    if options.steps is not None:
        chosen["minutes"] = None
    return Settings.model_validate({**chosen, **{name: value for name, value in given.items() if value is not None}})


def run_training(options: argparse.Namespace) -> int:
    """Trains, or says what is wrong with the arguments."""
    if options.threads:
        torch.set_num_threads(options.threads)
    try:
        settings = Settings(steps=1) if options.resume else settings_of(options)
        train(settings, options.out, resume=options.resume, workers=options.workers)
    except (ValidationError, FileExistsError, FileNotFoundError, EmserveError, LabelError, WrongStart) as error:
        print(error, file=sys.stderr)
        return 2
    return 0
