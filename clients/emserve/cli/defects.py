"""`emserve defects`."""

from __future__ import annotations

import argparse
from pathlib import Path

from emserve.async_client import AsyncClient
from emserve.cli.family import Family
from emserve.cli.report import pixel_size
from emserve.defect_classes import title
from emserve.results import DefectsResult


async def ask(client: AsyncClient, path: Path, options: argparse.Namespace) -> DefectsResult:
    """Send one file."""
    return await client.defects(
        path,
        pixel_size_nm=options.pixel_size_nm,
        thickness_nm=options.thickness_nm,
        score=options.score,
        model=options.model,
        frame=options.frame,
        taylor_factor=options.taylor_factor,
        shear_modulus_gpa=options.shear_modulus_gpa,
        burgers_vector_nm=options.burgers_vector_nm,
        barrier_strengths=dict(options.barrier_strength) if options.barrier_strength else None,
    )


def cells(result: DefectsResult) -> tuple[str, ...]:
    """Number of defects, pixel size, density, size (mean ± deviation), hardening (both sums), number of each class."""
    s = result.statistics
    density, hardening = s.all.density_per_nm2, s.hardening
    return (
        f"{s.count:,}",
        pixel_size(result.micrograph),
        "unknown" if density is None else f"{density:.3g} / nm²",
        _size(result),
        "unknown" if hardening is None else f"{hardening.linear_mpa:.0f}, {hardening.quadrature_mpa:.0f} MPa",
        ", ".join(f"{title(name)} {count:,}" for name, count in result.counts.items()),
    )


def _size(result: DefectsResult) -> str:
    in_nm, in_px = result.statistics.all.size_nm, result.statistics.all.size_px
    if in_nm is not None:
        return f"{in_nm.mean:.3g} ± {in_nm.std:.3g} nm"
    return "none" if in_px is None else f"{in_px.mean:.3g} ± {in_px.std:.3g} px"


DEFECTS = Family(
    ask,
    headings=("defects", "pixel size", "density", "size", "hardening (linear, quadrature)", "classes"),
    widths=(7, 16, 14, 14, 0, 0),
    cells=cells,
    drawing=("PIL.Image", "contourpy"),
)
