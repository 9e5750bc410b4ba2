"""What the shipped model of each family must have been measured to do, by its own manifest."""

from __future__ import annotations

from model_store.store import Store
from training.atoms.synthetic import LATTICES


def test_atoms_default_on_held_out_simulated_lattices() -> None:
    store = Store()
    scores = store.manifest(store.default("atoms")).scores
    assert set(scores["held_out_by_lattice"]) == set(LATTICES)
    held_out = scores["held_out"]
    assert held_out["recall"] >= 0.98
    assert held_out["precision"] >= 0.99
    assert held_out["rms_pm"] <= 10
    for row in scores["held_out_by_lattice"].values():
        assert row["recall"] >= 0.98
        assert row["precision"] >= 0.99
        assert row["rms_pm"] <= 10


def test_atoms_default_was_measured_without_each_lattice() -> None:
    store = Store()
    rows = store.manifest(store.default("atoms")).scores["leave_one_out"]
    assert set(rows) == set(LATTICES)
    for row in rows.values():
        assert row["columns"] > 1000
        assert 0.5 < row["recall"] <= 1
        assert 0.5 < row["precision"] <= 1


def test_dislocations_default_on_held_out_synthetic_pictures() -> None:
    """What two cores must reach; on real backgrounds no less than a network trained on Perlin noise keeps."""
    store = Store()
    scores = store.manifest(store.default("dislocations")).scores
    for title, least in (("M1, perlin", 0.7), ("M2, perlin", 0.5), ("M1, real", 0.6), ("M2, real", 0.5)):
        assert scores[title]["length_score"] >= least
        assert scores[title]["lines"] > 150
        assert scores[title]["distance_px"] < 2
