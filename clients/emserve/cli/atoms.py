"""`emserve atoms`."""

from __future__ import annotations

import argparse
from pathlib import Path

from emserve.async_client import AsyncClient
from emserve.cli.family import Family
from emserve.cli.report import lengths, pixel_size
from emserve.results import AtomsResult, LatticeVector


async def ask(client: AsyncClient, path: Path, options: argparse.Namespace) -> AtomsResult:
    """Send one file."""
    return await client.atoms(
        path,
        pixel_size_nm=options.pixel_size_nm,
        model=options.model,
        threshold=options.threshold,
        postprocess=options.postprocess,
        refine=False if options.no_refine else None,
        frame=options.frame,
    )


def cells(result: AtomsResult) -> tuple[str, ...]:
    """Number of columns, pixel size, density, nearest neighbours (median ± deviation), lattice."""
    statistics, lattice = result.statistics, result.statistics.lattice
    return (
        f"{statistics.count:,}",
        pixel_size(result.micrograph),
        "unknown" if statistics.density_per_nm2 is None else f"{statistics.density_per_nm2:.4g} / nm²",
        _neighbours(result),
        _vector(None if lattice is None else lattice.a),
        _vector(None if lattice is None else lattice.b),
        "none" if lattice is None else f"{lattice.gamma_deg:.2f}°",
    )


def _neighbours(result: AtomsResult) -> str:
    s = result.statistics
    if s.nearest_neighbour_median_pm is not None:
        return lengths(s.nearest_neighbour_median_pm, s.nearest_neighbour_std_pm or 0.0, between=" ± ")
    if s.nearest_neighbour_median_px is not None:
        return f"{s.nearest_neighbour_median_px:.2f} ± {s.nearest_neighbour_std_px or 0:.2f} px"
    return "none"


def _vector(vector: LatticeVector | None) -> str:
    if vector is None:
        return "none"
    return f"{vector.length_px:.2f} px" if vector.length_pm is None else lengths(vector.length_pm)


ATOMS = Family(
    ask,
    headings=("columns", "pixel size", "density", "nearest neighbour", "a", "b", "gamma"),
    widths=(7, 16, 15, 17, 8, 8, 7),
    cells=cells,
)
