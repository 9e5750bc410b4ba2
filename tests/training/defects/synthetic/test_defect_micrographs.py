"""Whole micrographs: the JSON gives them back, their truth is what was drawn, populations are the field's."""

from __future__ import annotations

import itertools
import pickle
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from analysis.masks import decode
from training.defects.synthetic import (
    CLASSES,
    Parameters,
    Patches,
    SyntheticMicrograph,
    clean_windows,
    draw_parameters,
    intensity,
    render,
)
from training.defects.synthetic.annotations import hidden
from training.defects.synthetic.marks import Bar, Disc, Mark, Ring
from training.defects.synthetic.materials import MATERIALS
from training.defects.synthetic.parameters import Annotations, Background, Border, Detector, Frame, ScaleBar
from training.defects.synthetic.rendering import instances


def plain(*marks: Mark, size: int = 128, pixel_size_nm: float = 0.5, **more: object) -> Parameters:
    """Parameters of a foil with nothing but marks, without noise."""
    frame = Frame(height=size, width=size, pixel_size_nm=pixel_size_nm)
    settings = {"seed": 1, "frame": frame, "marks": marks, "detector": Detector(shot_rms=0, level=0.6), **more}
    return Parameters.model_validate(settings)


def dot(x_nm: float, y_nm: float, size_nm: float = 10.0, class_name: str | None = "black_dot") -> Disc:
    return Disc(class_name=class_name, x_nm=x_nm, y_nm=y_nm, major_nm=size_nm, minor_nm=size_nm, depth=1, soft_nm=2)


@pytest.fixture(scope="module")
def drawn() -> list[Parameters]:
    """Parameters of many pictures of FeCrAl; drawing costs little."""
    return [draw_parameters(seed, size=(1024, 1024)) for seed in range(40)]


@pytest.mark.parametrize("material", list(MATERIALS))
@pytest.mark.parametrize("contrast", ["bright_field", "dark_field"])
def test_the_json_gives_the_picture_back_bit_for_bit(material: str, contrast: str) -> None:
    parameters = draw_parameters(7, size=(200, 160), material=material, contrast=contrast)
    again = Parameters.model_validate_json(parameters.model_dump_json())
    assert again == parameters
    first, second = render(parameters), render(again)
    assert first.pixels.shape == (200, 160)
    assert first.pixels.dtype == np.float32
    np.testing.assert_array_equal(first.pixels, second.pixels)
    assert [i.mask for i in first.instances] == [i.mask for i in second.instances]
    assert {i.class_name for i in first.instances} <= CLASSES[parameters.material]


def test_a_seed_is_one_picture_and_another_seed_another() -> None:
    assert draw_parameters(3, size=(96, 96)) == draw_parameters(3, size=(96, 96))
    pictures = [render(draw_parameters(seed, size=(96, 96))).pixels for seed in (3, 4, 3)]
    np.testing.assert_array_equal(pictures[0], pictures[2])
    assert np.abs(pictures[0] - pictures[1]).mean() > 1


def test_unknown_parameters_are_refused() -> None:
    text = plain().model_dump()
    with pytest.raises(ValidationError):
        Parameters.model_validate({**text, "mood": "good"})


@pytest.mark.parametrize("pixel_size_nm", [0.14, 0.5, 0.88])
def test_grey_values_are_those_of_a_micrograph(pixel_size_nm: float) -> None:
    for seed in range(3):
        pixels = render(draw_parameters(seed, size=(192, 192), pixel_size_nm=pixel_size_nm)).pixels
        assert pixels.min() >= 0
        assert pixels.max() <= 255
        assert (pixels == np.round(pixels)).all()
        assert 40 < pixels.mean() < 240
        assert pixels.std() > 3


def test_what_is_labelled_is_dark_and_in_dark_field_bright() -> None:
    dots = (
        dot(20, 20),
        dot(45, 30),
        Ring(class_name="loop_111", x_nm=40, y_nm=48, major_nm=14, minor_nm=9, depth=0.7, edge_nm=5),
    )
    for contrast, sign in (("bright_field", -1), ("dark_field", 1)):
        picture = render(plain(*dots, contrast=contrast))
        assert len(picture.instances) == 3
        for instance in picture.instances:
            mask = instance.mask
            crop = picture.pixels[mask.y_px : mask.bottom_px, mask.x_px : mask.right_px]
            assert sign * (crop[decode(mask)].mean() - np.median(picture.pixels)) > 20


def test_overlapping_marks_darken_each_other() -> None:
    two = intensity(plain(dot(32, 32), dot(32, 32)))
    one = intensity(plain(dot(32, 32)))
    assert two[64, 64] == pytest.approx(one[64, 64] ** 2, rel=1e-3)


def test_the_mask_of_an_open_loop_is_the_filled_ellipse() -> None:
    ring = Ring(class_name="loop_111", x_nm=30, y_nm=32, major_nm=40, minor_nm=24, angle_deg=30, depth=0.7, edge_nm=5)
    (instance,) = render(plain(ring)).instances
    assert instance.mask.area_px == pytest.approx(np.pi * 40 * 24, rel=0.01)  # axes of 80 and 48 px
    assert decode(instance.mask)[instance.mask.height_px // 2, instance.mask.width_px // 2]
    assert (instance.ellipse.x_px, instance.ellipse.y_px) == (60, 64)
    assert (instance.ellipse.major_px, instance.ellipse.minor_px, instance.ellipse.angle_deg) == (80, 48, 30)
    assert instance.box == pytest.approx(instance.ellipse.box, abs=1.0)
    assert instance.visible == 1


def test_a_defect_cut_by_the_frame_is_labelled_by_what_is_visible() -> None:
    half, sliver, outside = dot(0, 32, 12), dot(-5.2, 10, 12), dot(-20, 32, 12)
    (instance,) = render(plain(half, sliver, outside)).instances
    assert instance.visible == pytest.approx(0.5, abs=0.05)
    assert instance.mask.x_px == 0
    assert instance.label.mask == instance.mask
    assert instance.box[0] == -0.5


def test_distractors_are_drawn_and_not_labelled() -> None:
    picture = render(plain(dot(32, 32, class_name=None)))
    assert picture.instances == ()
    assert picture.pixels[64, 64] < 0.7 * np.median(picture.pixels)


def test_nothing_is_labelled_in_the_strip_beside_the_picture() -> None:
    frame = Frame(height=128, width=128, pixel_size_nm=0.5, field=(0, 0, 100, 90))
    picture = render(plain(dot(20, 60), dot(20, 20), frame=frame, annotations=Annotations(strip=255)))
    assert (picture.pixels[90:] == 255).all()
    assert (picture.pixels[:, 100:] == 255).all()
    (instance,) = picture.instances
    assert instance.ellipse.y_px == 40


def test_a_scale_bar_is_as_long_as_it_says() -> None:
    bar = ScaleBar(x_px=20, y_px=100, length_nm=20, thickness_px=4, text_px=12, grey=255)
    picture = render(plain(annotations=Annotations(scale_bar=bar)))
    assert (picture.pixels[102] == 255).sum() == 40
    assert (picture.pixels[80:98, 20:80] == 255).any()  # its label


def test_no_defect_lies_in_the_vacuum() -> None:
    for seed in range(300):
        parameters = draw_parameters(seed, size=(256, 256))
        vacuum = [border for border in parameters.background.borders if border.vacuum]
        for border, mark in itertools.product(vacuum, parameters.marks):
            angle = np.deg2rad(border.normal_deg)
            middle = 127.5 * parameters.frame.pixel_size_nm
            beyond = (mark.x_nm - middle) * np.cos(angle) - (mark.y_nm - middle) * np.sin(angle) - border.offset_nm
            assert beyond < 0
        if vacuum:
            return
    pytest.fail("no picture has the foil's edge")


def test_a_foil_s_edge_is_bright_beyond() -> None:
    background = Background(borders=(Border(normal_deg=0, offset_nm=10, step=1.4, vacuum=True),))
    picture = render(plain(background=background)).pixels
    assert picture[:, 100:].mean() > 1.3 * picture[:, :60].mean()


def labelled_marks(drawn: list[Parameters], class_name: str) -> list[Mark]:
    return [mark for parameters in drawn for mark in parameters.marks if mark.class_name == class_name]


@pytest.mark.parametrize(
    ("class_name", "mean_nm", "deviation_nm", "limits"),
    [("loop_111", 22.4, 13.1, (8, 60)), ("loop_100", 20.3, 11.9, (8, 60)), ("black_dot", 8.2, 2.8, (4, 15))],
)
def test_sizes_are_distributed_as_the_labellers_found(
    drawn: list[Parameters], class_name: str, mean_nm: float, deviation_nm: float, limits: tuple[float, float]
) -> None:
    marks = labelled_marks(drawn, class_name)
    if class_name == "black_dot":
        sizes = np.array([np.sqrt(mark.major_nm * mark.minor_nm) for mark in marks])
    else:
        sizes = np.array([mark.major_nm for mark in marks])
    assert len(sizes) > 150
    assert limits[0] <= sizes.min()
    assert sizes.max() <= limits[1] + 1e-9
    assert sizes.mean() == pytest.approx(mean_nm, rel=0.15)
    assert sizes.std() == pytest.approx(deviation_nm, rel=0.3)


def test_every_class_and_every_form_occurs(drawn: list[Parameters]) -> None:
    marks = [mark for parameters in drawn for mark in parameters.marks]
    loops_100 = [mark for mark in marks if mark.class_name == "loop_100"]
    assert any(isinstance(mark, Bar) for mark in loops_100)
    assert any(isinstance(mark, Ring) and mark.second is not None for mark in loops_100)
    assert any(isinstance(mark, Disc) for mark in loops_100)
    assert all(isinstance(mark, Ring) and mark.second is None for mark in marks if mark.class_name == "loop_111")
    assert all(isinstance(mark, Disc) for mark in marks if mark.class_name == "black_dot")
    assert any(mark.class_name is None for mark in marks)
    backgrounds = [parameters.background for parameters in drawn]
    for name in ("bands", "borders", "dirt", "scan_boxes", "stripes"):
        assert any(getattr(background, name) for background in backgrounds), name
    assert sum(bool(parameters.lines) for parameters in drawn) > 20


def test_loops_lie_as_the_zone_axis_has_them(drawn: list[Parameters]) -> None:
    """Edge-on ⟨100⟩ loops are perpendicular or parallel to each other, ⟨111⟩ loops at 45° to them; aspects as {111}."""
    bars, rings = [], []
    for parameters in drawn:
        along = [mark.angle_deg for mark in parameters.marks if isinstance(mark, Bar)]
        if len(along) < 4:
            continue
        # directions have a period of 90 degrees on this zone axis
        axis = np.angle(np.mean(np.exp(4j * np.deg2rad(along))))
        bars += [np.exp(4j * np.deg2rad(angle) - 1j * axis) for angle in along]
        rings += [
            np.exp(4j * np.deg2rad(mark.angle_deg) - 1j * axis)
            for mark in parameters.marks
            if mark.class_name == "loop_111" and mark.minor_nm < 0.85 * mark.major_nm
        ]
    assert np.mean(bars).real > 0.75
    assert -0.7 < np.mean(rings).real < -0.2
    aspects = [mark.minor_nm / mark.major_nm for mark in labelled_marks(drawn, "loop_111")]
    assert np.median(aspects) == pytest.approx(0.63, abs=0.05)


def test_pixel_sizes_span_those_of_the_field(drawn: list[Parameters]) -> None:
    sizes = [parameters.frame.pixel_size_nm for parameters in drawn]
    assert 0.14 <= min(sizes) < 0.2
    assert 0.65 < max(sizes) <= 0.88
    assert draw_parameters(1, pixel_size_nm=0.3).frame.pixel_size_nm == 0.3
    assert 0.3 <= draw_parameters(1, pixel_size_nm=(0.3, 0.31)).frame.pixel_size_nm <= 0.31


def test_the_truth_is_a_labelled_picture() -> None:
    micrograph = render(draw_parameters(11, size=(256, 256), pixel_size_nm=0.5))
    labels = micrograph.labels("some.tif")
    assert labels.labelled == {"loop_111", "loop_100", "black_dot"}
    assert len(labels.labels) == len(micrograph.instances) > 0
    table = labels.table()
    assert (table.size_nm > 0).all()
    assert table.masks is not None
    for mask, instance in zip(table.masks, micrograph.instances, strict=True):
        assert mask == instance.mask


# --- real backgrounds


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for name, side in (("large", 150), ("small", 40)):
        pixels = (1000 * (1 + 0.03 * rng.standard_normal((side, side + 10)))).astype(np.float32)
        np.save(tmp_path / f"{name}.npy", pixels)
    return tmp_path


def test_real_backgrounds_come_back_by_name_and_checksum(folder: Path) -> None:
    patches = Patches(folder)
    fills = set()
    for seed in range(8):
        parameters = draw_parameters(seed, size=(96, 96), patches=patches, patch_share=1.0)
        patch = parameters.background.patch
        assert patch is not None
        assert patch.file == ("large.npy" if patch.fill == "crop" else "small.npy")
        fills.add(patch.fill)
        again = Parameters.model_validate_json(parameters.model_dump_json())
        elsewhere = pickle.loads(pickle.dumps(patches))  # as a worker process gets it
        np.testing.assert_array_equal(render(parameters, patches).pixels, render(again, elsewhere).pixels)
    assert fills == {"crop", "texture"}


def test_a_crop_is_the_file_s_own_pixels(folder: Path) -> None:
    patches = Patches(folder)
    parameters = next(
        p
        for p in (draw_parameters(seed, size=(96, 96), patches=patches, patch_share=1.0) for seed in range(20))
        if p.background.patch is not None and p.background.patch.fill == "crop"
    )
    patch = parameters.background.patch
    assert patch is not None
    bare = plain(background=Background(patch=patch), frame=Frame(height=96, width=96, pixel_size_nm=0.5))
    foil = intensity(bare, patches)
    pixels = np.load(folder / patch.file)
    piece = pixels[patch.y_px : patch.y_px + 96, patch.x_px : patch.x_px + 96] / np.median(pixels)
    piece = np.rot90(piece, patch.quarter_turns)
    np.testing.assert_allclose(foil, piece[:, ::-1] if patch.flipped else piece, atol=2e-3)


def test_without_its_folder_a_real_background_is_refused(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    parameters = draw_parameters(0, size=(96, 96), patches=Patches(folder), patch_share=1.0)
    assert parameters.background.patch is not None
    with pytest.raises(ValueError, match="give the folder"):
        render(parameters)
    (folder / parameters.background.patch.file).unlink()
    with pytest.raises(ValueError, match="give the folder"):
        render(parameters, Patches(folder))
    np.save(folder / parameters.background.patch.file, np.eye(200, dtype=np.float32))
    with pytest.raises(ValueError, match="changed"):
        render(parameters, Patches(folder))
    with pytest.raises(FileNotFoundError, match="no picture"):
        Patches(tmp_path_factory.mktemp("empty"))


def test_clean_windows_show_no_labelled_defect_and_do_not_overlap() -> None:
    micrograph = render(draw_parameters(2, size=(400, 400), pixel_size_nm=0.8))
    taken = np.zeros(micrograph.pixels.shape, int)
    for instance in micrograph.instances:
        mask = instance.mask
        taken[mask.y_px : mask.bottom_px, mask.x_px : mask.right_px] = 1
    windows = list(clean_windows(micrograph.pixels, micrograph.labels("a.tif"), side_px=40))
    assert windows
    for x, y, pixels in windows:
        assert min(pixels.shape) >= 40
        where = slice(y, y + pixels.shape[0]), slice(x, x + pixels.shape[1])
        np.testing.assert_array_equal(micrograph.pixels[where], pixels)
        assert taken[where].max() == 0
        taken[where] = 1


def test_instances_are_small_in_memory() -> None:
    micrograph: SyntheticMicrograph = render(draw_parameters(4, size=(512, 512), pixel_size_nm=0.8))
    held = sum(instance.mask.width_px * instance.mask.height_px for instance in micrograph.instances)
    assert len(micrograph.instances) > 10
    assert held < 0.2 * len(micrograph.instances) * micrograph.pixels.size


def test_nothing_is_labelled_behind_the_box_of_the_scale_bar() -> None:
    bar = ScaleBar(x_px=40, y_px=100, length_nm=20, thickness_px=3, text_px=12, grey=0, box=255)
    annotations = Annotations(scale_bar=bar)
    bare = plain(annotations=annotations)
    behind = hidden(bare.frame, annotations)
    assert behind is not None
    left, top, right, bottom = behind
    box = render(bare).pixels[top:bottom, left:right]
    assert (box[0] == 255).all()
    assert (box[:, -1] == 255).all()
    assert (render(bare).pixels[top - 1, left:right] < 255).all()
    x_nm, y_nm = (left + right) / 4, (top + bottom) / 4
    assert len(instances(plain(dot(x_nm, y_nm, 4), annotations=annotations))) == 0
    assert len(instances(plain(dot(x_nm, y_nm, 4)))) == 1
    assert len(instances(plain(dot(x_nm, top / 2 - 1, 4), annotations=annotations))) == 1
