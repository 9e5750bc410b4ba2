"""Noise, textures, borders and detector: their strength, their grain, their direction."""

from __future__ import annotations

import numpy as np
import pytest

from training.defects.synthetic.background import brightness, shade
from training.defects.synthetic.canvas import Canvas
from training.defects.synthetic.detector import record
from training.defects.synthetic.parameters import Background, Band, Border, Detector, Dirt, Frame, Perlin, ScanBox
from training.defects.synthetic.patches import random_texture
from training.synthetic import noise
from training.synthetic.files import compressed


def correlation(field: np.ndarray, lag: int, axis: int) -> float:
    """Correlation of a field with itself `lag` pixels away."""
    a = np.take(field, range(field.shape[axis] - lag), axis)
    b = np.take(field, range(lag, field.shape[axis]), axis)
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


def test_a_random_texture_keeps_the_spectrum_of_its_piece() -> None:
    rng = np.random.default_rng(3)
    piece = 1 + 0.05 * noise.filtered(128, 128, 2.0, 0.7, rng)
    texture = random_texture(piece.astype(np.float32), 256, 256, rng)
    assert texture.shape == (256, 256)
    assert texture.mean() == pytest.approx(piece.mean(), abs=0.01)
    assert texture.std() == pytest.approx(piece.std(), rel=0.05)
    for axis in (0, 1):
        assert correlation(texture, 2, axis) == pytest.approx(correlation(piece, 2, axis), abs=0.12)


def shaded(background: Background, size: int = 200) -> np.ndarray:
    canvas = Canvas.over(Frame(height=size, width=size, pixel_size_nm=0.5))
    canvas.values += 0.3
    shade(canvas, background, np.random.default_rng(0))
    return canvas.picture()


def test_beyond_the_foil_s_edge_is_nothing_but_light() -> None:
    picture = shaded(Background(borders=(Border(normal_deg=90, offset_nm=0, step=1.5, vacuum=True),)))
    assert picture[180].mean() == pytest.approx(0.3, abs=0.01)
    assert picture[20].mean() == pytest.approx(-np.log(1.5), abs=0.02)  # brighter, and the foil's 0.3 is gone


def test_a_grain_boundary_steps_the_brightness_and_keeps_the_foil() -> None:
    border = Border(normal_deg=0, offset_nm=10, step=0.8, depth=0.6, width_nm=4)
    picture = shaded(Background(borders=(border,)))
    assert picture[:, 10].mean() == pytest.approx(0.3, abs=0.01)
    assert picture[:, 190].mean() == pytest.approx(0.3 - np.log(0.8), abs=0.02)
    assert int(picture.mean(axis=0).argmax()) == pytest.approx(99.5 + 20, abs=2)


def test_dirt_covers_its_share_and_a_scan_box_its_rectangle() -> None:
    dirty = shaded(Background(dirt=Dirt(size_nm=12, coverage=0.2, depth=0.4, soft=0.1)), 400) - 0.3
    assert (dirty > 0).mean() == pytest.approx(0.2, abs=0.02)
    box = ScanBox(left_nm=10, top_nm=20, right_nm=30, bottom_nm=50, depth=0.2)
    picture = shaded(Background(scan_boxes=(box,))) - 0.3
    assert picture[60, 40] == pytest.approx(0.2, abs=1e-6)
    assert (picture > 0.1).sum() == pytest.approx(40 * 60, rel=0.06)


def test_a_bend_contour_is_as_wide_and_deep_as_it_says() -> None:
    picture = shaded(Background(bands=(Band(normal_deg=0, offset_nm=0, width_nm=30, depth=0.4),))) - 0.3
    assert picture.max() == pytest.approx(0.4, abs=0.01)
    assert (picture[100] > 0.2).sum() * 0.5 == pytest.approx(30, abs=1.5)


def test_perlin_background_has_its_strength() -> None:
    frame = Frame(height=256, width=256, pixel_size_nm=0.5)
    field = brightness(frame, Background(perlin=(Perlin(period_nm=8, amplitude=0.1),)), np.random.default_rng(0))
    assert np.log(field).std() == pytest.approx(0.1, rel=0.15)


def test_noise_grows_with_the_root_of_the_intensity() -> None:
    detector = Detector(shot_rms=0.05, response_x_px=1.0, response_y_px=1.0, level=0.6)
    bright = record(np.full((200, 200), 1.0, np.float32), detector, np.random.default_rng(0))
    dark = record(np.full((200, 200), 0.25, np.float32), detector, np.random.default_rng(0))
    assert bright.mean() == pytest.approx(0.6 * 255, rel=0.01)
    assert bright.std() / bright.mean() == pytest.approx(0.05, rel=0.1)
    assert dark.std() / bright.std() == pytest.approx(0.5, rel=0.1)


def test_stretching_brings_the_darkest_and_the_lightest_to_their_greys() -> None:
    ramp = np.broadcast_to(np.linspace(0.2, 1.1, 300, dtype=np.float32), (300, 300))
    grey = record(ramp, Detector(shot_rms=0, level=0.5, stretch=(0.1, 0.9)), np.random.default_rng(0))
    assert grey.min() == pytest.approx(0.1 * 255, abs=3)
    assert grey.max() == pytest.approx(0.9 * 255, abs=3)


def test_an_empty_picture_is_not_stretched_into_its_noise() -> None:
    detector = Detector(shot_rms=0.03, level=0.5, stretch=(0.0, 1.0))
    grey = record(np.ones((200, 200), np.float32), detector, np.random.default_rng(0))
    assert grey.std() / 255 < 0.08


def test_a_jpeg_of_low_quality_changes_more() -> None:
    grey = record(np.ones((64, 64), np.float32), Detector(shot_rms=0.1, level=0.5), np.random.default_rng(0))
    errors = [np.abs(compressed(grey, quality) - grey).mean() for quality in (98, 70, 20)]
    assert 0 < errors[0] < errors[1] < errors[2]
