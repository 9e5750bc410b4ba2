"""`emserve dislocations`."""

from __future__ import annotations

import argparse
from pathlib import Path

from emserve.async_client import AsyncClient
from emserve.cli.family import Family
from emserve.cli.report import pixel_size
from emserve.results import DislocationsResult, Distribution


async def ask(client: AsyncClient, path: Path, options: argparse.Namespace) -> DislocationsResult:
    """Send one file."""
    return await client.dislocations(
        path,
        pixel_size_nm=options.pixel_size_nm,
        model=options.model,
        threshold=options.threshold,
        frame=options.frame,
        shear_modulus_gpa=options.shear_modulus_gpa,
        burgers_vector_nm=options.burgers_vector_nm,
    )


def cells(result: DislocationsResult) -> tuple[str, ...]:
    """Number of lines, pixel size, length per area, length and distance to the nearest line (mean ± deviation)."""
    s = result.statistics
    density = f"{s.density_per_px:.3g} / px" if s.density_per_nm is None else f"{s.density_per_nm:.3g} / nm"
    stresses = [line.stress_mpa for line in result.lines if line.stress_mpa is not None]
    return (
        f"{s.count:,}",
        pixel_size(result.micrograph),
        density if s.count else "none",
        _spread(s.length_nm, s.length_px),
        _spread(s.nearest_nm, s.nearest_px),
        f"{max(stresses):.3g} MPa" if stresses else "unknown",
    )


def _spread(in_nm: Distribution | None, in_px: Distribution | None) -> str:
    lengths, unit = (in_px, "px") if in_nm is None else (in_nm, "nm")
    if lengths is None:
        return "none"
    # equal lengths differ in their last bits
    deviation = lengths.std if lengths.std > 1e-6 * lengths.mean else 0.0
    return f"{lengths.mean:.4g} ± {deviation:.3g} {unit}"


DISLOCATIONS = Family(
    ask,
    headings=("lines", "pixel size", "length per area", "length", "nearest line", "largest stress"),
    widths=(5, 16, 15, 17, 17, 0),
    cells=cells,
)
