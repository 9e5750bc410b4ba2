"""Lattice vectors, sites and statistics of patterns of columns whose lattice is known."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from analysis.atoms.lattice import find_vectors
from analysis.atoms.sites import fit_sites
from analysis.atoms.statistics import describe, first_shell
from tests.analysis.atoms.synthetic_columns import lattice

# cell vectors in pm, basis, and the two shortest translations of the positions in pm
CRYSTALS = {
    # Sr and Ti differ in brightness, not in the pattern of their positions
    "srtio3_100": ((390.5, 0), (0, 390.5), [(0, 0), (0.5, 0.5)], (276.1, 276.1)),
    "si_110": ((543.1, 0), (0, 384.0), [(0, 0), (0.25, 0), (0.5, 0.5), (0.75, 0.5)], (332.6, 332.6)),
    "ws2_0001": ((315.3, 0), (157.65, 273.06), [(0, 0), (1 / 3, 1 / 3)], (315.3, 315.3)),
    "rectangle": ((280.0, 0), (0, 390.0), [(0, 0)], (280.0, 390.0)),
    "oblique": ((300.0, 40.0), (90.0, 350.0), [(0, 0), (0.3, 0.45)], (302.7, 361.4)),
}


def turned(vector, angle_deg, pixel_size_pm):
    cosine, sine = np.cos(np.radians(angle_deg)), -np.sin(np.radians(angle_deg))
    x, y = vector
    return (x * cosine - y * sine) / pixel_size_pm, (x * sine + y * cosine) / pixel_size_pm


def crystal(name: str, angle_deg: float, pixel_size_pm: float = 14.0, size: int = 500) -> np.ndarray:
    a, b, basis, _ = CRYSTALS[name]
    vectors = (turned(v, angle_deg, pixel_size_pm) for v in (a, b))
    return lattice((size, size), *vectors, basis=basis, margin=5)


def roughened(xy: np.ndarray, *, noise_px=0.4, missing=0.03, strays=0.02, bend_px=4.0, size=500, seed=0) -> np.ndarray:
    """Noise, slow distortion, columns that were missed and columns that are none."""
    random = np.random.default_rng(seed)
    xy = xy + random.normal(0, noise_px, xy.shape)
    xy = xy + bend_px * np.column_stack([np.sin(xy[:, 1] / 150), np.cos(xy[:, 0] / 130)])
    kept = xy[random.uniform(size=len(xy)) > missing]
    return np.concatenate([kept, random.uniform(0, size, (round(strays * len(xy)), 2))])


@pytest.mark.parametrize("name", CRYSTALS)
@pytest.mark.parametrize("angle_deg", [0.0, 23.0])
def test_vectors_of_a_rough_pattern(name, angle_deg):
    found = find_vectors(roughened(crystal(name, angle_deg)))
    assert found is not None
    lengths = [np.hypot(*v) * 14.0 for v in found]
    np.testing.assert_allclose(lengths, CRYSTALS[name][3], rtol=0.02)


@pytest.mark.parametrize("name", CRYSTALS)
def test_vectors_of_a_clean_pattern_are_exact_and_carry_it_onto_itself(name):
    xy = crystal(name, 11.0)
    found = find_vectors(xy)
    assert found is not None
    middle = xy[(np.abs(xy - 250) < 150).all(axis=1)]
    for vector in found:
        distance = np.hypot(*(middle[:, None] + vector - xy).T).min(axis=0)
        assert distance.max() < 1e-6


def test_dumbbell_is_no_lattice_vector():
    found = find_vectors(crystal("si_110", 5.0))
    assert found is not None
    assert min(np.hypot(*v) * 14.0 for v in found) > 300  # the dumbbell is 136


@pytest.mark.parametrize("seed", range(4))
def test_disorder_has_no_lattice(seed):
    random = np.random.default_rng(seed)
    assert find_vectors(random.uniform(0, 1000, (800, 2))) is None
    points = random.uniform(0, 600, (4000, 2))  # an amorphous pattern: no two closer than 14
    taken = np.zeros(len(points), bool)
    for i, close in enumerate(cKDTree(points).query_ball_point(points, 14)):
        taken[i] = not taken[close].any()
    assert find_vectors(points[taken]) is None


@pytest.mark.parametrize("xy", [np.empty((0, 2)), np.eye(2), np.column_stack([np.arange(40.0), 2 * np.arange(40.0)])])
def test_too_few_or_in_line(xy):
    assert find_vectors(xy) is None
    assert fit_sites(xy) is None


@pytest.mark.parametrize("field", [200.0, 1000.0])
def test_pairs_far_from_each_other_take_little_memory(field):
    """The distance to the fortieth neighbour is then a hundred times that to the nearest."""
    random = np.random.default_rng(2)
    one = random.uniform(0, field, (8, 2))
    tracemalloc.start()
    try:
        assert find_vectors(np.concatenate([one, one + np.array([3, 1])])) is None
        assert tracemalloc.get_traced_memory()[1] < 100e6
    finally:
        tracemalloc.stop()


def test_points_on_top_of_each_other_have_no_lattice():
    assert find_vectors(np.repeat(np.random.default_rng(0).uniform(0, 90, (20, 2)), 2, axis=0)) is None


@settings(max_examples=25, deadline=None)
@given(angle_deg=st.floats(0, 180), name=st.sampled_from(sorted(CRYSTALS)), missing=st.floats(0, 0.15))
def test_vectors_do_not_depend_on_rotation_or_vacancies(angle_deg, name, missing):
    xy = roughened(crystal(name, angle_deg, size=420), missing=missing, strays=0, bend_px=0, size=420)
    found = find_vectors(xy)
    assert found is not None
    np.testing.assert_allclose([np.hypot(*v) * 14.0 for v in found], CRYSTALS[name][3], rtol=0.02)


@pytest.mark.parametrize("name", CRYSTALS)
def test_sites_tell_what_is_missing_and_what_is_stray(name):
    xy = crystal(name, 8.0)
    random = np.random.default_rng(1)
    bent = xy + random.normal(0, 0.3, xy.shape) + 5 * np.column_stack([np.sin(xy[:, 1] / 150), np.cos(xy[:, 0] / 130)])
    inner = (np.abs(bent - 250) < 200).all(axis=1)
    missing = np.flatnonzero(inner)[::25]
    kept = np.delete(bent, missing, axis=0)
    # strays in the middle between two columns that are nearest neighbours of no site
    stray = random.uniform(60, 440, (400, 2))
    stray = stray[np.hypot(*(stray[:, None] - bent).T).min(axis=0) > 0.45 * np.median(nearest(bent))][:9]
    sites = fit_sites(np.concatenate([kept, stray]), shape=(500, 500), margin_px=30)
    assert sites is not None
    lost = sites.xy[~sites.occupied]
    expected = bent[missing]
    expected = expected[(np.abs(expected - 249.5) < 219).all(axis=1)]
    assert len(lost) == len(expected)
    assert np.hypot(*(lost[:, None] - expected).T).min(axis=0).max() < 3
    assert (~sites.on_site).sum() == len(stray)
    assert not sites.on_site[len(kept) :].any()


def nearest(xy: np.ndarray) -> np.ndarray:
    return np.sort(np.hypot(*(xy[:, None] - xy).T), axis=0)[1]


def test_sites_of_a_perfect_crystal_are_all_found():
    sites = fit_sites(crystal("si_110", 30.0))
    assert sites is not None
    assert sites.found == 1
    assert sites.off_lattice == 0
    assert len(sites.basis) == 2


def test_statistics_in_pm_and_per_nm2():
    xy = crystal("srtio3_100", 7.0)
    found = describe(xy, (500, 500), (0.014, 0.014))
    assert found.count == len(xy)
    assert found.density_per_nm2 == pytest.approx(len(xy) / 49)
    assert found.nearest_neighbour_median_pm == pytest.approx(276.1, rel=1e-3)
    assert found.nearest_neighbour_mean_px == pytest.approx(276.1 / 14, rel=1e-3)
    assert found.nearest_neighbour_std_pm == pytest.approx(0, abs=1e-6)
    assert found.lattice is not None
    assert found.lattice.a.length_pm == pytest.approx(276.1, rel=1e-3)
    assert found.lattice.gamma_deg == pytest.approx(90, abs=1e-3)
    assert found.lattice.a.angle_deg == pytest.approx(45 + 7, abs=1e-3)


def test_lattice_through_non_square_pixels():
    """x twice as fine as y: the specimen's square lattice stays square in pm."""
    xy = crystal("srtio3_100", 7.0) * (1.0, 0.5)
    found = describe(xy, (250, 500), (0.014, 0.028))
    assert found.lattice is not None
    assert found.lattice.b.length_pm == pytest.approx(276.1, rel=1e-3)
    assert found.lattice.gamma_deg == pytest.approx(90, abs=1e-3)
    assert found.lattice.a.length_px == pytest.approx(np.hypot(found.lattice.a.x_px, found.lattice.a.y_px))
    assert found.nearest_neighbour_median_pm == pytest.approx(276.1, rel=1e-3)
    assert found.density_per_nm2 == pytest.approx(len(xy) / 49)


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_statistics_of_few_columns(count):
    found = describe(np.arange(2.0 * count).reshape(-1, 2), (50, 50), None)
    assert found.count == count
    assert found.lattice is None
    assert found.density_per_nm2 is None
    assert found.nearest_neighbour_median_pm is None
    assert (found.nearest_neighbour_median_px is None) == (count < 2)


@pytest.mark.parametrize(("name", "bonds", "length_pm"), [("srtio3_100", 4, 276.1), ("ws2_0001", 3, 182.0)])
def test_nearest_neighbours_are_the_whole_first_shell(name, bonds, length_pm):
    """Each bond once, and its length without the bias that the smallest of several noisy distances has."""
    xy = crystal(name, 9.0)
    noisy = xy + np.random.default_rng(0).normal(0, 0.7, xy.shape)
    found = describe(noisy, (500, 500), (0.014, 0.014))
    assert found.nearest_neighbour_median_pm == pytest.approx(length_pm, rel=0.01)
    assert np.median(nearest(noisy)) * 14 < 0.97 * length_pm
    inner = ((xy > 40) & (xy < 460)).all(axis=1).sum()
    assert inner * bonds / 2 < len(first_shell(xy)) < len(xy) * bonds / 2


def test_a_dumbbell_is_one_bond():
    found = describe(crystal("si_110", 9.0), (500, 500), (0.014, 0.014))
    assert found.nearest_neighbour_median_pm == pytest.approx(543.1 / 4, rel=1e-3)
