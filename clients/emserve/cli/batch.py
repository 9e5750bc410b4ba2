"""One command of a family: many micrographs, several at a time, answers in the order of the command line."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from emserve._extras import require
from emserve.async_client import AsyncClient
from emserve.cli.atoms import ATOMS
from emserve.cli.defects import DEFECTS
from emserve.cli.dislocations import DISLOCATIONS
from emserve.cli.family import Family
from emserve.cli.outputs import Job, Outputs, jobs
from emserve.cli.progress import Progress
from emserve.cli.report import warning_lines
from emserve.cli.usage import UsageError
from emserve.exceptions import (
    AccessError,
    EmserveError,
    InvalidParameter,
    MissingDependency,
    UnexpectedAnswer,
    UnsupportedFormat,
)
from emserve.results import Result
from emserve.retries import Retries

__all__ = ["UsageError", "run"]

FAMILIES: dict[str, Family[Any]] = {"atoms": ATOMS, "defects": DEFECTS, "dislocations": DISLOCATIONS}

# A batch has more patience with a busy server than a single call.
_RETRIES = Retries(attempts=30, total_s=600.0)


@dataclass
class Outcome:
    """What became of one micrograph; an answer and an error where only an output of it failed."""

    job: Job
    result: Result | None = None
    errors: list[EmserveError | OSError] = field(default_factory=list)


async def run(options: argparse.Namespace) -> int:
    """Analyse, print, write. Returns 0 where everything was done, else 1."""
    all_jobs = jobs(options.files)
    family = FAMILIES[options.command]
    given = vars(options)
    outputs = Outputs(
        all_jobs,
        json=options.json,
        csv=options.csv,
        overlay=options.overlay,
        summary=given.get("summary"),
        masks=given.get("masks"),
    )
    if outputs.draws:
        try:
            for module in family.drawing:
                require(module, extra="plot", purpose="A picture")
        except MissingDependency as error:
            raise UsageError(str(error)) from error
    try:
        with outputs:
            async with AsyncClient(options.url, options.api_key, options.timeout, retries=_RETRIES) as client:
                return await Batch(family, client, options, outputs).run(all_jobs)
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        raise UsageError(f"{error.filename or 'output'}: {error.strerror or error}") from error


class Batch:
    """The micrographs of one command line on their way."""

    def __init__(self, family: Family[Any], client: AsyncClient, options: argparse.Namespace, outputs: Outputs) -> None:
        self._family = family
        self._client = client
        self._options = options
        self._outputs = outputs
        self._slots = asyncio.Semaphore(options.concurrency)
        # Where data goes to the standard output, the table makes way for it.
        self._stream = sys.stderr if outputs.uses_stdout else sys.stdout

    async def run(self, all_jobs: Sequence[Job]) -> int:
        """Work through the jobs; a few answers at most wait for a slower one before them."""
        table = self._family.table([job.name for job in all_jobs])
        waiting = deque(all_jobs)
        running: deque[asyncio.Task[Outcome]] = deque()
        failed = printed = 0
        async with Progress(len(all_jobs), sys.stderr) as progress:
            try:
                while waiting or running:
                    while waiting and len(running) < 4 * self._options.concurrency:
                        running.append(asyncio.create_task(self._analyse(waiting.popleft())))
                    outcome = await running.popleft()
                    progress.clear()
                    if outcome.result is not None:
                        self._outputs.collect(outcome.job, outcome.result)
                        lines = [*warning_lines(outcome.result)]
                        lines.insert(0, table.line(self._family.row(outcome.job.name, outcome.result)))
                        for line in lines if printed else [*table.lines(), *lines]:
                            print(line, file=self._stream, flush=True)
                        printed += 1
                    for error in outcome.errors:
                        print(f"emserve: {outcome.job.path}: {_text(error)}", file=sys.stderr)
                    failed += bool(outcome.errors)
                    if any(_hopeless(error) for error in outcome.errors) and (waiting or running):
                        left = len(waiting) + len(running)
                        print(f"emserve: skipped the remaining {left} file{'s' * (left > 1)}.", file=sys.stderr)
                        return 1
                    progress.advance(outcome.job.name)
            finally:
                for task in running:
                    task.cancel()
                await asyncio.gather(*running, return_exceptions=True)
        return 1 if failed else 0

    async def _analyse(self, job: Job) -> Outcome:
        outcome = Outcome(job)
        async with self._slots:
            try:
                outcome.result = await self._family.ask(self._client, job.path, self._options)
                await asyncio.to_thread(self._outputs.write_own, job, outcome.result)
            except (EmserveError, OSError) as error:
                outcome.errors.append(error)
                return outcome
            if self._outputs.overlay.given:
                try:
                    await self._overlay(job, outcome.result)
                except (EmserveError, OSError) as error:
                    outcome.errors.append(error)
        return outcome

    async def _overlay(self, job: Job, result: Result) -> None:
        """Draw on the file itself where it can be read here, else on the picture that the server read."""
        try:
            await asyncio.to_thread(self._outputs.write_overlay, job, result, job.path)
        except (UnsupportedFormat, InvalidParameter):
            picture = await self._client.preview(job.path, frame=self._options.frame)
            await asyncio.to_thread(self._outputs.write_overlay, job, result, picture)


def _hopeless(error: Exception) -> bool:
    """Whether the next file would meet the same: nobody there, nobody let in, somebody else there."""
    return isinstance(error, AccessError | UnexpectedAnswer) or isinstance(error.__cause__, httpx.ConnectError)


def _text(error: EmserveError | OSError) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
