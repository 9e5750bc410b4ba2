"""Where the micrograph is in a picture with a data bar or with margins."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from analysis.data_bar import Field, field
from analysis.micrograph import read_file


@pytest.fixture
def noise() -> np.ndarray:
    """A micrograph of 200 rows and 240 columns."""
    return np.random.default_rng(3).normal(120, 25, (200, 240)).astype(np.float32)


def whole(pixels: np.ndarray) -> Field:
    """All of a picture."""
    return Field(0, 0, pixels.shape[1], pixels.shape[0])


def test_a_bar_with_letters_below(noise: np.ndarray) -> None:
    bar = np.zeros((30, 240), np.float32)
    bar[10:20, 20:150] = 255
    assert field(np.vstack((noise, bar))) == Field(0, 0, 240, 200)
    assert field(np.vstack((noise, bar, np.full((12, 240), 90, np.float32)))) == Field(0, 0, 240, 200)


def test_blank_margins_on_any_side(noise: np.ndarray) -> None:
    pixels = np.full((240, 300), 255, np.float32)
    pixels[15:215, 40:280] = noise
    assert field(pixels) == Field(40, 15, 280, 215)
    # and with the noise of a compressed file
    pixels += np.random.default_rng(1).normal(0, 1, pixels.shape).astype(np.float32)
    assert field(pixels) == Field(40, 15, 280, 215)


def test_what_is_neither(noise: np.ndarray) -> None:
    assert field(noise) == whole(noise)
    for blank in (np.zeros((50, 60), np.float32), np.full((1, 1), 3, np.float32), np.zeros((2, 300), np.float32)):
        assert field(blank) == whole(blank)
    # nearly half of a picture, a single dead line, or a hole is no bar
    dark = np.vstack((noise, np.zeros((170, 240), np.float32)))
    assert field(dark) == whole(dark)
    dead = noise.copy()
    dead[-1] = 0
    assert field(dead) == whole(dead)
    vacuum = noise.copy()
    vacuum[120:, 100:] = 255
    assert field(vacuum) == whole(vacuum)


def test_stripes_from_edge_to_edge_are_no_bar(noise: np.ndarray) -> None:
    stripes = noise.copy()
    stripes[np.arange(200) % 5 < 2] = 0
    stripes[-2:] = 0
    for pixels in (stripes, stripes.T):
        assert field(pixels) == whole(pixels)


def test_real_pictures(shared_data: Path) -> None:
    """The drift-corrected frames of a video have white margins; the others of the sets have none, and no bar."""
    found = field(read_file(shared_data / "fecral_in_situ" / "labelled" / "frame888.jpg").pixels)
    assert (found.left, found.top, found.right) == (91, 63, 1344)
    assert 950 <= found.bottom <= 962
    found = field(read_file(shared_data / "fecral_in_situ" / "labelled" / "frame126.jpg").pixels)
    assert (found.left, found.top, found.right) == (0, 0, 1334)
    assert 838 <= found.bottom <= 870  # the white bar with its text; of the dark one above it a few rows may stay
    for path in (
        *sorted((shared_data / "fecral_three_class").glob("*.jpg")),
        *sorted((shared_data / "fecral_in_situ" / "frames").glob("*.jpg"))[::10],
        *sorted((shared_data / "steel_316l_loops" / "images").glob("*.*"))[::5],
    ):
        pixels = read_file(path).pixels
        assert field(pixels) == whole(pixels), path.name
