"""The shipped model on real micrographs, judged by the lattices that are known to be there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from analysis.atoms import pipeline
from analysis.atoms.preprocess import InputSpec
from analysis.atoms.sites import Sites, fit_sites
from analysis.micrograph import read_file
from emserve.results import AtomsResult
from model_store.store import Store

EDGE_PX = 20.0  # a column that the frame cuts is no site to be found


@pytest.fixture(scope="module")
def analyse(shared_data: Path) -> Callable[..., AtomsResult]:
    store = Store()
    model = store.open(store.default("atoms"))
    spec = InputSpec.model_validate(model.manifest.input)

    def run(name: str, **options) -> AtomsResult:
        micrograph = read_file(shared_data / "atom_columns" / name, **options)
        return pipeline.analyse(micrograph, model, spec, request_id="test")

    return run


def off_lattice(result: AtomsResult, sites: Sites) -> float:
    """Share of the columns on no site, among those that the frame does not cut."""
    size = (result.micrograph.width_px, result.micrograph.height_px)
    inside = np.all((result.positions_px > EDGE_PX) & (result.positions_px < np.subtract(size, EDGE_PX)), axis=1)
    return float(1 - sites.on_site[inside].mean())


def test_strontium_titanate(analyse) -> None:
    """Both sublattices of SrTiO3 [100]; this microscope reads about 3.4 % large."""
    result = analyse("strontium_titanate.ser")
    assert 1250 <= result.statistics.count <= 1320
    assert result.statistics.nearest_neighbour_median_px == pytest.approx(28.5, abs=0.3)
    sites = fit_sites(result.positions_px, shape=(1024, 1024), margin_px=EDGE_PX)
    assert sites is not None
    assert sites.found >= 0.99
    assert sites.off_lattice <= 0.01
    lattice = result.statistics.lattice
    assert lattice is not None
    # The positions alone carry the centred cell, whose vectors are a/√2 long.
    for vector in (lattice.a, lattice.b):
        assert vector.length_pm == pytest.approx(390.5 * 1.034 / np.sqrt(2), rel=0.02)
    assert lattice.gamma_deg == pytest.approx(90, abs=2)


@pytest.mark.parametrize("pixel_size_nm", [0.0098, None])
def test_silicon_dumbbells_are_two_columns_each(analyse, pixel_size_nm: float | None) -> None:
    """Si [110], with its pixel size and without: then the picture's own lattice says how far to resample."""
    result = analyse("silicon_110.png", pixel_size_nm=pixel_size_nm)
    sites = fit_sites(result.positions_px, shape=(512, 512), margin_px=EDGE_PX)
    assert sites is not None
    assert len(sites.basis) == 2  # two columns a cell
    assert sites.found >= 0.95
    assert off_lattice(result, sites) <= 0.01
    # The two columns are a quarter of [001] apart, and [001] is the difference of the two shortest translations.
    apart = sites.basis[1] - sites.basis[0]
    assert np.abs(apart - np.round(apart)) == pytest.approx([0.25, 0.25], abs=0.015)


def test_dumbbells_of_dyscandate(analyse) -> None:
    """A noisy picture with jittering lines and without a pixel size."""
    result = analyse("dyscandate.png")
    sites = fit_sites(result.positions_px, shape=(730, 730), margin_px=EDGE_PX)
    assert sites is not None
    assert len(sites.basis) == 2
    assert sites.found >= 0.95
    assert off_lattice(result, sites) <= 0.01
