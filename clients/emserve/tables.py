"""Answers as tables: one row per atom column, one heading per quantity with its unit.

The headings are the fields of `AtomColumn` in their order; fields that a newer server adds follow by name.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TextIO

from emserve._extras import require
from emserve.results import AtomColumn, AtomsResult

if TYPE_CHECKING:
    import pandas

FILE_HEADING = "micrograph"


class CsvWriter:
    """Writes the columns of one or several answers into one CSV: full precision, None as an empty cell.

    Parameters
    ----------
    stream: text stream, opened with `newline=""`.
    named: whether a first heading `micrograph` tells which file a row is of.

    The headings are those of the first answer.
    """

    def __init__(self, stream: TextIO, *, named: bool) -> None:
        self._rows = csv.writer(stream, lineterminator="\n")
        self._named = named
        self._headings: list[str] | None = None

    def write(self, result: AtomsResult, name: str = "") -> None:
        """Add one row per atom column."""
        if self._headings is None:
            self._headings = headings(result.columns)
            self._rows.writerow([FILE_HEADING, *self._headings] if self._named else self._headings)
        for column in result.columns:
            cells = [_cell(getattr(column, heading, None)) for heading in self._headings]
            self._rows.writerow([name, *cells] if self._named else cells)


def headings(columns: Iterable[AtomColumn]) -> list[str]:
    """Names of the quantities: those of the contract, then those that only these columns have."""
    added = {name for column in columns for name in column.model_extra or {}}
    return [*AtomColumn.model_fields, *sorted(added)]


def csv_text(result: AtomsResult) -> str:
    """The columns of one answer as CSV."""
    stream = io.StringIO(newline="")
    CsvWriter(stream, named=False).write(result)
    return stream.getvalue()


def dataframe(result: AtomsResult) -> pandas.DataFrame:
    """The columns of one answer as a pandas DataFrame; numbers are float64 with NaN for None."""
    pandas = require("pandas", extra="pandas", purpose="A data frame")
    table = {}
    for name in headings(result.columns):
        values = [getattr(column, name, None) for column in result.columns]
        numeric = all(v is None or (isinstance(v, int | float) and not isinstance(v, bool)) for v in values)
        boolean = name == "refined"
        table[name] = pandas.Series(values, dtype="bool" if boolean else "float64" if numeric else "object")
    return pandas.DataFrame(table)


def _cell(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value
