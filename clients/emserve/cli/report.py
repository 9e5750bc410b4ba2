"""What the commands print about an answer, whatever its family: a row of a table, and its warnings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from emserve.results import MicrographInfo, Result

_LONGEST_NAME = 48


class Table:
    """Aligned text. Rows may come later than the headings, so columns have a least width.

    Parameters
    ----------
    headings, rows: the cells.
    widths: least widths.
    """

    def __init__(
        self, headings: Sequence[str], rows: Sequence[Sequence[str]] = (), widths: Sequence[int] | None = None
    ) -> None:
        self._headings = headings
        self._rows = rows
        least = widths or [0] * len(headings)
        cells = [headings, *rows]
        self._widths = [max(least[i], *(len(row[i]) for row in cells)) for i in range(len(headings))]

    def line(self, cells: Sequence[str]) -> str:
        """One row."""
        return "  ".join(cell.ljust(width) for cell, width in zip(cells, self._widths, strict=True)).rstrip()

    def lines(self) -> Iterator[str]:
        """Headings, a rule, rows."""
        yield self.line(self._headings)
        yield self.line(["-" * width for width in self._widths])
        for row in self._rows:
            yield self.line(row)


def warning_lines(result: Result) -> list[str]:
    """One indented line per warning."""
    return [f"  warning: {notice.message} {notice.remedy}".rstrip() for notice in result.warnings]


def shortened(name: str) -> str:
    """A long name without its middle."""
    if len(name) <= _LONGEST_NAME:
        return name
    half = (_LONGEST_NAME - 1) // 2
    return f"{name[:half]}…{name[-half:]}"


def pixel_size(info: MicrographInfo) -> str:
    """The pixel size; that in x and that in y where they differ."""
    x_nm, y_nm = info.pixel_size_x_nm, info.pixel_size_y_nm
    if x_nm is None or y_nm is None:
        return "unknown"
    if abs(x_nm - y_nm) <= 1e-4 * x_nm:
        return lengths(x_nm * 1000)
    return lengths(x_nm * 1000, y_nm * 1000, between=" × ")


def lengths(*lengths_pm: float, between: str = "") -> str:
    """Lengths in one unit, that of the first: pm below 10 nm, then nm, then µm; four digits of the first."""
    first = abs(lengths_pm[0])
    factor, unit = (1.0, "pm") if first < 1e4 else (1e-3, "nm") if first < 1e6 else (1e-6, "µm")
    whole_digits = max(1, len(str(int(first * factor))))
    return between.join(f"{length * factor:.{max(0, 4 - whole_digits)}f}" for length in lengths_pm) + f" {unit}"
