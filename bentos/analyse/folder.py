"""The folder that a run writes: an answer for each input as it is made, and in the end the tables over all of them.

    provenance.json          what made it, and from which files (`bentos.analyse.provenance`)
    <family>.csv             one row per finding; of a video, one per line and frame
    summary.csv              defects: one row per micrograph
    tracks.csv               dislocations: one row per track, if there was a video
    answers/<input>.json     the whole answer; of a video <input>.jsonl, one message a line
    answers/<input>.csv …    the rows of this input
    overlays/, masks/        pictures, where they were asked for

Every file appears whole under its name or not at all, and the provenance after the files that it names.
"""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from bentos.analyse import provenance
from bentos.analyse.provenance import Failure, Input, Maker, Provenance, Table
from emserve.cli.usage import UsageError
from emserve.exceptions import InvalidParameter
from emserve.tables import FILE_HEADING

ANSWERS = "answers"
# Tables over all inputs, by the ending of each input's own part of them.
TABLES = {".summary.csv": "summary.csv", ".tracks.csv": "tracks.csv"}


class Folder:
    """One folder of results of one maker. Raises UsageError where it holds those of another.

    path: is made where it is not there. keep: whether what it holds of the same maker stays.
    """

    def __init__(self, path: Path, maker: Maker, *, keep: bool = True) -> None:
        self.path = path
        before = provenance.load(path)
        if before is not None and (difference := provenance.difference(before.made_by, maker)) is not None:
            raise UsageError(
                f"{path} holds what was made with something else ({difference}). Choose another folder, or remove it."
            )
        path.mkdir(parents=True, exist_ok=True)
        self._inputs = {entry.micrograph: entry for entry in before.inputs} if before and keep else {}
        self._failures: dict[str, Failure] = {}
        self._record = Provenance(made_by=maker, packages=provenance.packages(), started=_now())
        self._write_provenance()

    def holds(self, micrograph: str, sha256: str, wanted: Iterable[str]) -> Input | None:
        """The entry of an input that was analysed to its end, with all wanted kinds of files; else None."""
        entry = self._inputs.get(micrograph)
        if entry is None or entry.sha256 != sha256 or entry.error is not None:
            return None
        there = all((self.path / file).is_file() or (self.path / file).is_dir() for file in entry.files.values())
        return entry if there and set(wanted) <= set(entry.files) else None

    def place(self, kind: str, name: str) -> Path:
        """Where a file of an input belongs: `kind` is a folder of this folder."""
        (self.path / kind).mkdir(exist_ok=True)
        return self.path / kind / name

    def add(self, entry: Input) -> None:
        """Puts an input down, whose files are there."""
        self._inputs[entry.micrograph] = entry
        self._write_provenance()

    def fail(self, failure: Failure) -> None:
        """Puts down that an input could not be analysed; what was known of a file of that name before goes."""
        self._inputs.pop(failure.micrograph, None)
        self._failures[failure.micrograph] = failure

    def finish(self) -> dict[str, int]:
        """Writes the tables and the provenance; returns the numbers of rows by the tables' names."""
        family = self._record.made_by.family
        entries = sorted(self._inputs.values(), key=lambda entry: entry.micrograph)
        tables: dict[str, Table] = {}
        for ending, name in {".csv": f"{family}.csv", **TABLES}.items():
            parts = [(entry.micrograph, self.path / file) for entry in entries if (file := entry.files.get(ending))]
            if parts or (ending == ".csv" and entries):
                tables[name] = join(parts, self.path / name)
            else:
                (self.path / name).unlink(missing_ok=True)
        self._record = self._record.model_copy(update={"tables": tables, "finished": _now()})
        self._write_provenance()
        return {name: table.rows for name, table in tables.items()}

    def _write_provenance(self) -> None:
        record = self._record.model_copy(
            update={
                "inputs": sorted(self._inputs.values(), key=lambda entry: entry.micrograph),
                "failures": list(self._failures.values()),
            }
        )
        with whole(self.path / provenance.FILE_NAME) as part:
            part.write_text(record.model_dump_json(indent=2) + "\n", encoding="utf-8")


def join(parts: Sequence[tuple[str, Path]], target: Path) -> Table:
    """One table of several: the rows of each with the micrograph's name in front, under the same headings.

    Raises InvalidParameter where the headings differ.
    """
    first: list[str] | None = None
    rows = 0
    with whole(target) as partial, partial.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        for name, path in parts:
            with path.open(encoding="utf-8", newline="") as source:
                reader = csv.reader(source)
                own = next(reader)
                named = own[:1] == [FILE_HEADING]
                headings = own[1:] if named else own
                if first is None:
                    first = headings
                    writer.writerow([FILE_HEADING, *headings])
                if headings != first:
                    different = sorted(set(headings) ^ set(first)) or ["their order"]
                    raise InvalidParameter(
                        f"The tables of {parts[0][0]} and {name} have different headings: {', '.join(different)}.",
                        remedy="Analyse both with the same image.",
                    )
                for row in reader:
                    writer.writerow([name, *(row[1:] if named else row)])
                    rows += 1
        stream.flush()
    return Table(rows=rows, sha256=hashlib.sha256(target.read_bytes()).hexdigest())


@contextmanager
def whole(target: Path) -> Iterator[Path]:
    """A path to write to, which becomes `target` when the block ends without an exception."""
    part = target.with_name(f".{target.name}.part{target.suffix}")
    try:
        yield part
        part.replace(target)
    finally:
        if part.is_file():
            with suppress(OSError):
                part.unlink()


def write_text(target: Path, write: Callable[[TextIO], object]) -> None:
    """Writes a text file as a whole."""
    with whole(target) as part, part.open("w", encoding="utf-8", newline="") as stream:
        write(stream)


def names(paths: Sequence[Path]) -> list[str]:
    """What the inputs are called in tables: their file names; of two with the same name, their paths as given.

    Raises UsageError where the same path is given twice.
    """
    twice = [path for path, count in Counter(paths).items() if count > 1]
    if twice:
        raise UsageError(f"{twice[0]} is given twice.")
    of_name = Counter(path.resolve().name.casefold() for path in paths)
    return [path.resolve().name if of_name[path.resolve().name.casefold()] == 1 else path.as_posix() for path in paths]


def file_name(name: str) -> str:
    """What an input's files are called, without an ending: its name, or of a path its last part and a checksum."""
    base = name.rstrip("/").rsplit("/", 1)[-1]
    return base if base == name else f"{base}.{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
