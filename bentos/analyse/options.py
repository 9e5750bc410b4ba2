"""The command line: the options of the client's commands, but for the server's address and where each answer goes."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import emserve
from emserve import _calls, cli
from emserve.async_client import AsyncClient
from emserve.cli.batch import FAMILIES

# Of the client's commands only: how to reach a server, and outputs that are all made here, into one folder.
ELSEWHERE = {"help", "url", "api_key", "timeout", "concurrency", "json", "csv", "overlay", "summary", "masks"}
OF_VIDEOS = ("frame_time_s", "gate_px", "memory", "no_drift")

_EPILOG = """\
DIR gets one table with a row per finding, provenance.json with what the table was made with, and the answers
themselves. What DIR holds already of the same files, model and parameters is kept, so that a run that was broken off
goes on where it was. Exit codes: 0 all done, 1 some files failed (the others are written), 2 usage.
"""


def parser() -> argparse.ArgumentParser:
    """All commands and options."""
    top = argparse.ArgumentParser(
        prog="analyse",
        description="Electron micrographs in, calibrated tables out, without a server.",
        allow_abbrev=False,
    )
    top.add_argument("--version", action="version", version=f"emserve {emserve.__version__}", help="print the version")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    client = _commands(cli.parser())
    for name in FAMILIES:
        command = _command(commands, name, client[name].description or "")
        command.add_argument("files", metavar="IN", nargs="+", type=Path, help=_inputs(name))
        _out(command)
        command.add_argument("--overlay", action="store_true", help="write pictures with the findings marked, too")
        if name == "defects":
            command.add_argument("--masks", action="store_true", help="write PNGs of 16 bits with the masks, too")
        _take(command, client[name], lambda action: action.dest not in ELSEWHERE | {"files"})
        if name == "dislocations":
            _take(command, client["track"], lambda action: action.dest in OF_VIDEOS)
    collect = _command(commands, "collect", "Put the folders of several runs together: one table, one provenance.")
    collect.add_argument("folders", metavar="FOLDER", nargs="+", type=Path, help="DIR of an earlier run")
    _out(collect)
    return top


def fields(options: argparse.Namespace) -> dict[str, str]:
    """What the client would send of these options, as texts; raises InvalidParameter."""
    asked: Any = FAMILIES[options.command].ask(cast(AsyncClient, _Fields()), Path(), options)
    found: dict[str, str] = asyncio.run(asked)
    return found


def fields_of_video(options: argparse.Namespace) -> dict[str, str]:
    """As `fields`, for a video."""
    call = _calls.dislocations_stack(
        b"",
        pixel_size_nm=options.pixel_size_nm,
        frame_time_s=options.frame_time_s,
        model=options.model,
        threshold=options.threshold,
        gate_px=options.gate_px,
        memory=options.memory,
        correct_drift=False if options.no_drift else None,
        shear_modulus_gpa=options.shear_modulus_gpa,
        burgers_vector_nm=options.burgers_vector_nm,
        pictures=options.overlay,
        request_id=None,
    )
    return dict(call.fields)


class _Fields:
    """Takes the client's place, to see what it would be asked."""

    async def atoms(self, _: Path, **parameters: Any) -> dict[str, str]:
        return dict(_calls.atoms(b"", **parameters, request_id=None).fields)

    async def defects(self, _: Path, **parameters: Any) -> dict[str, str]:
        return dict(_calls.defects(b"", **parameters, request_id=None).fields)

    async def dislocations(self, _: Path, **parameters: Any) -> dict[str, str]:
        return dict(_calls.dislocations(b"", **parameters, request_id=None).fields)


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, description: str
) -> argparse.ArgumentParser:
    return commands.add_parser(
        name,
        help=description[:1].lower() + description[1:].rstrip("."),
        description=description,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def _out(command: argparse.ArgumentParser) -> None:
    command.add_argument("--out", metavar="DIR", type=Path, required=True, help="folder for what is written")


def _inputs(family: str) -> str:
    if family == "dislocations":
        return "micrograph; or a video, a stack or a folder of frames: its lines are followed, unless --frame is given"
    return "micrograph; an .emi means its .ser"


def _commands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    (action,) = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    return dict(cast(dict[str, argparse.ArgumentParser], action.choices))


def _take(
    command: argparse.ArgumentParser, other: argparse.ArgumentParser, wanted: Callable[[argparse.Action], bool]
) -> None:
    """Adds the options of another command that are wanted, as they are there."""
    for action in other._actions:
        if action.option_strings and wanted(action):
            command._add_action(action)
