"""What the command prints about an answer: a row of a table, and its warnings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from emserve.results import AtomsResult, LatticeVector

HEADINGS = ("micrograph", "columns", "pixel size", "density", "nearest neighbour", "a", "b", "gamma")
_WIDTHS = (0, 7, 16, 15, 17, 8, 8, 7)
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


def atoms_table(names: Sequence[str]) -> Table:
    """The table for micrographs of these names; its rows come from `atoms_row`."""
    longest = max(len(shortened(name)) for name in names)
    return Table(HEADINGS, widths=(longest, *_WIDTHS[1:]))


def atoms_row(name: str, result: AtomsResult) -> tuple[str, ...]:
    """Name, number of columns, pixel size, density, nearest neighbours (median ± deviation), lattice."""
    statistics, lattice = result.statistics, result.statistics.lattice
    return (
        shortened(name),
        f"{statistics.count:,}",
        _pixel_size(result.micrograph.pixel_size_x_nm, result.micrograph.pixel_size_y_nm),
        "unknown" if statistics.density_per_nm2 is None else f"{statistics.density_per_nm2:.4g} / nm²",
        _neighbours(result),
        _vector(None if lattice is None else lattice.a),
        _vector(None if lattice is None else lattice.b),
        "none" if lattice is None else f"{lattice.gamma_deg:.2f}°",
    )


def warning_lines(result: AtomsResult) -> list[str]:
    """One indented line per warning."""
    return [f"  warning: {notice.message} {notice.remedy}".rstrip() for notice in result.warnings]


def shortened(name: str) -> str:
    """A long name without its middle."""
    if len(name) <= _LONGEST_NAME:
        return name
    half = (_LONGEST_NAME - 1) // 2
    return f"{name[:half]}…{name[-half:]}"


def _pixel_size(x_nm: float | None, y_nm: float | None) -> str:
    if x_nm is None or y_nm is None:
        return "unknown"
    if abs(x_nm - y_nm) <= 1e-4 * x_nm:
        return _lengths(x_nm * 1000)
    return _lengths(x_nm * 1000, y_nm * 1000, between=" × ")


def _neighbours(result: AtomsResult) -> str:
    s = result.statistics
    if s.nearest_neighbour_median_pm is not None:
        return _lengths(s.nearest_neighbour_median_pm, s.nearest_neighbour_std_pm or 0.0, between=" ± ")
    if s.nearest_neighbour_median_px is not None:
        return f"{s.nearest_neighbour_median_px:.2f} ± {s.nearest_neighbour_std_px or 0:.2f} px"
    return "none"


def _vector(vector: LatticeVector | None) -> str:
    if vector is None:
        return "none"
    return f"{vector.length_px:.2f} px" if vector.length_pm is None else _lengths(vector.length_pm)


def _lengths(*lengths_pm: float, between: str = "") -> str:
    """Lengths in one unit, that of the first: pm below 10 nm, then nm, then µm; four digits of the first."""
    first = abs(lengths_pm[0])
    factor, unit = (1.0, "pm") if first < 1e4 else (1e-3, "nm") if first < 1e6 else (1e-6, "µm")
    whole_digits = max(1, len(str(int(first * factor))))
    return between.join(f"{length * factor:.{max(0, 4 - whole_digits)}f}" for length in lengths_pm) + f" {unit}"
