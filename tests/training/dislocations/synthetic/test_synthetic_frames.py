"""Whole frames: the JSON gives pixels and masks back, one mask per line, twins, real backgrounds."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.spatial import cKDTree

from training.dislocations.labels import LabelledFrame
from training.dislocations.synthetic import (
    Parameters,
    PictureFolder,
    SyntheticFrame,
    draw_parameters,
    render,
    twin,
    without_lines,
)
from training.dislocations.synthetic.parameters import Background, Detector, Frame, Layer, Line
from training.synthetic import noise


@pytest.mark.parametrize("name", ["M1", "M2"])
@pytest.mark.parametrize("size", [(512, 512), (200, 333)])
def test_the_json_gives_picture_and_masks_back_bit_for_bit(name: str, size: tuple[int, int]) -> None:
    parameters = draw_parameters(7, microstructure=name, size=size)
    again = Parameters.model_validate_json(parameters.model_dump_json(exclude_defaults=True))
    assert again == parameters
    first, second = render(parameters), render(again)
    assert first.pixels.shape == size
    assert first.pixels.dtype == np.float32
    np.testing.assert_array_equal(first.pixels, second.pixels)
    np.testing.assert_array_equal(first.masks(), second.masks())


def test_a_seed_is_one_frame_and_another_seed_another() -> None:
    pictures = [render(draw_parameters(seed, size=(128, 128))).pixels for seed in (3, 4, 3)]
    np.testing.assert_array_equal(pictures[0], pictures[2])
    assert np.abs(pictures[0] - pictures[1]).mean() > 1


def test_unknown_parameters_are_refused() -> None:
    content = draw_parameters(1, size=(64, 64)).model_dump()
    with pytest.raises(ValidationError):
        Parameters.model_validate({**content, "mood": "good"})


@pytest.fixture(scope="module")
def frames() -> list[SyntheticFrame]:
    return [render(draw_parameters(seed, microstructure=name)) for name in ("M1", "M2") for seed in range(6)]


def test_there_is_one_mask_per_line_as_wide_as_recorded(frames: list[SyntheticFrame]) -> None:
    for frame in frames:
        masks = frame.masks()
        assert masks.shape == (len(frame.lines), 512, 512)
        assert masks.dtype == bool
        assert len(frame.lines) == len(frame.parameters.lines)
        for mask, line, drawn in zip(masks, frame.lines, frame.parameters.lines, strict=True):
            y, x = np.nonzero(mask)
            distance = cKDTree(line.points).query(np.stack([x, y], axis=1))[0]
            assert distance.max() < drawn.mask_width_px / 2 + 1.5
            assert mask.sum() == pytest.approx(drawn.mask_width_px * line.length_px, rel=0.25)
            assert drawn.mask_width_px >= 3


def test_lines_are_darker_than_what_is_beside_them(frames: list[SyntheticFrame]) -> None:
    darker = []
    for frame in frames:
        masks = frame.masks()
        free = ~masks.any(axis=0)
        for mask in masks:
            y, x = np.nonzero(mask)
            box = slice(max(0, y.min() - 10), y.max() + 10), slice(max(0, x.min() - 10), x.max() + 10)
            places = np.argwhere(free[box])[:, ::-1] + [box[1].start, box[0].start]
            near = cKDTree(np.stack([x, y], axis=1)).query(places, distance_upper_bound=12)[0]
            beside = frame.pixels[box][free[box]][(near > 5) & (near < 12)]
            darker.append(frame.pixels[mask].mean() / beside.mean())
    assert np.median(darker) == pytest.approx(0.83, abs=0.07)
    assert np.mean(np.array(darker) < 0.97) > 0.97


def test_grey_values_are_those_of_a_micrograph(frames: list[SyntheticFrame]) -> None:
    for frame in frames:
        assert frame.pixels.min() >= 0
        assert frame.pixels.max() <= 255
        assert (frame.pixels == np.round(frame.pixels)).all()
        assert 25 < frame.pixels.mean() < 235
        assert (frame.pixels == 255).mean() < 0.02


def test_slip_traces_are_drawn_and_have_no_mask() -> None:
    parameters = draw_parameters(3, microstructure="M1")
    assert parameters.traces
    with_traces, without = render(parameters), render(parameters.model_copy(update={"traces": ()}))
    np.testing.assert_array_equal(with_traces.masks(), without.masks())
    assert np.abs(with_traces.pixels - without.pixels).max() > 5
    assert len(with_traces.labels("a.png").slip_traces) == len(parameters.traces)


def test_a_line_outside_of_the_frame_is_no_true_line() -> None:
    lines = tuple(
        Line(supports=supports, depth=0.3, width_px=4, mask_width_px=4)
        for supports in (((-90, -90), (-20, -30)), ((-30, 50), (60, 50)))
    )
    frame = render(
        Parameters(
            seed=1,
            frame=Frame(height=96, width=96),
            lines=lines,
            pile_up=(4, 5),
            background=Background(),
            detector=Detector(level=0.6),
        )
    )
    (line,) = frame.lines
    assert line.pile_up == 5
    assert line.points[:, 0].min() >= -0.5
    assert line.length_px == pytest.approx(60, abs=1.5)
    assert line.left_px == 0


def test_the_labels_are_the_lines(frames: list[SyntheticFrame]) -> None:
    labels = frames[0].labels("x.png")
    assert (labels.image, labels.height_px, labels.width_px) == ("x.png", 512, 512)
    for points, line in zip(labels.lines, frames[0].lines, strict=True):
        np.testing.assert_allclose(points[[0, -1]], line.points[[0, -1]])
        assert cKDTree(line.points).query(points)[0].max() < 1


# --- twins


def test_a_twin_has_the_same_lines_and_traces_in_another_picture() -> None:
    original = render(draw_parameters(2, microstructure="M1"))
    labels = original.labels("a.png")
    twins = [render(twin(labels, seed)) for seed in (0, 1)]
    for made in twins:
        assert len(made.lines) == len(labels.lines)
        assert made.parameters.traces
        for line, truth in zip(made.lines, original.lines, strict=True):
            assert cKDTree(truth.points).query(line.points)[0].max() < 1.0
            assert line.length_px == pytest.approx(truth.length_px, rel=0.02)
    assert np.abs(twins[0].pixels - twins[1].pixels).mean() > 2
    assert twin(labels, 1) == twins[1].parameters


def test_a_twin_of_a_frame_of_another_size() -> None:
    labels = LabelledFrame("a.png", 120, 300, (np.array([[10.0, 20.0], [150.0, 60.0], [280.0, 100.0]]),))
    made = render(twin(labels, 3, microstructure="M2"))
    assert made.pixels.shape == (120, 300)
    assert len(made.lines) == 1


# --- real backgrounds


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for name, shape in (("large", (300, 260)), ("small", (60, 90))):
        field = 1000 * (1 + 0.2 * noise.perlin(*shape, 50, rng) + 0.03 * rng.standard_normal(shape))
        np.save(tmp_path / f"{name}.npy", np.maximum(field, 10).astype(np.float32))
    return tmp_path


def test_real_backgrounds_come_back_by_name_and_checksum(folder: Path) -> None:
    pictures = PictureFolder(folder)
    used = set()
    for seed in range(8):
        parameters = draw_parameters(seed, size=(128, 160), folder=pictures)
        layers = parameters.background.layers
        assert parameters.background.perlin is None
        assert 1 <= len(layers) <= 4
        assert layers[0].opacity == 1
        assert all(0.1 < layer.opacity < 0.7 for layer in layers[1:])
        used |= {layer.file for layer in layers}
        again = Parameters.model_validate_json(parameters.model_dump_json())
        elsewhere = pickle.loads(pickle.dumps(pictures))  # as a worker process gets it
        np.testing.assert_array_equal(render(parameters, pictures).pixels, render(again, elsewhere).pixels)
    assert used == {"large.npy", "small.npy"}


def bare(*layers: Layer, height: int = 96, width: int = 96) -> Parameters:
    frame = Frame(height=height, width=width)
    return Parameters(seed=1, frame=frame, background=Background(layers=layers), detector=Detector(level=0.7))


def layer(pictures: PictureFolder, name: str, **more: object) -> Layer:
    return Layer.model_validate({"file": name, "sha256": pictures.read(name)[2], **more})


def test_layers_lie_over_each_other_with_their_opacity(folder: Path) -> None:
    pictures = PictureFolder(folder)
    below, above = layer(pictures, "large.npy"), layer(pictures, "large.npy", x_px=100, y_px=120, opacity=0.25)
    pixels = np.load(folder / "large.npy")
    mixed = 0.75 * pixels[:96, :96] + 0.25 * pixels[120:216, 100:196]
    found = render(bare(below, above), pictures).pixels
    assert np.corrcoef(found.ravel(), np.minimum(mixed, np.quantile(mixed, 0.999)).ravel())[0, 1] > 0.995


def test_a_small_piece_goes_on_mirrored(folder: Path) -> None:
    pictures = PictureFolder(folder)
    found = render(bare(layer(pictures, "small.npy"), height=100, width=150), pictures).pixels
    np.testing.assert_array_equal(found[:60, 90:150], found[:60, 30:90][:, ::-1])
    np.testing.assert_array_equal(found[60:100], found[20:60][::-1])


def test_a_piece_is_turned_and_flipped_and_enlarged(folder: Path) -> None:
    pictures = PictureFolder(folder)
    plain = render(bare(layer(pictures, "large.npy"), width=64, height=96), pictures).pixels
    turned = render(bare(layer(pictures, "large.npy", quarter_turns=1), width=96, height=64), pictures).pixels
    np.testing.assert_allclose(turned, np.rot90(plain), atol=3)  # where it is brightest is 1
    flipped = render(bare(layer(pictures, "large.npy", flipped=True), width=64, height=96), pictures).pixels
    np.testing.assert_allclose(flipped, plain[:, ::-1], atol=3)
    large = render(bare(layer(pictures, "large.npy", zoom=2.0)), pictures).pixels
    small = render(bare(layer(pictures, "large.npy"), width=48, height=48), pictures).pixels
    means = large.reshape(48, 2, 48, 2).mean(axis=(1, 3))
    assert np.corrcoef(means.ravel(), small.ravel())[0, 1] > 0.97


def test_without_its_folder_a_real_background_is_refused(folder: Path, tmp_path: Path) -> None:
    parameters = draw_parameters(0, size=(96, 96), folder=PictureFolder(folder))
    with pytest.raises(ValueError, match="give the folder"):
        render(parameters)
    name = parameters.background.layers[0].file
    np.save(folder / name, np.eye(200, dtype=np.float32))
    with pytest.raises(ValueError, match="changed"):
        render(parameters, PictureFolder(folder))
    (folder / name).unlink()
    with pytest.raises(ValueError, match="give the folder"):
        render(parameters, PictureFolder(folder))


def test_lines_are_taken_away_and_nothing_else_is_changed(frames: list[SyntheticFrame]) -> None:
    frame = frames[0]
    labels = frame.labels("a.png")
    clean = without_lines(frame.pixels, labels, np.random.default_rng(0))
    masks = frame.masks().any(axis=0)
    near = cKDTree(np.argwhere(masks)).query(np.argwhere(~masks))[0]
    far = np.argwhere(~masks)[near > 14]
    np.testing.assert_array_equal(clean[far[:, 0], far[:, 1]], frame.pixels[far[:, 0], far[:, 1]])
    # as bright as the same frame without lines
    bare_frame = render(frame.parameters.model_copy(update={"lines": (), "pile_up": ()}))
    left = (clean[masks] / bare_frame.pixels[masks]).mean()
    before = (frame.pixels[masks] / bare_frame.pixels[masks]).mean()
    assert before < 0.9
    assert left == pytest.approx(1.0, abs=0.035)
