"""The command `emserve`: micrographs on the command line.

Exit codes: 0 all done, 1 some files failed (the others are written), 2 usage, 130 interrupted.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import emserve
from emserve.cli import argument_types as types
from emserve.cli.usage import UsageError

DONE, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130

_EPILOG = """\
Where PATH is an existing folder or ends with /, every micrograph gets a file of its own there, named after it.
Otherwise all go into that one file: a CSV has the heading `micrograph` in front, a JSON is a list (or one answer per
line, where PATH ends with .jsonl), each answer with its `file`; for one micrograph neither is added (a --summary always
has `micrograph`). Of several micrographs, pictures need a folder. PATH - is the standard output.
Settings: EMSERVE_URL, EMSERVE_API_KEY.
"""

_TRACK_EPILOG = """\
Answers are written as they arrive, and what was written stays where the video breaks off. PATH - is the standard
output, for one of --csv, --tracks and --json.
Settings: EMSERVE_URL, EMSERVE_API_KEY.
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
        "--timeout",
        metavar="SECONDS",
        type=types.positive,
        default=330.0,
        help="longest wait for an answer (default: 330)",
    )

    atoms = _family(commands, "atoms", "find the atom columns of micrographs", connection)
    atoms.add_argument(
        "--threshold",
        metavar="T",
        type=types.fraction,
        help="height of the network's map that counts as a column, 0 to 1",
    )
    atoms.add_argument(
        "--postprocess", metavar="WAY", choices=("log", "otsu"), help="from the network's map to columns: log or otsu"
    )
    atoms.add_argument("--no-refine", action="store_true", help="do not fit a 2D Gaussian to each column")
    _outputs(atoms, "atom column", "the columns marked")

    defects = _family(commands, "defects", "find the irradiation defects of micrographs", connection)
    defects.add_argument(
        "--thickness-nm", metavar="NM", type=types.positive, help="thickness of the foil; the hardening needs it"
    )
    defects.add_argument(
        "--score", metavar="S", type=types.fraction, help="leave out defects that the network is less sure of, 0 to 1"
    )
    defects.add_argument(
        "--barrier-strength",
        metavar="CLASS=ALPHA",
        type=types.strength,
        action="append",
        help="strength of a class as an obstacle, such as loop_111=0.11; once for each class",
    )
    defects.add_argument("--taylor-factor", metavar="M", type=types.positive, help="of the alloy (default: 3.06)")
    defects.add_argument(
        "--shear-modulus-gpa", metavar="GPA", type=types.positive, help="of the alloy (default: 82, FeCrAl)"
    )
    defects.add_argument(
        "--burgers-vector-nm", metavar="NM", type=types.positive, help="its length (default: 0.249, FeCrAl)"
    )
    _outputs(defects, "defect", "the defects outlined")
    defects.add_argument("--summary", metavar="PATH", help="write a CSV with one row per micrograph")
    defects.add_argument(
        "--masks",
        metavar="PATH",
        help="write PNGs of 16 bits, as large as the micrographs: 0 is background, n the defect of the "
        "micrograph's n-th row of the CSV, from 1; where two overlap, the smaller one is seen",
    )

    dislocations = _family(commands, "dislocations", "find the dislocation lines of micrographs", connection)
    _lines(dislocations)
    _outputs(dislocations, "line", "each line in a colour of its own and with its number")

    track = commands.add_parser(
        "track",
        parents=[connection],
        help="follow the dislocation lines of a video",
        description="Follow the dislocation lines of a video.",
        epilog=_TRACK_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    track.add_argument("video", metavar="VIDEO", type=Path, help="video, stack of pictures, or folder of frames")
    track.add_argument(
        "--pixel-size-nm", metavar="NM", type=types.pixel_size, help="pixel size, or X,Y; wins over what the file says"
    )
    track.add_argument(
        "--frame-time-s",
        metavar="S",
        type=types.positive,
        help="from one frame to the next; velocities in nm/s need it",
    )
    track.add_argument("--model", metavar="NAME", help="model to use (default: the server's; see `emserve models`)")
    _lines(track)
    track.add_argument(
        "--gate-px",
        metavar="PX",
        type=types.positive,
        help="largest distance of a line from where its track is foretold (default: 25)",
    )
    track.add_argument(
        "--memory", metavar="N", type=types.frame, help="so many frames a line may be missing (default: 3)"
    )
    track.add_argument("--no-drift", action="store_true", help="do not take the specimen's drift off")
    track.add_argument("--csv", metavar="PATH", help="write one row per line and frame, as they arrive")
    track.add_argument("--tracks", metavar="PATH", help="write a CSV with one row per track")
    track.add_argument("--json", metavar="PATH", help="write the answers as they arrive, one JSON line each")
    track.add_argument(
        "--plot", metavar="PATH", help="write a figure: where each line is along its way, and how far lines are apart"
    )
    track.add_argument(
        "--movie", metavar="PATH", help="write the frames with their lines marked: a .gif, or PNGs into a folder"
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


def _family(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    what: str,
    connection: argparse.ArgumentParser,
) -> argparse.ArgumentParser:
    """The command of a family, with what all of them take."""
    command = commands.add_parser(
        name,
        parents=[connection],
        help=what,
        description=f"{what[0].upper()}{what[1:]}.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    command.add_argument("files", metavar="FILE", nargs="+", type=Path, help="micrograph; an .emi means its .ser")
    command.add_argument(
        "--pixel-size-nm", metavar="NM", type=types.pixel_size, help="pixel size, or X,Y; wins over what the file says"
    )
    command.add_argument("--model", metavar="NAME", help="model to use (default: the server's; see `emserve models`)")
    command.add_argument("--frame", metavar="N", type=types.frame, help="frame of a stack, from 0 (default: 0)")
    command.add_argument(
        "--concurrency", metavar="N", type=types.count, default=4, help="micrographs sent at a time (default: 4)"
    )
    return command


def _lines(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--threshold",
        metavar="T",
        type=types.fraction,
        help="probability from which a pixel counts as a line's, 0 to 1",
    )
    command.add_argument(
        "--shear-modulus-gpa", metavar="GPA", type=types.positive, help="μ; with b, each line has its stress μ b / R"
    )
    command.add_argument("--burgers-vector-nm", metavar="NM", type=types.positive, help="b, its length")


def _outputs(command: argparse.ArgumentParser, finding: str, marked: str) -> None:
    command.add_argument("--json", metavar="PATH", help="write the whole answers")
    command.add_argument("--csv", metavar="PATH", help=f"write one row per {finding}")
    command.add_argument("--overlay", metavar="PATH", help=f"write PNGs of the micrographs with {marked}")


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

    if options.command in ("dislocations", "track") and (options.shear_modulus_gpa is None) != (
        options.burgers_vector_nm is None
    ):
        print("emserve: --shear-modulus-gpa and --burgers-vector-nm belong together. Give both.", file=sys.stderr)
        return USAGE

    from emserve.cli import batch, listing, track

    try:
        if options.command == "models":
            return listing.run(options)
        if options.command == "track":
            return track.run(options)
        return asyncio.run(batch.run(options))
    # What the server finds wrong with a file's parameters is told with the file; here it is the command line itself.
    except (UsageError, emserve.InvalidParameter) as error:
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
