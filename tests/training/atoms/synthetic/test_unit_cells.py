"""The committed multislice arrays and their interpolation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from training.atoms.synthetic.lattices import LATTICES, lattices
from training.atoms.synthetic.multislice import ENERGY_EV, FOLDER, SEMIANGLE_MRAD, probe_grid
from training.atoms.synthetic.unit_cell import interpolate, nearest_column, unit_cell
from training.atoms.synthetic.visibility import contrast, widest_source_nm


def test_arrays_are_small() -> None:
    assert sum(path.stat().st_size for path in FOLDER.glob("*.npz")) < 100_000


@pytest.mark.parametrize("name", LATTICES)
def test_microscope_of_the_arrays(name: str) -> None:
    cell = unit_cell(name)
    assert cell.meta["energy_ev"] == ENERGY_EV == 200e3
    assert cell.meta["semiangle_mrad"] == SEMIANGLE_MRAD == 24.0
    assert cell.meta["configurations"] >= 4
    assert cell.coefficients.shape[1:] == probe_grid(cell.lattice)[::-1]
    assert cell.meta["projected_cell_a"] == pytest.approx(cell.lattice.projected_cell)


@pytest.mark.parametrize("name", LATTICES)
def test_peaks_are_at_the_columns(name: str) -> None:
    """The intensity's maxima near the columns lie within 0.05 Å of them, at every thickness."""
    cell = unit_cell(name)
    stack = cell.sample(np.eye(2) * 0.1**2)
    size = np.array(cell.lattice.projected_cell)
    _, ny, nx = stack.shape
    fine = 0.01
    offsets = np.arange(-0.2, 0.2 + fine / 2, fine)
    for layer in range(1, len(stack)):
        for column in cell.lattice.column_positions:
            x, y = np.meshgrid(column[0] + offsets, column[1] + offsets)
            points = [y / size[1] % 1.0 * ny, x / size[0] % 1.0 * nx]
            values = ndimage.map_coordinates(stack[layer], points, order=3, mode="grid-wrap")
            row, line = np.unravel_index(np.argmax(values), values.shape)
            assert np.hypot(offsets[row], offsets[line]) < 0.05


@pytest.mark.parametrize("name", LATTICES)
def test_intensity_is_a_share_of_the_beam_and_grows_with_thickness(name: str) -> None:
    stack = unit_cell(name).sample(np.eye(2) * 0.1**2)
    assert not stack[0].any()
    assert stack.min() > -1e-4
    assert stack.max() < 0.5
    assert (np.diff(stack.mean(axis=(1, 2))) > 0).all()


def test_heavier_columns_are_brighter() -> None:
    """Along a column Z decides: Sr > Ti-O, W > S2, Dy > Sc-O, and the two atoms of a silicon dumbbell are equal."""
    for name, ratio in (("srtio3_100", 1.5), ("srtio3_110", 2.5), ("ws2_0001", 5.0), ("dysco3_110", 4.0)):
        heights = _heights(name)
        assert max(heights) / min(heights) > ratio
    silicon = _heights("si_110")
    assert max(silicon) / min(silicon) < 1.02


def _heights(name: str) -> list[float]:
    cell = unit_cell(name)
    picture = cell.sample(np.eye(2) * 0.2**2)[-1]
    index = cell.lattice.column_positions / cell.lattice.projected_cell * [picture.shape[1], picture.shape[0]]
    columns, rows = np.round(index).astype(int).T
    return [float(picture[r % picture.shape[0], c % picture.shape[1]]) for r, c in zip(rows, columns, strict=True)]


def test_blur_keeps_the_mean_and_lowers_the_peak() -> None:
    cell = unit_cell("si_110")
    sharp, soft = cell.sample(np.eye(2) * 0.1**2), cell.sample(np.eye(2) * 0.5**2, tail=0.2)
    assert np.allclose(sharp.mean(axis=(1, 2)), soft.mean(axis=(1, 2)), rtol=1e-4)
    assert soft[-1].max() < 0.7 * sharp[-1].max()


def test_blur_is_a_gaussian_of_the_given_covariance() -> None:
    """Blurring the sampled picture by hand gives the same as blurring the coefficients, in both axes."""
    cell = unit_cell("srtio3_110")
    sharp = cell.sample(np.zeros((2, 2)))[-1].astype(np.float64)
    soft = cell.sample(np.diag([0.6**2, 0.3**2]))[-1]
    step = np.array(cell.lattice.projected_cell[::-1]) / sharp.shape
    by_hand = ndimage.gaussian_filter(sharp, np.array([0.3, 0.6]) / step, mode="wrap", truncate=8.0)
    assert np.abs(by_hand - soft).max() < 2e-3 * soft.max()


def test_interpolation_hits_the_grid_and_wraps() -> None:
    stack = unit_cell("ws2_0001").sample(np.eye(2) * 0.2**2)
    _, ny, nx = stack.shape
    rows, columns = np.meshgrid(np.arange(ny), np.arange(nx), indexing="ij")
    layer = np.full(rows.shape, len(stack) - 1.0)
    inside = interpolate(stack, columns / nx, rows / ny, layer)
    outside = interpolate(stack, columns / nx - 3.0, rows / ny + 5.0, layer)
    assert np.allclose(inside, stack[-1], atol=1e-4 * stack.max())
    assert np.allclose(outside, inside, atol=1e-3 * stack.max())


def test_half_the_thickness_lies_between() -> None:
    cell = unit_cell("srtio3_100")
    assert cell.layer(0.5 * (cell.thickness_nm[1] + cell.thickness_nm[2])) == pytest.approx(1.5)
    assert cell.layer(1e3) == len(cell.thickness_nm) - 1


@pytest.mark.parametrize("name", LATTICES)
def test_nearest_column_table(name: str) -> None:
    """The vectors reach no further than the largest hole of the lattice and end on a column."""
    lattice = lattices()[name]
    table = nearest_column(name)
    size = np.array(lattice.projected_cell)
    rows, columns = np.meshgrid(np.arange(table.shape[0]), np.arange(table.shape[1]), indexing="ij")
    points = (np.stack([columns, rows], axis=-1) + 0.5) / table.shape[1::-1] * size
    ends = points + table
    difference = ends[..., None, :] - lattice.column_positions
    difference -= np.round(difference / size) * size
    assert np.linalg.norm(difference, axis=-1).min(axis=-1).max() < 1e-4
    assert np.linalg.norm(table, axis=-1).max() < 2.8


def test_unknown_lattice_names_the_known_ones() -> None:
    with pytest.raises(KeyError, match="srtio3_100"):
        unit_cell("diamond")


def test_blur_drowns_the_weak_columns_and_the_limit_stops_it() -> None:
    assert contrast("ws2_0001", 0.13, 0.1, 1.2) < 0.0 < contrast("ws2_0001", 0.05, 0.1, 1.2)
    for name in LATTICES:
        widest = widest_source_nm(name, 0.08)
        assert contrast(name, widest, 0.1, 8.0) >= 0.08
        assert widest <= 0.08 * lattices()[name].smallest_distance_a + 1e-9
