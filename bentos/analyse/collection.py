"""Folders of several runs into one: what a cluster's jobs wrote, one each, becomes one table with one provenance."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from bentos.analyse import provenance
from bentos.analyse.folder import Folder
from emserve.cli.usage import UsageError


def collect(folders: Sequence[Path], out: Path) -> int:
    """Copies what the folders hold into `out` and writes the tables. Returns 1 where a run had failures, else 0.

    Raises UsageError for a folder without provenance, one that was broken off, one that was made with another image,
    model or parameters, and for two inputs of one name.
    """
    records = []
    for path in folders:
        if path.resolve() == out.resolve():
            raise UsageError(f"{out} cannot be put into itself. Choose another folder for --out.")
        record = provenance.load(path)
        if record is None:
            raise UsageError(f"{path} has no {provenance.FILE_NAME}. Give folders that `analyse … --out` has written.")
        if record.finished is None:
            raise UsageError(f"The run that wrote {path} did not come to its end. Start it again.")
        records.append(record)
    first = records[0].made_by
    taken: dict[str, Path] = {}
    for path, record in zip(folders, records, strict=True):
        if (difference := provenance.difference(first, record.made_by)) is not None:
            raise UsageError(f"{folders[0]} and {path} were not made with the same ({difference}).")
        for name in [*(entry.micrograph for entry in record.inputs), *(entry.micrograph for entry in record.failures)]:
            if name in taken:
                raise UsageError(f"{taken[name]} and {path} both have a {name}.")
            taken[name] = path
    target = Folder(out, first, keep=False)
    failed = 0
    for path, record in zip(folders, records, strict=True):
        for entry in record.inputs:
            for file in entry.files.values():
                kind, _, name = file.partition("/")
                shutil.copyfile(path / file, target.place(kind, name))
            target.add(entry)
            failed += entry.error is not None
        for failure in record.failures:
            target.fail(failure)
            print(f"analyse: {failure.micrograph}: {failure.error.message} {failure.error.remedy}", file=sys.stderr)
            failed += 1
    for name, rows in target.finish().items():
        print(f"{out / name}: {rows:,} row{'s' * (rows != 1)}")
    return 1 if failed else 0
