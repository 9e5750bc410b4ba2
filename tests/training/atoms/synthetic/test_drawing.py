"""Drawn parameters stay in the documented ranges and show their columns."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import ndimage

from training.atoms.synthetic import LATTICES, Parameters, draw_parameters, expected_intensity, lattices, render
from training.atoms.synthetic.geometry import columns_in_frame
from training.atoms.synthetic.ranges import USUAL, WIDE


def test_same_seed_same_parameters() -> None:
    assert draw_parameters(7) == draw_parameters(7)
    assert draw_parameters(7) != draw_parameters(8)
    assert draw_parameters(7).seed == 7


def test_lattices_and_scenes_all_come() -> None:
    drawn = [draw_parameters(seed, quality="wide") for seed in range(600)]
    names = Counter(parameters.lattice for parameters in drawn)
    assert set(names) == {*LATTICES, None}
    assert min(names[name] for name in LATTICES) > 70
    assert 5 <= names[None] <= 60
    assert sum(len(parameters.crystals) == 2 for parameters in drawn) > 15
    assert sum(bool(parameters.crystals and parameters.crystals[0].regions) for parameters in drawn) > 120


@pytest.mark.parametrize(("quality", "ranges"), [("usual", USUAL), ("wide", WIDE)])
def test_numbers_stay_in_the_ranges(quality: str, ranges: object) -> None:
    for seed in range(200):
        parameters = draw_parameters(seed, quality=quality)  # type: ignore[arg-type]
        frame, detector = parameters.frame, parameters.detector
        chosen = USUAL if quality == "usual" else WIDE
        assert chosen is ranges
        assert chosen.pixel_size_nm[0] <= frame.pixel_size_nm <= chosen.pixel_size_nm[1]
        assert chosen.fwhm_nm[0] <= parameters.source.fwhm_nm <= chosen.fwhm_nm[1]
        assert parameters.jitter.x_px * frame.pixel_size_nm * 1e3 <= chosen.jitter_pm[1] + 1e-9
        assert detector.counts >= chosen.counts[0]
        assert 0 < detector.gaussian <= chosen.gaussian[1]
        assert chosen.gamma[0] <= detector.gamma <= chosen.gamma[1]
        assert detector.salt_and_pepper <= chosen.salt_and_pepper[1]
        assert abs(frame.zoom_x / frame.zoom_y - 1.0) < 1.15 * chosen.anisotropy


def test_pixel_size_as_a_number_or_a_range() -> None:
    assert draw_parameters(1, pixel_size_nm=0.0123).frame.pixel_size_nm == 0.0123
    sizes = [draw_parameters(seed, pixel_size_nm=(0.011, 0.012)).frame.pixel_size_nm for seed in range(50)]
    assert min(sizes) >= 0.011
    assert max(sizes) <= 0.012
    assert len(set(sizes)) == 50


def test_only_the_named_lattices() -> None:
    drawn = [draw_parameters(seed, lattices=("si_110", "ws2_0001"), quality="wide") for seed in range(100)]
    names = {crystal.lattice for parameters in drawn for crystal in parameters.crystals}
    assert names == {"si_110", "ws2_0001"}


@pytest.mark.parametrize("names", [(), ("graphene",)])
def test_unknown_lattice_is_refused(names: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="srtio3_100"):
        draw_parameters(1, lattices=names)


def test_unknown_field_is_refused() -> None:
    text = draw_parameters(1).model_dump_json().replace('"seed"', '"sead"', 1)
    with pytest.raises(ValidationError):
        Parameters.model_validate_json(text)


@pytest.mark.parametrize("name", LATTICES)
def test_weakest_columns_stand_out_in_usual_pictures(name: str) -> None:
    """Filtered a little, the weakest sublattice is brighter than the points around it, well above the scatter."""
    lattice = lattices()[name]
    ratios = []
    for seed in range(30):
        parameters = draw_parameters(seed, lattices=(name,))
        crystal = parameters.crystals[0] if parameters.crystals else None
        if crystal is None or crystal.regions or crystal.vacancy_fraction:
            continue
        made = render(parameters)
        pixel_a = 10.0 * parameters.frame.pixel_size_nm
        sigma = 0.4 * np.hypot(0.75, 10.0 * parameters.source.fwhm_nm) / 2.355 / pixel_a
        smooth = ndimage.gaussian_filter(made.pixels, sigma)
        centres = columns_in_frame(parameters.frame, crystal, lattice)
        angle = np.linspace(0.0, 2.0 * np.pi, 8, endpoint=False)
        circle = 0.5 * lattice.smallest_distance_a / pixel_a * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
        around = centres[:, None] + circle

        def sample(points: np.ndarray, picture: np.ndarray = smooth) -> np.ndarray:
            return ndimage.map_coordinates(picture, [points[..., 1], points[..., 0]], order=1, mode="nearest")

        height = sample(centres) - sample(around).mean(axis=1)
        clean, _ = expected_intensity(parameters)
        bright = sample(centres, clean)
        weak = bright < np.quantile(bright, 0.4)
        ratios.append(height[weak].mean() / height[weak].std())
    assert len(ratios) >= 8
    assert np.median(ratios) > 2.5
