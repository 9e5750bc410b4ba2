"""`python -m export …`: a trained network → a folder of the store, with a parity report."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from export import precision, readme
from export.atoms import commands as atoms
from export.defects import commands as defects
from export.defects.precision import FAMILY as DEFECTS
from export.dislocations import commands as dislocations
from export.dislocations.precision import FAMILY as DISLOCATIONS
from export.triton import commands as triton


def parser() -> argparse.ArgumentParser:
    """The command line: one command a family, what allows bf16, what Triton needs, and the README's table."""
    top = argparse.ArgumentParser(prog="python -m export", description=__doc__)
    families = top.add_subparsers(required=True, metavar="COMMAND")
    atoms.add_arguments(families.add_parser("atoms", help="a network for atom columns"))
    defects.add_arguments(families.add_parser("defects", help="a Mask R-CNN for irradiation defects"))
    dislocations.add_arguments(families.add_parser("dislocations", help="a U-Net++ for dislocation lines"))
    precisions = families.add_parser("precision", help="whether a model may be run in bf16")
    judged = precisions.add_subparsers(required=True, metavar="FAMILY")
    precision.add_arguments(judged.add_parser("defects", help="a Mask R-CNN, on labelled micrographs"), DEFECTS)
    precision.add_arguments(
        judged.add_parser("dislocations", help="a U-Net++, on synthetic pictures and labelled frames"), DISLOCATIONS
    )
    triton.add_arguments(families.add_parser("triton", help="the configurations with which Triton serves the store"))
    table = families.add_parser("readme", help="the table of models in the README, from the manifests")
    table.set_defaults(run=readme.run)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; the exit code."""
    options = parser().parse_args(arguments)
    return int(options.run(options))


if __name__ == "__main__":
    sys.exit(main())
