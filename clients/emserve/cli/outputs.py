"""Where the answers go: one file for each micrograph, or one for all."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Self, TextIO

from emserve.cli.usage import UsageError
from emserve.results import DefectsResult, Result
from emserve.tables import CsvWriter, SummaryWriter

STDOUT = "-"


@dataclass(frozen=True)
class Job:
    """One micrograph of the command line.

    Parameters
    ----------
    path: as given.
    name: what tables call it: its file name, or the path as given where two files have the same name.
    stem: what its own output files are called, without the ending; no two jobs have the same.
    """

    path: Path
    name: str
    stem: str


def jobs(paths: Sequence[Path]) -> list[Job]:
    """The jobs of the files of a command line; stems that collide get the whole file name, then a number."""
    names = Counter(path.name for path in paths)
    stems = Counter(path.stem.casefold() for path in paths)
    taken: set[str] = set()
    found = []
    for path in paths:
        wanted = path.stem if stems[path.stem.casefold()] == 1 else path.name
        stem, number = wanted, 1
        # Folded, because some file systems do not tell A from a.
        while stem.casefold() in taken:
            number += 1
            stem = f"{wanted}_{number}"
        taken.add(stem.casefold())
        found.append(Job(path, path.name if names[path.name] == 1 else str(path), stem))
    return found


class Target:
    """Where one kind of output goes.

    Parameters
    ----------
    option: the option that asks for it.
    path: what it was given; None where the option is absent.
    ending: of the files in a folder.
    """

    def __init__(self, option: str, path: str | None, ending: str) -> None:
        self.option = option
        self.ending = ending
        self.given = path is not None
        self.stdout = path == STDOUT
        self.path = Path(path or "")
        self.folder = self.given and not self.stdout and (path or "").endswith(("/", "\\"))
        self.folder = self.folder or (self.given and self.path.is_dir())

    def own(self, job: Job) -> Path:
        """The file of one job in the folder."""
        return self.path / f"{job.stem}{self.ending}"

    def file(self, job: Job) -> Path:
        """Where a job's output goes that is never collected."""
        return self.own(job) if self.folder else self.path

    def files(self, all_jobs: Iterable[Job]) -> list[Path]:
        """All files that will be written."""
        if not self.given or self.stdout:
            return []
        return [self.own(job) for job in all_jobs] if self.folder else [self.path]


class Outputs:
    """Writes answers as they come; a context manager that closes what collects them, also after an interruption.

    Parameters
    ----------
    json, csv, summary: tables and answers; one of them may go to the standard output.
    overlay, masks: pictures, of which each micrograph has its own.
    """

    def __init__(
        self,
        all_jobs: Sequence[Job],
        *,
        json: str | None,
        csv: str | None,
        overlay: str | None,
        summary: str | None = None,
        masks: str | None = None,
    ) -> None:
        self._several = len(all_jobs) > 1
        self.json = Target("--json", json, ".json")
        self.csv = Target("--csv", csv, ".csv")
        self.summary = Target("--summary", summary, "_summary.csv")
        self.overlay = Target("--overlay", overlay, ".png")
        self.masks = Target("--masks", masks, "_masks.png")
        self._texts = (self.json, self.csv, self.summary)
        self._pictures = (self.overlay, self.masks)
        self._check(all_jobs)
        self._stack = ExitStack()
        self._csv_rows: CsvWriter | None = None
        self._summary_rows: SummaryWriter | None = None
        self._json_list: JsonList | None = None

    @property
    def uses_stdout(self) -> bool:
        """Whether the standard output carries data."""
        return any(target.stdout for target in self._texts)

    @property
    def draws(self) -> bool:
        """Whether pictures are written."""
        return any(target.given for target in self._pictures)

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for target in (*self._texts, *self._pictures):
                if target.given and not target.stdout:
                    (target.path if target.folder else target.path.parent).mkdir(parents=True, exist_ok=True)
            if self.csv.given and not self.csv.folder:
                self._csv_rows = CsvWriter(_open(self.csv, stack), named=self._several)
            if self.summary.given and not self.summary.folder:
                self._summary_rows = SummaryWriter(_open(self.summary, stack))
            if self.json.given and not self.json.folder and self._several:
                as_lines = self.json.path.suffix == ".jsonl"
                self._json_list = stack.enter_context(JsonList(_open(self.json, stack), lines=as_lines))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def write_own(self, job: Job, result: Result) -> None:
        """Write the texts and the masks that belong to one micrograph alone."""
        if self.json.folder:
            result.to_json(self.json.own(job), indent=2)
        if self.csv.folder:
            result.to_csv(self.csv.own(job))
        if isinstance(result, DefectsResult):
            if self.summary.folder:
                with self.summary.own(job).open("w", encoding="utf-8", newline="") as stream:
                    SummaryWriter(stream).write(result, job.name)
            if self.masks.given:
                result.to_masks(self.masks.file(job))

    def write_overlay(self, job: Job, result: Result, picture: Path | bytes) -> None:
        """Draw the overlay. Raises UnsupportedFormat for a picture that cannot be read here."""
        result.to_overlay(self.overlay.file(job), picture)

    def collect(self, job: Job, result: Result) -> None:
        """Add to the files for all."""
        if self._csv_rows is not None:
            self._csv_rows.write(result, job.name)
        if self._summary_rows is not None and isinstance(result, DefectsResult):
            self._summary_rows.write(result, job.name)
        if self._json_list is not None:
            self._json_list.write(result, job.name)
        elif self.json.stdout:
            print(result.to_json(indent=2))
        elif self.json.given and not self.json.folder:
            result.to_json(self.json.path, indent=2)

    def _check(self, all_jobs: Sequence[Job]) -> None:
        mixed = [target.option for target in self._texts if target.stdout]
        if len(mixed) > 1:
            raise UsageError(
                f"{mixed[0]} - and {mixed[1]} - would mix on the standard output. Give one of them a file."
            )
        for target in self._pictures:
            if target.stdout:
                raise UsageError(f"{target.option} cannot go to the standard output. Give it a file.")
            if target.given and not target.folder:
                if self._several:
                    raise UsageError(f"{target.option} {target.path}: several pictures need a folder. End it with /.")
                if target.path.suffix.lower() != ".png":
                    raise UsageError(f"{target.option} {target.path}: it is a PNG. End it with .png or with /.")
        written = [path for target in (*self._texts, *self._pictures) for path in target.files(all_jobs)]
        inputs = {_resolved(job.path) for job in all_jobs}
        for path in written:
            if _resolved(path) in inputs:
                raise UsageError(f"{path} is a micrograph and would be overwritten. Choose another place.")
        twice = [path for path, count in Counter(_resolved(path) for path in written).items() if count > 1]
        if twice:
            raise UsageError(f"{twice[0]} would be written twice. Give each output a place of its own.")


class JsonList:
    """Writes answers, each with its `file` in front, as a JSON list or as one answer per line."""

    def __init__(self, stream: TextIO, *, lines: bool) -> None:
        self._stream = stream
        self._lines = lines
        self._count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._lines:
            self._stream.write("\n]\n" if self._count else "[]\n")

    def write(self, result: Result, name: str) -> None:
        """Add one answer."""
        text = json.dumps({"file": name, **result.model_dump(mode="json")}, ensure_ascii=False)
        if self._lines:
            self._stream.write(f"{text}\n")
        else:
            self._stream.write(f"{',' if self._count else '['}\n{text}")
        self._count += 1


def _open(target: Target, stack: ExitStack) -> TextIO:
    if target.stdout:
        return sys.stdout
    return stack.enter_context(target.path.open("w", encoding="utf-8", newline=""))


def _resolved(path: Path) -> str:
    return str(path.resolve()).casefold()
