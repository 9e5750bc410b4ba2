"""The picture and its truth belong together."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import cKDTree

from training.atoms.synthetic import LATTICES, Parameters, draw_parameters, expected_intensity, lattices, render
from training.atoms.synthetic.parameters import Background, Crystal, Detector, Frame, Jitter, Region, Source, Wave


def plain(name: str, **changes: object) -> Parameters:
    """A quiet picture of one crystal that fills the frame."""
    crystal = Crystal(lattice=name, rotation_deg=12.0, offset_x_a=0.7, offset_y_a=0.2, thickness_nm=6.0)
    values: dict[str, object] = {
        "seed": 1,
        "frame": Frame(height=192, width=192, pixel_size_nm=0.014),
        "crystals": (crystal,),
        "source": Source(fwhm_nm=0.05),
        "detector": Detector(counts=1e4),
    }
    return Parameters.model_validate(values | changes)


def with_crystal(parameters: Parameters, **changes: object) -> Parameters:
    crystal = parameters.crystals[0].model_copy(update=changes)
    return parameters.model_copy(update={"crystals": (crystal,)})


def peak(picture: np.ndarray, x: float, y: float, radius: float) -> tuple[float, float] | None:
    """Top of a paraboloid through the pixels near (x, y), weighted by distance; None too near the border."""
    reach, column, row = int(np.ceil(2 * radius)), round(x), round(y)
    if min(column, row) < reach or column + reach >= picture.shape[1] or row + reach >= picture.shape[0]:
        return None
    dy, dx = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    values = picture[row - reach : row + reach + 1, column - reach : column + reach + 1].astype(float).ravel()
    terms = np.stack([np.ones(dx.size), *(t.ravel() for t in (dx, dy, dx**2, dy**2, dx * dy))], axis=1)
    cx, cy = x - column, y - row
    for _ in range(8):
        weight = np.exp(-((dx - cx) ** 2 + (dy - cy) ** 2) / (4 * radius**2)).ravel()
        _, b, c, d, e, f = np.linalg.lstsq(terms * weight[:, None], values * weight, rcond=None)[0]
        cx, cy = -np.linalg.solve([[2 * d, f], [f, 2 * e]], [b, c])
    return column + cx, row + cy


@pytest.mark.parametrize(
    ("name", "bound_pm"),
    # The flanks of the other atom of a silicon dumbbell (136 pm away) and of the bright W next to S2 pull the peak.
    [("srtio3_100", 2.0), ("srtio3_110", 2.0), ("si_110", 5.0), ("ws2_0001", 3.5), ("dysco3_110", 2.5)],
)
def test_peaks_lie_on_the_true_positions(name: str, bound_pm: float) -> None:
    """With drift, flyback, shear and calibration errors, but without noise, every peak is at its true position."""
    frame = draw_parameters(5, quality="wide", size=(224, 256), pixel_size_nm=0.014).frame
    frame = frame.model_copy(update={"flyback_px": 1.5, "flyback_decay_px": 10.0})
    picture, truth = expected_intensity(plain(name, frame=frame))
    errors = []
    for x, y in truth:
        found = peak(picture, x, y, 30.0 / 14.0)
        if found is not None:
            errors.append(14.0 * np.hypot(found[0] - x, found[1] - y))
    assert len(errors) > 40
    assert max(errors) < bound_pm


def test_line_jitter_is_noise_and_not_truth() -> None:
    still, shaken = plain("srtio3_100"), plain("srtio3_100", jitter=Jitter(x_px=1.0, y_px=0.5))
    a, b = render(still), render(shaken)
    assert np.array_equal(a.x_px, b.x_px)
    assert np.array_equal(a.y_px, b.y_px)
    assert np.abs(a.pixels - b.pixels).mean() > 0.01 * np.ptp(a.pixels)


@pytest.mark.parametrize("quality", ["usual", "wide"])
@pytest.mark.parametrize("seed", [0, 1, 2, 3, 4, 5, 6, 7])
def test_json_gives_the_picture_back_bit_for_bit(seed: int, quality: str) -> None:
    parameters = draw_parameters(seed, quality=quality, size=(96, 128))  # type: ignore[arg-type]
    first = render(parameters)
    second = render(Parameters.model_validate_json(parameters.model_dump_json()))
    assert first.pixels.tobytes() == second.pixels.tobytes()
    assert first.x_px.tobytes() == second.x_px.tobytes()
    assert first.y_px.tobytes() == second.y_px.tobytes()


def test_another_seed_is_another_noise_on_the_same_crystal() -> None:
    one, other = plain("si_110"), plain("si_110", seed=2)
    a, b = render(one), render(other)
    assert np.array_equal(a.x_px, b.x_px)
    assert not np.array_equal(a.pixels, b.pixels)


@pytest.mark.parametrize("quality", ["usual", "wide"])
def test_form_of_every_drawn_picture(quality: str) -> None:
    for seed in range(40):
        made = render(draw_parameters(seed, quality=quality, size=(80, 112)))  # type: ignore[arg-type]
        assert made.pixels.shape == (80, 112)
        assert made.pixels.dtype == np.float32
        assert np.isfinite(made.pixels).all()
        assert np.ptp(made.pixels) > 0
        assert made.x_px.dtype == made.y_px.dtype == np.float64
        assert ((made.x_px >= 0) & (made.x_px <= 111) & (made.y_px >= 0) & (made.y_px <= 79)).all()
        assert 0.009 < made.pixel_size_nm < 0.027


def test_columns_do_not_coincide() -> None:
    """No two labels closer than 0.8 of the smallest distance in the lattice, across grain boundaries too."""
    for seed in range(60):
        made = render(draw_parameters(seed, quality="wide", size=(128, 128)))
        if len(made.x_px) < 2:
            continue
        names = [crystal.lattice for crystal in made.parameters.crystals]
        spacing_a = min(lattices()[name].smallest_distance_a for name in names)
        distance, _ = cKDTree(np.stack([made.x_px, made.y_px], axis=1)).query(
            np.stack([made.x_px, made.y_px], axis=1), k=2
        )
        assert distance[:, 1].min() > 0.8 * spacing_a / (10 * made.pixel_size_nm) / 1.15


def test_vacuum_is_dark_and_has_no_columns() -> None:
    edge = Region(centre_x_px=96.0, centre_y_px=96.0, half_planes=((0.0, 0.0),))
    parameters = with_crystal(plain("srtio3_100"), regions=(edge,))
    picture, truth = expected_intensity(parameters)
    assert len(truth) > 10
    assert truth[:, 0].max() < 96.0
    assert picture[:, 130:].max() < 1e-6
    full, everywhere = expected_intensity(plain("srtio3_100"))
    assert len(everywhere) > 1.7 * len(truth)
    # Well inside nothing has changed, and every column is there as a whole.
    assert np.allclose(picture[:, :70], full[:, :70], atol=1e-3)
    for x, y in np.round(truth[truth[:, 0] > 75]).astype(int):
        assert picture[y, x] > 0.9 * full[y, x]


def test_edge_columns_are_whole_in_a_distorted_and_jittering_scan() -> None:
    """Labelled columns at an edge are as bright as without the edge, and those beyond it are gone."""
    frame = draw_parameters(11, quality="wide", size=(192, 192), pixel_size_nm=0.014).frame
    edge = Region(centre_x_px=96.0, centre_y_px=96.0, half_planes=((20.0, 3.0), (140.0, 70.0)))
    base = plain("srtio3_100", frame=frame, jitter=Jitter(x_px=1.0, y_px=0.5))
    picture, truth = expected_intensity(with_crystal(base, regions=(edge,)))
    full, everywhere = expected_intensity(base)
    there = cKDTree(truth).query(everywhere)[0] < 1e-6
    assert 20 < there.sum() < 0.8 * len(everywhere)
    for (x, y), kept in zip(np.round(everywhere).astype(int), there, strict=True):
        if kept:
            assert picture[y, x] > 0.85 * full[y, x]
        else:
            assert picture[y, x] < 0.15 * full[y, x]


def test_inverted_region_is_a_hole() -> None:
    hole = Region(centre_x_px=90.0, centre_y_px=100.0, radius_px=40.0, inverted=True)
    picture, truth = expected_intensity(with_crystal(plain("ws2_0001"), regions=(hole,)))
    assert np.hypot(truth[:, 0] - 90.0, truth[:, 1] - 100.0).min() > 40.0
    assert picture[90:110, 80:100].max() < 1e-6


def test_picture_without_crystals_has_no_columns() -> None:
    made = render(plain("si_110", crystals=(), background=Background(level=0.5, speckle=0.05)))
    assert made.x_px.size == made.y_px.size == 0
    assert made.parameters.lattice is None


def test_vacancies_are_dark_and_not_labelled() -> None:
    full = plain("srtio3_100")
    holed = with_crystal(full, vacancy_fraction=0.2, vacancy_remaining=(0.0, 0.0))
    before, everywhere = expected_intensity(full)
    after, truth = expected_intensity(holed)
    share = 1.0 - len(truth) / len(everywhere)
    assert 0.1 < share < 0.35
    gone = everywhere[cKDTree(truth).query(everywhere)[0] > 1.0]
    inner = gone[(gone > 10).all(axis=1) & (gone < 181).all(axis=1)]
    for x, y in np.round(inner).astype(int):
        assert after[y, x] < 0.35 * before[y, x]
    for x, y in np.round(truth).astype(int):
        assert after[y, x] > 0.9 * before[y, x]


def test_thick_is_brighter_and_thin_is_not_labelled() -> None:
    wedge = Wave(amplitude=1.0, frequency_x=0.5, frequency_y=0.0, phase_rad=0.0)
    picture, truth = expected_intensity(with_crystal(plain("srtio3_100"), thickness_waves=(wedge,)))
    assert picture[:, :60].mean() > 3.0 * picture[:, 130:].mean()
    assert 120.0 < truth[:, 0].max() < 192.0 * 0.85


def test_brightest_column_has_height_one() -> None:
    for name in LATTICES:
        picture, _ = expected_intensity(plain(name))
        assert picture.max() == pytest.approx(1.0, abs=0.03)


def test_large_pictures() -> None:
    made = render(draw_parameters(3, size=(1024, 640), lattices=("dysco3_110",)))
    assert made.pixels.shape == (1024, 640)
    assert len(made.x_px) > 300
