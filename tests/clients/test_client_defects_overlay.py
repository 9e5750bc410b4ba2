"""Overlays and plots of defects: outlines on their masks, in the colours of the field, nothing hidden."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from emserve import DefectsResult, MissingDependency
from emserve.defect_classes import colours, title
from emserve.overlay import draw
from emserve.overlay.defects import scales
from emserve.overlay.lettering import Lettering
from emserve.testing import defects_result

Image = pytest.importorskip("PIL.Image", reason="the extra `plot` is not installed")
pytest.importorskip("contourpy", reason="the extra `plot` is not installed")

NAMES = ("loop_111", "loop_100", "black_dot")


def result_of(*discs: tuple[str, float, float, float], side: int = 700, **options: float | None) -> DefectsResult:
    return defects_result(discs, width_px=side, height_px=side, **{"pixel_size_nm": None, **options})


def inked(image: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """Pixels of a colour on black, also where a line covers them in part."""
    length = np.maximum(np.linalg.norm(image, axis=-1), 1)
    return (image @ np.array(colour) / np.linalg.norm(colour) / length > 0.995) & (image.max(axis=-1) > 100)


def test_an_outline_goes_around_its_defect_and_nothing_else() -> None:
    result = result_of(("loop_111", 300.0, 200.0, 80.0))
    image = np.asarray(draw(result, np.full((700, 700), 100)))
    y, x = np.nonzero(inked(image[:700], colours(NAMES)["loop_111"]))
    distance = np.hypot(x - 300, y - 200)
    assert distance.min() > 38
    assert distance.max() < 42
    angles = np.degrees(np.arctan2(y - 200, x - 300))
    assert np.diff(np.sort(angles)).max() < 5, "the line is closed"
    assert image[200, 300].tolist() == [0, 0, 0], "the inside stays as it is"


def test_red_yellow_and_blue() -> None:
    red, yellow, blue = (np.array(colours(NAMES)[name]) for name in NAMES)
    assert red[0] > 2 * max(red[1:])
    assert min(yellow[:2]) > 2 * yellow[2]
    assert blue[2] > 1.5 * max(blue[:2])
    image = np.asarray(draw(result_of(*((name, 100.0 + 200 * i, 350, 60) for i, name in enumerate(NAMES))), GREY))
    for i, name in enumerate(NAMES):
        _, x = np.nonzero(inked(image[:700], colours(NAMES)[name]))
        assert x.mean() == pytest.approx(100 + 200 * i, abs=1)


GREY = np.full((700, 700), 100)


def test_further_classes_have_colours_of_their_own() -> None:
    found = colours([*NAMES, "void", "precipitate", "bubble", "sft", "line", "crack", "other"])
    apart = [
        np.abs(np.subtract(a, b)).sum() for i, a in enumerate(found.values()) for b in list(found.values())[i + 1 :]
    ]
    assert min(apart) > 60
    assert colours(["void", "loop_111"])["loop_111"] == found["loop_111"], "whatever stands before it"
    assert title("he_bubble") == "he bubble"
    assert title("loop_100") == "⟨100⟩ loop"


def test_the_legend_stands_below_and_names_every_class() -> None:
    result = result_of(("black_dot", 350.0, 350.0, 60.0), ("void", 100.0, 100.0, 50.0))
    image = draw(result, GREY)
    assert image.width == 700
    assert image.height > 700
    pixels = np.asarray(image)
    for name in (*NAMES, "void"):
        y, _ = np.nonzero(inked(pixels, colours([*NAMES, "void"])[name]))
        assert y.max() >= 700, f"{name} is in the legend"
    white = (pixels == 255).all(axis=-1)
    assert not white[:700].any(), "nothing is written on the picture"


def test_the_scale_bar_is_as_long_as_it_says_and_missing_without_pixel_size() -> None:
    def longest_white_run(result: DefectsResult) -> int:
        white = (np.asarray(draw(result, np.zeros((1000, 1000))))[1000:] == 255).all(axis=-1)
        return max(len(run) for row in white for run in "".join("#" if w else " " for w in row).split() or [""])

    assert longest_white_run(result_of(side=1000, pixel_size_nm=0.5)) == 200, "100 nm at 0.5 nm per px"
    assert longest_white_run(result_of(side=1000)) < 20


@pytest.mark.parametrize("side", [64, 100, 400, 1024])
def test_legends_fit_into_narrow_pictures(side: int) -> None:
    classes = [*NAMES, "stacking_fault_tetrahedron", "helium_bubble"]
    result = result_of(*((name, side / 2, side / 2, 9.0) for name in classes), side=side, pixel_size_nm=0.3)
    image = np.asarray(draw(result, np.zeros((side, side))))
    height = round(side * scales(result)[1])
    assert (image[height:, -2:] == image[-1, -1]).all(), "no line of it runs out of the picture"
    # The ring of every class is in it.
    for name in classes:
        assert inked(image[height:], colours(classes)[name]).any()


def test_small_pictures_and_small_defects_are_enlarged() -> None:
    assert scales(result_of(("loop_111", 30, 30, 20.0), side=64)) == (8, 8)
    assert scales(result_of(("loop_111", 500, 500, 20.0), side=1024)) == (1, 1)
    assert scales(result_of(("black_dot", 500, 500, 5.0), side=1024)) == (3, 3)
    assert scales(result_of(side=1024)) == (1, 1)


def test_non_square_pixels_become_square() -> None:
    result = result_of(("loop_111", 300.0, 200.0, 80.0), pixel_size_nm=0.5)
    micrograph = result.micrograph.model_copy(update={"pixel_size_y_nm": 1.0})
    image = np.asarray(draw(result.model_copy(update={"micrograph": micrograph}), GREY))
    y, x = np.nonzero(inked(image[:1400], colours(NAMES)["loop_111"]))
    assert (np.ptp(x), np.ptp(y)) == (pytest.approx(81, abs=2), pytest.approx(161, abs=3))
    assert centre(image[:1400, :, 0]) == pytest.approx((300, 200.5 * 2 - 0.5), abs=0.2)


def centre(weights: np.ndarray) -> tuple[float, float]:
    y, x = np.indices(weights.shape)
    return (x * weights).sum() / weights.sum(), (y * weights).sum() / weights.sum()


@pytest.mark.parametrize(("x_px", "y_px", "diameter"), [(300.0, 200.0, 80.0), (300.5, 420.5, 13.0)])
def test_an_outline_has_its_masks_centre(x_px: float, y_px: float, diameter: float) -> None:
    image = np.asarray(draw(result_of(("loop_111", x_px, y_px, diameter)), GREY))
    assert centre(image[:700, :, 0]) == pytest.approx((x_px, y_px), abs=0.2)


def test_small_defects_are_drawn_over_large_ones_and_the_edge_cuts() -> None:
    result = result_of(("black_dot", 340.0, 300.0, 20.0), ("loop_111", 300.0, 300.0, 80.0), ("loop_100", 0, 0, 60.0))
    image = np.asarray(draw(result, GREY))
    ring = np.hypot(*(np.indices((700, 700)) - np.array((300, 340))[:, None, None]))
    blue = inked(image[:700], colours(NAMES)["black_dot"])
    assert blue[np.abs(ring - 10) < 0.7].mean() > 0.95
    assert inked(image[:40, :40], colours(NAMES)["loop_100"]).any()


def test_no_defect_and_a_tiny_picture() -> None:
    assert draw(result_of(side=1), np.zeros((1, 1))).width == 8


def test_letters_have_the_signs_of_the_field(monkeypatch: pytest.MonkeyPatch) -> None:
    for sign in "⟨⟩µ":
        letters = Lettering(20)
        assert letters.legible(sign) == sign
        assert letters.font.getmask(sign).getbbox() != letters.font.getmask("\ue000").getbbox()
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert Lettering(20).legible("⟨111⟩ 2 µm") == "<111> 2 um", "Pillow's own font does not have them"


def test_plot() -> None:
    pytest.importorskip("matplotlib").use("agg")
    from matplotlib import pyplot

    result = defects_result([("loop_111", 20, 30, 10), ("loop_111", 40, 30, 10), ("black_dot", 50, 50, 4)])
    axes = result.plot(np.eye(64))
    loops, none, dots = axes.collections
    assert [len(lines.get_segments()) for lines in (loops, none, dots)] == [2, 0, 1]
    np.testing.assert_allclose(loops.get_segments()[0].mean(axis=0), (10, 15), atol=0.3)
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        "⟨111⟩ loop: 2",
        "⟨100⟩ loop: 0",
        "black dot: 1",
    ]
    assert (axes.get_xlabel(), axes.get_title()) == ("x / nm", "3 defects")
    assert axes.get_ylim() == (31.75, -0.25), "y points down"
    pyplot.close("all")


def test_without_the_extra_the_remedy_is_the_pip_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "contourpy", None)
    with pytest.raises(MissingDependency) as caught:
        defects_result().to_overlay(tmp_path / "x.png", np.zeros((64, 64)))
    assert caught.value.remedy == "Run: pip install matplotlib pillow"
