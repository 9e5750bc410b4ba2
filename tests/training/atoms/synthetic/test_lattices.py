"""Crystals: densities, distances and symmetry are those of the real ones."""

from __future__ import annotations

import numpy as np
import pytest

from training.atoms.synthetic.lattices import LATTICES, lattices
from training.atoms.synthetic.symmetry import operations, symmetrise


@pytest.mark.parametrize(
    ("name", "formula_units", "atoms"),
    [("srtio3_100", 1, 5), ("srtio3_110", 2, 10), ("si_110", 4, 4), ("ws2_0001", 2, 6), ("dysco3_110", 8, 40)],
)
def test_composition_of_the_cell(name: str, formula_units: int, atoms: int) -> None:
    elements = [site[0] for site in lattices()[name].sites]
    heavy = {"srtio3_100": "Sr", "srtio3_110": "Ti", "si_110": "Si", "ws2_0001": "W", "dysco3_110": "Dy"}[name]
    assert len(elements) == atoms
    assert elements.count(heavy) == formula_units


@pytest.mark.parametrize(
    ("name", "distance_a"),
    # Ti-O, Ti-O, Si-Si, W-S and Sc-O bond lengths, Å.
    [("srtio3_100", 1.95), ("srtio3_110", 1.95), ("si_110", 2.35), ("ws2_0001", 2.40), ("dysco3_110", 2.07)],
)
def test_shortest_bond(name: str, distance_a: float) -> None:
    lattice = lattices()[name]
    points = np.array([site[1:] for site in lattice.sites])
    difference = points[:, None] - points[None]
    difference -= np.round(difference)
    distance = np.linalg.norm(difference * lattice.cell, axis=-1) + 10.0 * np.eye(len(points))
    assert distance.min() == pytest.approx(distance_a, abs=0.02)


@pytest.mark.parametrize(
    ("name", "spacing_a"),
    [("srtio3_100", 2.761), ("srtio3_110", 1.953), ("si_110", 1.358), ("ws2_0001", 1.820), ("dysco3_110", 2.627)],
)
def test_nearest_columns(name: str, spacing_a: float) -> None:
    assert lattices()[name].smallest_distance_a == pytest.approx(spacing_a, abs=0.002)


@pytest.mark.parametrize("name", LATTICES)
def test_every_labelled_column_holds_its_atoms(name: str) -> None:
    """A column named after an element lies within 0.1 Å of that element's atoms (Dy is a little split)."""
    lattice = lattices()[name]
    size = np.array(lattice.projected_cell)
    for (label, _, _), position in zip(lattice.columns, lattice.column_positions, strict=True):
        element = label.split("-")[0].rstrip("2")
        atoms = np.array([site[1:3] for site in lattice.sites if site[0] == element]) * lattice.cell[:2]
        difference = atoms - position
        difference -= np.round(difference / size) * size
        assert np.linalg.norm(difference, axis=1).min() < 0.1


def test_plane_groups() -> None:
    """p4mm has 8 operations; the centred cells count their centring, so c2mm has 8 and pg-like ones 4."""
    counts = {name: len(operations(lattice)) for name, lattice in lattices().items()}
    assert counts == {"srtio3_100": 8, "srtio3_110": 4, "si_110": 8, "ws2_0001": 4, "dysco3_110": 4}


@pytest.mark.parametrize("name", LATTICES)
def test_symmetrise_leaves_a_symmetric_picture_alone_and_mends_another(name: str) -> None:
    lattice = lattices()[name]
    rng = np.random.default_rng(1)
    once = symmetrise(rng.random((2, 17, 13 if name != "srtio3_100" else 17)), lattice)
    assert np.allclose(symmetrise(once, lattice), once, atol=1e-12)
    assert np.ptp(once) > 0.01


def test_symmetrise_refuses_even_grids() -> None:
    with pytest.raises(ValueError, match="odd"):
        symmetrise(np.zeros((1, 16, 17)), lattices()["si_110"])
