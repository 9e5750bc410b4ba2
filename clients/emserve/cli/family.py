"""What the command does for a family: how it asks the server, and what it prints of the answer."""

from __future__ import annotations

import argparse
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from emserve.async_client import AsyncClient
from emserve.cli.report import Table, shortened
from emserve.results import Result

R = TypeVar("R", bound=Result)


@dataclass(frozen=True)
class Family(Generic[R]):
    """One family.

    Parameters
    ----------
    ask: sends a file with the options of the command line.
    headings, widths: of the table behind the micrograph's name, and its columns' least widths.
    cells: of an answer's row, as many.
    drawing: modules that its overlays need.
    """

    ask: Callable[[AsyncClient, Path, argparse.Namespace], Awaitable[R]]
    headings: tuple[str, ...]
    widths: tuple[int, ...]
    cells: Callable[[R], tuple[str, ...]]
    drawing: tuple[str, ...] = ("PIL.Image",)

    def table(self, names: Sequence[str]) -> Table:
        """The table for micrographs of these names; its rows come from `row`."""
        longest = max(len(shortened(name)) for name in names)
        return Table(("micrograph", *self.headings), widths=(longest, *self.widths))

    def row(self, name: str, result: R) -> tuple[str, ...]:
        """One row of the table."""
        return (shortened(name), *self.cells(result))
