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
