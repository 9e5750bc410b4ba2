"""Overlays and plots: the marks lie where the columns are."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emserve import AtomsResult, InvalidParameter, MissingDependency, UnsupportedFormat
from emserve.overlay import draw
from emserve.overlay.atoms import FITTED, NOT_FITTED, scales
from emserve.overlay.ground import bar_label, bar_length_nm
from emserve.pictures import read, read_for, stretch
from emserve.testing import atoms_result

Image = pytest.importorskip("PIL.Image", reason="the extra `plot` is not installed")


def with_spacing(result: AtomsResult, spacing_px: float | None) -> AtomsResult:
    statistics = result.statistics.model_copy(update={"nearest_neighbour_median_px": spacing_px})
    return result.model_copy(update={"statistics": statistics})


def with_pixel_sizes(result: AtomsResult, x_nm: float, y_nm: float) -> AtomsResult:
    micrograph = result.micrograph.model_copy(update={"pixel_size_x_nm": x_nm, "pixel_size_y_nm": y_nm})
    return result.model_copy(update={"micrograph": micrograph})


def marks(image: Any, colour: tuple[int, int, int]) -> np.ndarray:
    """How much of the colour each pixel has, 0 to 1, on a grey picture."""
    pixels = np.asarray(image).astype(float)
    return (pixels[..., int(np.argmax(colour))] - pixels.min(axis=-1)) / (max(colour) - min(colour))


def centre(weights: np.ndarray) -> tuple[float, float]:
    y, x = np.indices(weights.shape)
    return (x * weights).sum() / weights.sum(), (y * weights).sum() / weights.sum()


@pytest.mark.parametrize("position", [(400.0, 300.0), (400.25, 299.5), (123.4, 600.7)])
@pytest.mark.parametrize("spacing", [30.0, 5.0])
def test_a_dot_lies_on_its_column(position: tuple[float, float], spacing: float) -> None:
    result = with_spacing(atoms_result([position], width_px=800, height_px=700, pixel_size_nm=None), spacing)
    image = draw(result, np.zeros((700, 800)))
    scale = scales(result)[0]
    assert image.size == (800 * scale, 700 * scale)
    x, y = centre(marks(image, FITTED))
    # The centre of a pixel of the micrograph is the middle of a block of the overlay.
    assert x == pytest.approx((position[0] + 0.5) * scale - 0.5, abs=0.2)
    assert y == pytest.approx((position[1] + 0.5) * scale - 0.5, abs=0.2)


def test_pictures_keep_their_size_unless_small_or_dense() -> None:
    def factor(side: int, spacing: float | None) -> float:
        return scales(with_spacing(atoms_result([], width_px=side, height_px=side), spacing))[0]

    assert factor(1024, 28.5) == 1
    assert factor(512, None) == 1
    assert factor(1024, 7.5) == 2
    assert factor(512, 13.5) == 2
    assert factor(64, None) == 8
    assert factor(4096, 3.0) == 1, "large pictures do not become huge"


def test_non_square_pixels_become_square() -> None:
    result = atoms_result([(500.0, 350.0)], width_px=1000, height_px=700)
    result = with_spacing(with_pixel_sizes(result, 0.01, 0.02), 30.0)
    image = draw(result, np.zeros((700, 1000)))
    assert image.size == (1000, 1400)
    assert centre(marks(image, FITTED))[1] == pytest.approx(350.5 * 2 - 0.5, abs=0.3)
    assert scales(with_pixel_sizes(result, 0.02, 0.01)) == (2.0, 1.0)


@pytest.mark.parametrize(
    ("width", "height", "x_nm", "y_nm"),
    [(256, 256, 1e-5, 1.0), (256, 256, 1.0, 1e-5), (16_000, 4000, 0.01, 0.03), (64, 64, 1e-200, 1e200)],
)
def test_overlays_do_not_fill_the_memory(width: int, height: int, x_nm: float, y_nm: float) -> None:
    result = with_pixel_sizes(atoms_result([], width_px=width, height_px=height), x_nm, y_nm)
    scale_x, scale_y = scales(result)
    assert scale_x == scale_y, "not made square"
    assert width * scale_x * height * scale_y <= 128e6


def test_long_pixels_are_drawn_as_they_are() -> None:
    result = with_pixel_sizes(atoms_result([(350.0, 20.0)], width_px=700, height_px=700), 0.01, 1.0)
    image = draw(with_spacing(result, 30.0), np.zeros((700, 700)))
    assert image.size == (700, 700)
    assert centre(marks(image, FITTED)) == pytest.approx((350.0, 20.0), abs=0.3)


def test_dots_at_the_border_and_columns_without_a_fit() -> None:
    result = atoms_result([(0.0, 0.0), (699.4, 699.4), (350.0, 350.0)], width_px=700, height_px=700, pixel_size_nm=None)
    result.columns[2] = result.columns[2].model_copy(update={"refined": False})
    image = np.asarray(draw(with_spacing(result, 30.0), np.zeros((700, 700))))
    assert tuple(image[0, 0]) == tuple(image[699, 699]) == FITTED
    assert tuple(image[350, 350]) == NOT_FITTED


def test_two_columns_of_a_dumbbell_are_two_dots() -> None:
    ndimage = pytest.importorskip("scipy.ndimage")
    result = with_spacing(atoms_result([(300, 300), (310, 304)], width_px=700, height_px=700, pixel_size_nm=None), 11)
    assert ndimage.label(marks(draw(result, np.zeros((700, 700))), FITTED) > 0.5)[1] == 2


def test_the_scale_bar_is_as_long_as_it_says() -> None:
    result = with_spacing(atoms_result([], width_px=1000, height_px=800, pixel_size_nm=0.01), 30.0)
    white = (np.asarray(draw(result, np.zeros((800, 1000)))) == 255).all(axis=-1)
    assert white.sum(axis=1).max() == 200, "2 nm at 0.01 nm per px"
    assert not white[:, 600:].any()
    unknown = with_spacing(atoms_result([], width_px=1000, height_px=800, pixel_size_nm=None), 30.0)
    assert np.asarray(draw(unknown, np.zeros((800, 1000)))).max() == 0, "no pixel size, no scale bar"


def test_the_label_of_a_short_scale_bar_stays_in_the_picture() -> None:
    result = atoms_result([], width_px=16, height_px=16, pixel_size_nm=5.679)
    white = np.asarray(draw(result, np.zeros((16, 16)))).min(axis=-1) > 128
    rows, columns = np.nonzero(white)
    assert 8 <= columns.min() <= 12, "both begin at the margin"
    assert columns.max() < 120
    assert rows.min() > 64


@pytest.mark.parametrize(
    ("width_nm", "length_nm", "label"),
    [(10.25, 2.0, "2 nm"), (4.0, 1.0, "1 nm"), (3.9, 0.5, "500 pm"), (20.0, 5.0, "5 nm"), (9000.0, 2000.0, "2 µm")],
)
def test_scale_bars_are_round(width_nm: float, length_nm: float, label: str) -> None:
    assert bar_length_nm(width_nm) == pytest.approx(length_nm)
    assert bar_label(bar_length_nm(width_nm)) == label


def test_tiny_pictures_are_drawn() -> None:
    assert draw(atoms_result([(0, 0)], width_px=1, height_px=1), np.zeros((1, 1))).size == (8, 8)


def test_contrast_is_stretched_between_percentiles() -> None:
    ramp = np.linspace(-5e4, 5e4, 10_000).reshape(100, 100)
    ramp[0, 0], ramp[-1, -1], ramp[50, 50] = -1e30, 1e30, np.nan
    grey = stretch(ramp)
    assert grey.dtype == np.uint8
    assert (grey[0, 0], grey[-1, -1], grey[50, 50]) == (0, 255, 0)
    assert grey[50, 10] == pytest.approx(128, abs=3)
    assert stretch(np.full((4, 4), 7.0)).max() == 0
    assert stretch(np.full((4, 4), np.nan)).max() == 0


RAMP = np.arange(48, dtype=np.uint16).reshape(6, 8) * 900


@pytest.mark.parametrize(
    ("name", "pixels"),
    [
        ("grey.png", (RAMP // 256).astype(np.uint8)),
        ("deep.png", RAMP),
        ("deep.tif", RAMP),
        ("float.tif", RAMP.astype(np.float32) / 7),
        ("array.npy", RAMP.astype(">f8") - 1e4),
    ],
)
def test_pictures_are_read_in_their_own_units(tmp_path: Path, name: str, pixels: np.ndarray) -> None:
    path = tmp_path / name
    if path.suffix == ".npy":
        np.save(path, pixels)
    else:
        Image.fromarray(pixels).save(path)
    for source in (path, str(path), path.read_bytes()):
        np.testing.assert_allclose(read(source), pixels)


def test_colours_become_grey_and_frames_are_chosen(tmp_path: Path) -> None:
    Image.fromarray(np.full((5, 7, 3), 90, np.uint8)).save(tmp_path / "colour.jpg")
    np.testing.assert_allclose(read(tmp_path / "colour.jpg"), np.full((5, 7), 90), atol=2)
    frames = [Image.fromarray(np.full((5, 7), 10 * i, np.uint8)) for i in range(3)]
    frames[0].save(tmp_path / "stack.tif", save_all=True, append_images=frames[1:])
    assert read(tmp_path / "stack.tif", 2).max() == 20
    assert read(np.stack([np.asarray(frame) for frame in frames]), 1).max() == 10
    assert read(np.full((5, 7, 4), 3)).shape == (5, 7)


@pytest.mark.parametrize(
    "content", [b"", b"text", b"\x93NUMPY\x01\x00", b"\x89PNG\r\n\x1a\n" + b"\0" * 20, b"\xff\xd8\xff" + b"\1" * 30]
)
def test_what_cannot_be_read_here_names_the_way(content: bytes) -> None:
    with pytest.raises(UnsupportedFormat) as caught:
        read(content)
    assert "client.preview" in caught.value.remedy


def test_a_frame_that_is_not_there(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((5, 7), np.uint8)).save(tmp_path / "one.tif")
    with pytest.raises(UnsupportedFormat):
        read(tmp_path / "one.tif", 3)


@pytest.mark.parametrize("array", [np.zeros(5), np.zeros((2, 3, 4, 5)), np.array([["a"]])])
def test_arrays_that_are_no_picture(array: np.ndarray) -> None:
    with pytest.raises(InvalidParameter, match="not a picture"):
        read(array)


def test_a_picture_of_another_size_is_not_the_one() -> None:
    with pytest.raises(InvalidParameter, match=r"65 × 64 pixels, the answer is of 64 × 64"):
        read_for(atoms_result(), np.zeros((64, 65)))


def test_overlay_of_an_answer_is_a_png(tmp_path: Path) -> None:
    atoms_result().to_overlay(tmp_path / "overlay", np.zeros((64, 64)))
    with Image.open(tmp_path / "overlay") as image:
        assert image.format == "PNG"
        assert image.size == (512, 512)


def test_plot_in_nm_or_px() -> None:
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("agg")
    from matplotlib import pyplot

    result = atoms_result([(10, 20), (30, 40)], pixel_size_nm=0.5)
    result.columns[1] = result.columns[1].model_copy(update={"refined": False})
    axes = result.plot(np.eye(64))
    fitted, not_fitted = (collection.get_offsets().data for collection in axes.collections)
    np.testing.assert_allclose(fitted, [[5, 10]])
    np.testing.assert_allclose(not_fitted, [[15, 20]])
    assert axes.get_xlabel() == "x / nm"
    assert axes.get_ylim() == (31.75, -0.25), "y points down, and pixel (0, 0) is centred at 0"
    np.testing.assert_allclose(axes.images[0].get_extent(), (-0.25, 31.75, 31.75, -0.25))

    _, own = pyplot.subplots()
    assert atoms_result([], pixel_size_nm=None).plot(ax=own) is own
    assert own.get_xlabel() == "x / px"
    buffer = io.BytesIO()
    axes.figure.savefig(buffer)
    pyplot.close("all")


@pytest.mark.parametrize(
    ("missing", "action"),
    [
        ("PIL", lambda: read(b"\x89PNG")),
        ("PIL", lambda: draw(atoms_result(), np.zeros((64, 64)))),
        ("matplotlib", lambda: atoms_result().plot()),
    ],
)
def test_without_the_extra_the_remedy_is_the_pip_command(
    monkeypatch: pytest.MonkeyPatch, missing: str, action: Any
) -> None:
    for module in [name for name in sys.modules if name.split(".")[0] == missing]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(MissingDependency) as caught:
        action()
    assert caught.value.remedy == "Run: pip install matplotlib pillow"
