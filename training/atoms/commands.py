"""The commands of the family: `python -m training atoms` and `python -m training evaluate atoms`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch
from pydantic import ValidationError

from training.atoms.loop import train
from training.atoms.networks import DEFAULT, NETWORKS
from training.atoms.settings import Settings
from training.atoms.synthetic import LATTICES, RANDOM
from training.atoms.synthetic import command as generation

DEFAULT_MINUTES = 40.0


def add_training(parser: argparse.ArgumentParser) -> None:
    """Arguments of `python -m training atoms`."""
    parser.description = "Train a network for atom columns on synthetic micrographs, made as it goes."
    parser.add_argument("--out", type=Path, required=True, help="folder of the run: weights, settings, curves")
    parser.add_argument("--network", choices=sorted(NETWORKS), default=DEFAULT)
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--steps", type=int, help="train this many steps: the same result on every machine of a kind")
    length.add_argument("--minutes", type=float, help=f"train this long (default: {DEFAULT_MINUTES:g})")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--lattices", nargs="+", choices=LATTICES, default=list(LATTICES), metavar="LATTICE")
    parser.add_argument("--leave-out", nargs="+", choices=LATTICES, default=[], metavar="LATTICE")
    parser.add_argument("--random-share", type=float, default=0.35, help="share of pictures of random lattices")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--size", type=int, default=256, help="height and width of the pictures, px")
    parser.add_argument("--reuse", type=int, default=1, help="steps that see each picture, turned and scaled anew")
    parser.add_argument("--precision", choices=("auto", "fp32", "bf16"), default="auto")
    parser.add_argument("--workers", type=int, default=1, help="processes that make pictures")
    parser.add_argument("--threads", type=int, help="threads of the network (default: PyTorch's)")
    parser.add_argument("--resume", action="store_true", help="go on with the run in --out, with its own settings")
    parser.set_defaults(run=run_training)


def run_training(options: argparse.Namespace) -> int:
    """Trains, or says what is wrong with the arguments."""
    if options.threads:
        torch.set_num_threads(options.threads)
    try:
        settings = Settings(
            network=options.network,
            seed=options.seed,
            steps=options.steps,
            minutes=None if options.steps else options.minutes or DEFAULT_MINUTES,
            batch=options.batch,
            size_px=options.size,
            lattices=tuple(name for name in options.lattices if name not in options.leave_out),
            random_share=options.random_share,
            reuse=options.reuse,
            precision=options.precision,
        )
        train(settings, options.out, resume=options.resume, workers=options.workers)
    except (ValidationError, FileExistsError, FileNotFoundError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def add_generation(parser: argparse.ArgumentParser) -> None:
    """Arguments of `python -m training generate atoms`."""
    generation.add_arguments(parser)
    parser.set_defaults(run=generation.run)


def add_evaluation(parser: argparse.ArgumentParser) -> None:
    """Arguments of `python -m training evaluate atoms`."""
    parser.description = "Measure a model through the served pipeline, on simulated and on real micrographs."
    parser.add_argument("--model", required=True, help="folder of a training run, or name of a model of the store")
    parser.add_argument("--out", type=Path, help="folder for evaluation.json and overlays (default: the run's)")
    parser.add_argument("--name", default="evaluation", help="name of the JSON file")
    every = (*LATTICES, RANDOM)
    parser.add_argument("--lattices", nargs="+", choices=every, default=list(every), metavar="LATTICE")
    parser.add_argument("--pictures", type=int, default=10, help="simulated pictures of each lattice")
    parser.add_argument("--quality", nargs="+", choices=("usual", "wide"), default=["usual", "wide"])
    parser.add_argument("--real", type=Path, default=Path("../shared/data/atom_columns"), help="real micrographs")
    parser.add_argument("--store", type=Path, help="folder of models (default: the one that ships)")
    parser.add_argument("--runtime", help="of a model of the store")
    parser.add_argument("--precision", choices=("fp32", "bf16"), help="of a model of the store")
    parser.add_argument("--threshold", type=float)
    parser.add_argument("--postprocess", choices=("log", "otsu"), default="log")
    parser.set_defaults(run=run_evaluation)


def run_evaluation(options: argparse.Namespace) -> int:
    """Evaluates, prints a table and writes the JSON and the overlays."""
    # Training needs neither the store nor the readers of microscope files, so it does without importing them.
    from training.atoms.evaluation_report import evaluate

    return evaluate(options)
