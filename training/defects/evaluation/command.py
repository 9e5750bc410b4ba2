"""`python -m training evaluate defects`: its arguments."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from training.defects.commands import add_run_arguments, add_source_arguments
from training.defects.evaluation.splits import DRAWS, PERCENTS, TEST_PERCENT
from training.settings import in_words

_EPILOG = """\
examples:
  a model of the store and a run of your own, ranked, with pictures to look at
    python -m training evaluate defects --images micrographs --labels defects.csv --thickness-nm 100 \\
        --model defects_maskrcnn runs/mine --overlays --out evaluation
  how well the way of training does on an alloy it has never seen
    python -m training evaluate defects --images micrographs --labels defects.csv \\
        --learn --start defects_maskrcnn --minutes 30 --groups micrographs/images.csv --by alloy --out alloys
  how far two people agree
    python -m training evaluate defects --images frames --labels first --against second --class-name loop

What is written and how it is defined: training/defects/evaluation/README.md
"""


def add_evaluation(parser: argparse.ArgumentParser) -> None:
    """Arguments of `python -m training evaluate defects`."""
    parser.description = "Measure models for irradiation defects on labelled micrographs, through the served pipeline."
    parser.epilog = _EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--out", type=Path, required=True, help="folder for tables, plots and kept predictions")
    _add_pictures(parser.add_argument_group("labelled pictures"))
    _add_contestants(parser.add_argument_group("what is judged"))
    _add_splits(parser.add_argument_group("splits (default: all pictures at once, for what does not learn)"))
    judging = parser.add_argument_group("judging")
    judging.add_argument("--iou", type=float, default=0.3, help="a defect is found above this IoU (default: 0.3)")
    judging.add_argument(
        "--barrier", type=_barrier, nargs="+", default=[], metavar="CLASS=ALPHA", help="strengths, for the hardening"
    )
    judging.add_argument("--overlays", action="store_true", help="draw truth and prediction over every picture")
    judging.add_argument("--resume", action="store_true", help="go on with an evaluation that was interrupted in --out")
    add_run_arguments(parser)
    parser.set_defaults(run=run_evaluation)


def _add_pictures(group: argparse._ArgumentGroup) -> None:
    add_source_arguments(group, required=True)
    some = group.add_mutually_exclusive_group()
    some.add_argument("--pictures", nargs="+", metavar="FILE", help="only these")
    some.add_argument("--left-out-of", type=Path, metavar="RUN", help="only those that this training run has not seen")


def _add_contestants(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--model", nargs="+", default=[], help="folders of training runs, or models of the store")
    group.add_argument("--against", type=Path, metavar="LABELS", help="judge a second set of labels, as of --labels")
    group.add_argument(
        "--learn", action="store_true", help="train a network for each split, by the options of training"
    )
    group.add_argument("--score", type=float, help="the least that counts as found (default: the model's own)")
    group.add_argument("--store", type=Path, help="folder of models (default: the one that ships)")
    group.add_argument("--runtime", help="of models of the store; --precision says in which precision they are run")
    group.add_argument("--workers", type=int, default=1, help="processes that make pictures for training")


def _add_splits(group: argparse._ArgumentGroup) -> None:
    kind = group.add_mutually_exclusive_group()
    kind.add_argument("--folds", type=int, metavar="K", help="random k-fold; as many as pictures leave out one each")
    kind.add_argument(
        "--leave-out",
        type=float,
        nargs="*",
        metavar="PERCENT",
        help=f"leave so many percent out at random (default: {PERCENTS[0]:g} to {PERCENTS[-1]:g})",
    )
    kind.add_argument("--by", nargs="+", metavar="COLUMN", help="leave each group out: a column such as alloy")
    kind.add_argument(
        "--curve",
        type=int,
        nargs="*",
        metavar="N",
        help=f"learning curve: learn from N pictures, judged on the {TEST_PERCENT:g} %% that are left out",
    )
    group.add_argument("--groups", type=Path, metavar="CSV", help="of --by (default: images.csv beside the pictures)")
    group.add_argument("--draws", type=int, default=DRAWS, help=f"of --leave-out and --curve (default: {DRAWS})")
    group.add_argument("--seeds", type=int, nargs="+", metavar="SEED", help="all again for each of these")


def run_evaluation(options: argparse.Namespace) -> int:
    """Evaluates, prints the figures and writes tables and plots; the exit code."""
    # Training needs neither the store nor the readers of microscope files, so it does without importing them.
    from emserve.exceptions import EmserveError
    from training.defects.evaluation.evaluation import evaluate

    try:
        evaluate(options)
    except (ValueError, OSError, EmserveError) as error:
        print(in_words(error), file=sys.stderr)
        return 2
    return 0


def _barrier(text: str) -> tuple[str, float]:
    name, _, strength = text.partition("=")
    try:
        return name, float(strength)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: write CLASS=ALPHA") from None
