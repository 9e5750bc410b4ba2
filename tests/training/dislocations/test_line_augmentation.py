"""Pictures changed at random: lines stay under their masks, and only the grey values that may change do."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from training.dislocations.augmentation import (
    CHANGES,
    HIGHEST,
    LARGEST_NOISE,
    LOWEST,
    augment,
    equalised,
    with_brightness,
    with_contrast,
    with_noise,
)


def frame(height: int = 48, width: int = 48) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """A grey ramp with two dark lines that no turn and no mirror maps onto each other."""
    picture = np.tile(np.linspace(0.5, 1.0, width, dtype=np.float32), (height, 1))
    masks = np.zeros((2, height, width), bool)
    masks[0, 5:30, 8:11], masks[1, 36:39, 14:42] = True, True
    picture[masks.any(axis=0)] -= 0.4
    return picture, masks


@pytest.mark.parametrize("shape", [(48, 48), (48, 64), (70, 52)])
def test_lines_stay_under_their_masks(shape: tuple[int, int]) -> None:
    picture, masks = frame(*shape)
    seen = set()
    for seed in range(30):
        changed, moved = augment(picture, masks, np.random.default_rng(seed))
        assert changed.shape == shape
        assert moved.shape == masks.shape
        assert (changed.dtype, moved.dtype) == (np.float32, np.bool_)
        np.testing.assert_array_equal(moved.sum(axis=(1, 2)), masks.sum(axis=(1, 2)))
        for line in moved:
            beside = np.zeros_like(line)
            rows, columns = np.nonzero(line)
            beside[max(rows.min() - 3, 0) : rows.max() + 4, max(columns.min() - 3, 0) : columns.max() + 4] = True
            assert changed[line].mean() < changed[beside & ~moved.any(axis=0)].mean()
        seen.add(moved[0].tobytes())
    assert len(seen) == (8 if shape[0] == shape[1] else 4)


def test_the_random_numbers_decide() -> None:
    picture, masks = frame()
    first, again, other = (augment(picture, masks, np.random.default_rng(seed))[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_nothing_is_changed_in_place_and_grey_values_stay_in_the_served_range() -> None:
    picture, masks = frame()
    picture[0, 0], picture[-1, -1] = 1.25, -0.25
    kept, kept_masks = picture.copy(), masks.copy()
    for seed in range(20):
        changed, _ = augment(picture, masks, np.random.default_rng(seed))
        assert changed.min() >= LOWEST
        assert changed.max() <= HIGHEST
    np.testing.assert_array_equal(picture, kept)
    np.testing.assert_array_equal(masks, kept_masks)


def test_each_change_does_what_its_name_says() -> None:
    picture, _ = frame()
    random = np.random.default_rng(4)
    brighter = with_brightness(picture, random) - picture
    assert np.ptp(brighter) < 1e-6
    assert abs(brighter.mean()) > 1e-3

    contrast = with_contrast(picture, random)
    assert contrast.mean() == pytest.approx(picture.mean(), abs=1e-5)
    assert contrast.std() != pytest.approx(picture.std(), rel=0.02)

    noise = with_noise(picture, random) - picture
    assert 0 < noise.std() < 1.1 * LARGEST_NOISE
    assert abs(np.corrcoef(noise[:, :-1].ravel(), noise[:, 1:].ravel())[0, 1]) < 0.1

    order = np.argsort(picture, axis=None, kind="stable")
    assert (np.diff(equalised(picture, random).ravel()[order]) > -1e-6).all()


@pytest.mark.parametrize("change", CHANGES)
def test_a_constant_picture_and_one_without_lines_stay_finite(change) -> None:
    constant = np.full((16, 24), 0.3, np.float32)
    assert np.isfinite(change(constant, np.random.default_rng(0))).all()
    picture, masks = augment(constant, np.zeros((0, 16, 24), bool), np.random.default_rng(0))
    assert np.isfinite(picture).all()
    assert masks.shape == (0, 16, 24)
