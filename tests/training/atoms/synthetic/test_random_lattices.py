"""Lattices that do not exist: each its own, drawn from its name, with columns where it says they are."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from training.atoms.synthetic import LATTICES, RANDOM, Parameters, draw_parameters, render
from training.atoms.synthetic.random_lattices import STRONGEST_UNLABELLED, WEAKEST, is_random, random_cell
from training.atoms.synthetic.unit_cell import unit_cell

NAMES = [f"{RANDOM}_{number}" for number in range(40)]


def test_the_name_decides_the_lattice() -> None:
    first, again, other = random_cell(NAMES[0]), random_cell(NAMES[0]), random_cell(NAMES[1])
    assert first.lattice == again.lattice != other.lattice
    np.testing.assert_array_equal(first.coefficients, again.coefficients)


def test_names() -> None:
    assert all(is_random(name) for name in NAMES)
    assert not any(is_random(name) for name in (*LATTICES, RANDOM, "random_", "random_x", "random_-1"))
    with pytest.raises(KeyError, match="srtio3_100"):
        unit_cell("random_x")


@pytest.mark.parametrize("name", NAMES)
def test_the_cell_is_brightest_at_its_columns_and_they_keep_apart(name: str) -> None:
    cell = unit_cell(name)
    assert cell.lattice.smallest_distance_a > 1.15
    assert len(cell.thickness_nm) == 2
    picture = cell.sample(np.eye(2) * 0.1**2)[1]
    assert picture.min() > -0.02 * picture.max()
    size = np.array(cell.lattice.projected_cell)
    places = cell.lattice.column_positions / size * [picture.shape[1], picture.shape[0]]
    heights = ndimage.map_coordinates(picture, [places[:, 1], places[:, 0]], order=1, mode="grid-wrap")
    assert heights.max() > 0.97 * picture.max()
    floor = float(np.quantile(picture, 0.02))
    assert (heights - floor > 0.7 * WEAKEST * (picture.max() - floor)).all()


def test_no_unlabelled_column_is_nearly_as_strong_as_a_labelled_one() -> None:
    assert 2 * STRONGEST_UNLABELLED < WEAKEST


def test_pictures_of_random_lattices_differ_in_lattice_and_can_be_made_again() -> None:
    drawn = [draw_parameters(seed, size=(96, 96), lattices=(RANDOM,)) for seed in range(12)]
    names = {crystal.lattice for parameters in drawn for crystal in parameters.crystals}
    assert len(names) >= 10
    assert all(is_random(name) for name in names)
    again = render(Parameters.model_validate_json(drawn[3].model_dump_json()))
    made = render(drawn[3])
    np.testing.assert_array_equal(made.pixels, again.pixels)
    np.testing.assert_array_equal(made.x_px, again.x_px)


def test_named_lattices_are_drawn_as_without_random_ones() -> None:
    assert {draw_parameters(seed).lattice for seed in range(40)} <= {*LATTICES, None}
    mixed = {is_random(draw_parameters(seed, lattices=(*LATTICES, RANDOM)).lattice or "") for seed in range(40)}
    assert mixed == {True, False}
