"""Answers as tables: one row per finding (atom column, defect, line, track), one heading per quantity with its unit.

The headings are the fields of the finding's class in their order; fields that a newer server adds follow by name. What
is no single value (a mask, the points of a line) is not in a table.
"""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any, TextIO, get_args, get_origin

from pydantic import BaseModel

from emserve._extras import require
from emserve.results import DefectClassStatistics, DefectsResult, DislocationsFrame, Result

if TYPE_CHECKING:
    import pandas

FILE_HEADING = "micrograph"


class CsvWriter:
    """Writes the findings of one or several answers into one CSV: full precision, None as an empty cell.

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

    def write(self, result: Result, name: str = "") -> None:
        """Add one row per finding."""
        if self._headings is None:
            self._headings = headings(result)
            self._rows.writerow([FILE_HEADING, *self._headings] if self._named else self._headings)
        for finding in result.findings:
            cells = [_cell(getattr(finding, heading, None)) for heading in self._headings]
            self._rows.writerow([name, *cells] if self._named else cells)


def headings(result: Result) -> list[str]:
    """Names of the quantities: those of the contract, then those that only these findings have."""
    known = [name for name, field in result.finding_class.model_fields.items() if _is_single(field.annotation)]
    added = {name for finding in result.findings for name, value in (finding.model_extra or {}).items() if _flat(value)}
    return [*known, *sorted(added)]


class FrameWriter:
    """Writes the lines of a video's frames into one CSV, a row for each line and frame.

    Parameters
    ----------
    stream: text stream, opened with `newline=""`; flushed after each frame.

    The headings are those of the first frame, behind `frame` and `time_s`.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._rows = csv.writer(stream, lineterminator="\n")
        self._headings: list[str] | None = None

    def write(self, frame: DislocationsFrame) -> None:
        """Add one row per line."""
        if self._headings is None:
            self._headings = headings(frame)
            self._rows.writerow(["frame", "time_s", *self._headings])
        for line in frame.lines:
            cells = [_cell(getattr(line, heading, None)) for heading in self._headings]
            self._rows.writerow([frame.number, frame.time_s, *cells])
        self._stream.flush()


class SummaryWriter:
    """Writes one row per micrograph into one CSV: `DefectsResult.summary` behind the micrograph's name.

    Parameters
    ----------
    stream: text stream, opened with `newline=""`.

    The headings are those of the first answer: one series is one model's.
    """

    def __init__(self, stream: TextIO) -> None:
        self._rows = csv.writer(stream, lineterminator="\n")
        self._headings: list[str] | None = None

    def write(self, result: DefectsResult, name: str) -> None:
        """Add one row."""
        summary = result.summary()
        if self._headings is None:
            self._headings = list(summary)
            self._rows.writerow([FILE_HEADING, *self._headings])
        self._rows.writerow([name, *(summary.get(heading) for heading in self._headings)])


def defects_summary(result: DefectsResult) -> dict[str, float | int | None]:
    """See `DefectsResult.summary`."""
    info, parameters, statistics = result.micrograph, result.parameters, result.statistics
    hardening = statistics.hardening
    row: dict[str, float | int | None] = {
        "pixel_size_x_nm": info.pixel_size_x_nm,
        "pixel_size_y_nm": info.pixel_size_y_nm,
        "field_of_view_nm2": statistics.field_of_view_nm2,
        "thickness_nm": parameters.thickness_nm,
        "score": parameters.score,
        **_class_summary(statistics.all),
        "hardening_linear_mpa": hardening.linear_mpa if hardening else None,
        "hardening_quadrature_mpa": hardening.quadrature_mpa if hardening else None,
    }
    for of_class in statistics.classes:
        name = of_class.class_name
        row |= {f"{name}_{quantity}": value for quantity, value in _class_summary(of_class).items()}
        row[f"{name}_hardening_mpa"] = hardening.by_class_mpa.get(str(name)) if hardening else None
    return row


def _class_summary(of_class: DefectClassStatistics) -> dict[str, float | int | None]:
    size_px, size_nm, heywood = of_class.size_px, of_class.size_nm, of_class.heywood
    return {
        "count": of_class.count,
        "density_per_nm2": of_class.density_per_nm2,
        "size_mean_px": size_px.mean if size_px else None,
        "size_std_px": size_px.std if size_px else None,
        "size_mean_nm": size_nm.mean if size_nm else None,
        "size_std_nm": size_nm.std if size_nm else None,
        "heywood_mean": heywood.mean if heywood else None,
    }


def csv_text(result: Result) -> str:
    """The findings of one answer as CSV."""
    stream = io.StringIO(newline="")
    CsvWriter(stream, named=False).write(result)
    return stream.getvalue()


def dataframe(result: Result) -> pandas.DataFrame:
    """The findings of one answer as a pandas DataFrame; numbers are float64 with NaN for None."""
    pandas = require("pandas", extra="pandas", purpose="A data frame")
    fields = result.finding_class.model_fields
    table = {}
    for name in headings(result):
        values = [getattr(finding, name, None) for finding in result.findings]
        kind = _KINDS.get(fields[name].annotation) if name in fields else None
        if kind is None:
            numeric = all(v is None or (isinstance(v, int | float) and not isinstance(v, bool)) for v in values)
            kind = "float64" if numeric else "object"
        table[name] = pandas.Series(values, dtype=kind)
    return pandas.DataFrame(table)


# What a table of no rows has to know too.
_KINDS: dict[Any, str] = {bool: "bool", int: "int64", str: "object"}


def _is_single(annotation: Any) -> bool:
    return not any(
        get_origin(kind) in (list, dict, tuple) or (isinstance(kind, type) and issubclass(kind, BaseModel))
        for kind in (annotation, *get_args(annotation))
    )


def _flat(value: Any) -> bool:
    return not isinstance(value, dict | list)


def _cell(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value
