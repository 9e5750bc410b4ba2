"""A view of a picture: pixels and labels must go the same way, whatever the turn, the mirror and the scale."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.masks import encode
from training.defects.labels import Ellipse, Label, LabelledPicture
from training.defects.published import CLASSES
from training.defects.views import OUTSIDE, Outlined, View, around, outlines, targets

LIGHT, DARK = 180.0, 40.0


def disc(height: int, width: int, x: float, y: float, radius: float) -> np.ndarray:
    rows, columns = np.mgrid[:height, :width]
    return np.where((columns - x) ** 2 + (rows - y) ** 2 <= radius**2, DARK, LIGHT).astype(np.float32)


def picture(*labels: Label, height: int = 200, width: int = 240) -> LabelledPicture:
    return LabelledPicture("x.png", height, width, labels, frozenset(CLASSES))


def seen(view: View, *labels: Label, labelled: tuple[str, ...] = CLASSES):
    return targets(view, outlines(picture(*labels), lambda name: (name,)), labelled, CLASSES)


@settings(max_examples=40, deadline=None)
@given(
    turn=st.floats(0, 360),
    mirrored=st.booleans(),
    scale_x=st.floats(0.5, 2),
    scale_y=st.floats(0.5, 2),
    dx=st.floats(-15, 15),
    dy=st.floats(-15, 15),
)
def test_a_dark_disc_lies_under_its_label(turn, mirrored, scale_x, scale_y, dx, dy) -> None:
    pixels = disc(200, 240, 120, 100, 14)
    label = Label("black_dot", (106, 86, 134, 114), ellipse=Ellipse(120, 100, 28, 28, 0))
    view = View(128, 120 + dx, 100 + dy, scale_x, scale_y, turn, mirrored)
    found = view.pixels(pixels)
    known = seen(view, label)
    mask = known.masks[0].numpy()
    dark = (found < (LIGHT + DARK) / 2) & (found != OUTSIDE)
    assert (mask & dark).sum() / (mask | dark).sum() > 0.87
    rows, columns = np.nonzero(mask)
    x1, y1, x2, y2 = known.boxes[0].tolist()
    assert (x1, x2) == pytest.approx((columns.min(), columns.max() + 1), abs=1.5)
    assert (y1, y2) == pytest.approx((rows.min(), rows.max() + 1), abs=1.5)


@pytest.mark.parametrize(("turn", "turns"), [(0, 0), (90, 1), (180, 2), (270, 3)])
def test_right_angles_copy_pixels(turn: float, turns: int) -> None:
    pixels = np.random.default_rng(1).uniform(0, 255, (64, 64)).astype(np.float32)
    found = View(32, 31.5, 31.5, turn_deg=turn).pixels(pixels)
    assert np.allclose(found, np.rot90(pixels[16:48, 16:48], turns), atol=1e-3)
    mirrored = View(32, 31.5, 31.5, turn_deg=turn, mirrored=True).pixels(pixels)
    assert np.allclose(mirrored, np.rot90(pixels[16:48, 16:48], turns)[:, ::-1], atol=1e-3)


def test_a_shrunken_picture_does_not_alias() -> None:
    stripes = np.where(np.arange(256) % 2, 255.0, 0.0)[None].repeat(256, 0).astype(np.float32)
    assert View(64, 127.5, 127.5, 0.5, 0.5).pixels(stripes)[8:-8, 8:-8].std() < 3


def test_beyond_the_edge_it_is_grey_and_nothing_is_labelled_there() -> None:
    found = View(64, 0, 0).pixels(np.full((100, 100), 200, np.float32))
    assert np.allclose(found[:31, :31], OUTSIDE)
    assert np.allclose(found[33:, 33:], 200)
    far = View(64, -500, -500)
    assert np.allclose(far.pixels(np.full((100, 100), 200, np.float32)), OUTSIDE)
    assert len(seen(far, Label("black_dot", (10, 10, 30, 30))).boxes) == 0


def test_what_is_mostly_outside_is_not_judged_and_what_is_cut_is_cut() -> None:
    box = Label("loop_111", (40, 40, 80, 60))
    whole = seen(View(64, 60, 50), box)
    assert whole.boxes.tolist() == [[12.0, 22.0, 52.0, 42.0]]
    assert not whole.outlined[0]
    assert not whole.unlabelled.any()
    half = seen(View(64, 91.5, 50), box)
    assert half.boxes.tolist() == [[0.0, 22.0, 20.5, 42.0]]
    sliver = seen(View(64, 107.5, 50), box)
    assert len(sliver.boxes) == 0
    assert sliver.unlabelled[:, 22:42, :4].all()
    assert not sliver.unlabelled[:, 22:42, 6:].any()


def test_what_is_too_small_to_see_is_not_judged() -> None:
    dot = Label("black_dot", (96, 96, 104, 104), ellipse=Ellipse(100, 100, 8, 8, 0))
    small = seen(View(64, 100, 100, 0.3, 0.3), dot)
    assert len(small.boxes) == 0
    assert small.unlabelled[:, 31:33, 31:33].all()


def test_masks_and_polygons_and_ellipses_give_the_same_place() -> None:
    ellipse = Ellipse(120, 100, 40, 20, 30)
    mask = ellipse.mask()
    view = View(96, 118, 103, 1.3, 1.3, 40, mirrored=True)
    labels = (
        Label("loop_100", ellipse.box, ellipse=ellipse),
        Label("loop_100", ellipse.box, mask=mask),
        Label("loop_100", ellipse.box, polygons=(around(ellipse),)),
    )
    first, second, third = (one.numpy() for one in seen(view, *labels).masks)
    assert (first & second).sum() / (first | second).sum() > 0.95
    assert (first == third).all()


def test_classes_that_nobody_looked_for_are_unknown_everywhere() -> None:
    known = seen(View(64, 100, 100), Label("loop_111", (90, 90, 110, 110)), labelled=("loop_111",))
    assert known.unlabelled.flatten(1).all(1).tolist() == [False, True, True]
    assert known.possible.tolist() == [[True, False, False]]


def test_what_may_or_may_not_be_of_a_class_of_the_network_is_not_judged() -> None:
    corners = np.array([(90, 90), (110, 90), (110, 110), (90, 110)], float)
    unsure = Outlined(("loop_111", "black_dot"), (corners,), known=True)
    other = Outlined(("black_dot",), (corners,), known=True)
    view = View(64, 100, 100)
    known = targets(view, (unsure,), ("loop_111", "black_dot"), ("loop_111",))
    assert len(known.boxes) == 0
    assert known.unlabelled[:, 22:42, 22:42].all()
    background = targets(view, (other,), ("loop_111", "black_dot"), ("loop_111",))
    assert len(background.boxes) == 0
    assert not background.unlabelled.any()


def test_a_mask_that_is_cut_by_the_frame_keeps_its_edge() -> None:
    mask = encode(np.ones((10, 20), bool), x_px=220, y_px=190)
    known = seen(View(64, 220, 180), Label("black_dot", (219.5, 189.5, 239.5, 199.5), mask=mask))
    assert int(known.masks[0].sum()) == pytest.approx(200, abs=35)
