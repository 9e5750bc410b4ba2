"""The command `emserve`: micrographs on the command line.

Exit codes: 0 all done, 1 some files failed (the others are written), 2 usage, 130 interrupted.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import emserve

DONE, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130

_ATOMS_EPILOG = """\
Where PATH of --json, --csv or --overlay is an existing folder or ends with /, every micrograph gets a file of its own
there, named after it. Otherwise all go into that one file: a CSV has the heading `micrograph` in front, a JSON is a
list (or one answer per line, where PATH ends with .jsonl), each answer with its `file`; for one micrograph neither is
added. PATH - is the standard output. Settings: EMSERVE_URL, EMSERVE_API_KEY.
"""


def parser() -> argparse.ArgumentParser:
    """All commands and options."""
    top = argparse.ArgumentParser(
        prog="emserve", description="Electron micrographs in, calibrated answers out.", allow_abbrev=False
    )
    top.add_argument("--version", action="version", version=f"emserve {emserve.__version__}", help="print the version")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    connection = argparse.ArgumentParser(add_help=False)
    connection.add_argument("--url", help="address of the server (default: EMSERVE_URL, else http://127.0.0.1:3000)")
    connection.add_argument("--api-key", metavar="KEY", help="API key (default: EMSERVE_API_KEY, else none)")
    connection.add_argument(
        "--timeout", metavar="SECONDS", type=_positive, default=330.0, help="longest wait for an answer (default: 330)"
    )

    atoms = commands.add_parser(
        "atoms",
        parents=[connection],
        help="find the atom columns of micrographs",
        description="Find the atom columns of micrographs.",
        epilog=_ATOMS_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    atoms.add_argument("files", metavar="FILE", nargs="+", type=Path, help="micrograph; an .emi means its .ser")
    atoms.add_argument(
        "--pixel-size-nm", metavar="NM", type=_pixel_size, help="pixel size, or X,Y; wins over what the file says"
    )
    atoms.add_argument("--model", metavar="NAME", help="model to use (default: the server's; see `emserve models`)")
    atoms.add_argument(
        "--threshold", metavar="T", type=_threshold, help="height of the network's map that counts as a column, 0 to 1"
    )
    atoms.add_argument(
        "--postprocess", metavar="WAY", choices=("log", "otsu"), help="from the network's map to columns: log or otsu"
    )
    atoms.add_argument("--no-refine", action="store_true", help="do not fit a 2D Gaussian to each column")
    atoms.add_argument("--frame", metavar="N", type=_frame, help="frame of a stack, from 0 (default: 0)")
    atoms.add_argument("--json", metavar="PATH", help="write the whole answers")
    atoms.add_argument("--csv", metavar="PATH", help="write one row per atom column")
    atoms.add_argument("--overlay", metavar="PATH", help="write PNGs of the micrographs with the columns marked")
    atoms.add_argument(
        "--concurrency", metavar="N", type=_count, default=4, help="micrographs sent at a time (default: 4)"
    )

    models = commands.add_parser(
        "models",
        parents=[connection],
        help="list the models of the server",
        description="List the models of a server.",
        allow_abbrev=False,
    )
    models.add_argument("--json", action="store_true", help="as JSON instead of a table")
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    # A terminal of another encoding shows ? for ° rather than to fail.
    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="replace")
    top = parser()
    try:
        options = top.parse_args(arguments)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else USAGE

    from emserve.cli import batch, listing

    try:
        if options.command == "models":
            return listing.run(options)
        return asyncio.run(batch.run(options))
    # What the server finds wrong with a file's parameters is told with the file; here it is the command line itself.
    except (batch.UsageError, emserve.InvalidParameter) as error:
        print(f"emserve: {error}", file=sys.stderr)
        return USAGE
    except emserve.EmserveError as error:
        print(f"emserve: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("emserve: interrupted.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of the pipe has gone; Python would complain once more when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
    if not math.isfinite(number):
        raise argparse.ArgumentTypeError(f"{text} is not a finite number")
    return number


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None


def _positive(text: str) -> float:
    number = _number(text)
    if number <= 0:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return number


def _threshold(text: str) -> float:
    number = _number(text)
    if not 0 < number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return number


def _pixel_size(text: str) -> float | tuple[float, float]:
    match [_positive(part) for part in text.split(",")]:
        case [both]:
            return both
        case [x, y]:
            return (x, y)
    raise argparse.ArgumentTypeError(f"{text} is neither one number nor X,Y")


def _frame(text: str) -> int:
    number = _whole(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{text} is below 0; frames count from 0")
    return number


def _count(text: str) -> int:
    number = _whole(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is below 1")
    return number
