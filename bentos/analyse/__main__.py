"""`python -m bentos.analyse`, in an image `analyse`."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from types import FrameType

from bentos.analyse import options as command_line
from emserve.cli import DONE, FAILED, INTERRUPTED, USAGE
from emserve.cli.usage import UsageError
from emserve.exceptions import EmserveError, InvalidParameter, UnknownModel

__all__ = ["DONE", "FAILED", "INTERRUPTED", "USAGE", "main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit code."""
    try:
        options = command_line.parser().parse_args(arguments)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else USAGE
    if options.command == "dislocations" and (options.shear_modulus_gpa is None) != (options.burgers_vector_nm is None):
        print("analyse: --shear-modulus-gpa and --burgers-vector-nm belong together. Give both.", file=sys.stderr)
        return USAGE
    # As the first process of a container it would not hear `docker stop` otherwise.
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        if options.command == "collect":
            from bentos.analyse.collection import collect

            return collect(options.folders, options.out)
        from bentos.analyse.course import Course

        return Course(options).run()
    # What is wrong with a file is told with the file; here it is the command line itself.
    except (UsageError, InvalidParameter, UnknownModel) as error:
        print(f"analyse: {error}", file=sys.stderr)
        return USAGE
    except EmserveError as error:
        print(f"analyse: {error}", file=sys.stderr)
        return FAILED
    except OSError as error:
        print(f"analyse: {error.filename or 'output'}: {error.strerror or error}", file=sys.stderr)
        return USAGE
    except KeyboardInterrupt:
        print("analyse: interrupted; the same command goes on where it was.", file=sys.stderr)
        return INTERRUPTED


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
