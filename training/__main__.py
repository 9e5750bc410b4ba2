"""`python -m training …`: train networks, evaluate them, generate synthetic micrographs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from training.atoms import commands as atoms
from training.atoms.synthetic import multislice
from training.defects import commands as defects_training
from training.defects.evaluation import command as defects_evaluation
from training.defects.synthetic import command as defects
from training.dislocations import commands as dislocations_training
from training.dislocations import evaluation_report as dislocations_evaluation
from training.dislocations.synthetic import command as dislocations


def parser() -> argparse.ArgumentParser:
    """The command line: train a family, evaluate it, or generate its pictures."""
    top = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    verbs = top.add_subparsers(required=True, metavar="COMMAND")
    atoms.add_training(verbs.add_parser("atoms", help="train a network for atom columns"))
    defects_training.add_training(verbs.add_parser("defects", help="train a network for irradiation defects"))
    dislocations_training.add_training(verbs.add_parser("dislocations", help="train a network for dislocation lines"))
    evaluate = verbs.add_parser("evaluate", help="measure a model on simulated and real micrographs")
    families = evaluate.add_subparsers(required=True, metavar="FAMILY")
    atoms.add_evaluation(families.add_parser("atoms", help="atom columns"))
    defects_evaluation.add_evaluation(families.add_parser("defects", help="irradiation defects"))
    dislocations_evaluation.add_evaluation(families.add_parser("dislocations", help="dislocation lines"))
    generate = verbs.add_parser("generate", help="write simulated micrographs with their truth")
    generated = generate.add_subparsers(required=True, metavar="FAMILY")
    atoms.add_generation(generated.add_parser("atoms", help="HAADF micrographs of five lattices"))
    cells = generated.add_parser("unit-cells", help="the multislice unit cells behind them (minutes; committed)")
    multislice.add_arguments(cells)
    cells.set_defaults(run=multislice.run)
    pictures = generated.add_parser("defects", help="bright-field micrographs of irradiation defects")
    defects.add_arguments(pictures)
    pictures.set_defaults(run=defects.run)
    patches = generated.add_parser("defect-backgrounds", help="windows without defects, cut out of real micrographs")
    defects.add_background_arguments(patches)
    patches.set_defaults(run=defects.run_backgrounds)
    dislocations.add_generation(generated)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; the exit code."""
    options = parser().parse_args(arguments)
    return int(options.run(options))


if __name__ == "__main__":
    sys.exit(main())
