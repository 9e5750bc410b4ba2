"""Overlays, plots, figures and films of dislocation lines: on the lines, each in its colour, none hidden."""

from __future__ import annotations

import io
import sys
from base64 import b64encode
from pathlib import Path

import numpy as np
import pytest

from emserve import DislocationsFrame, DislocationsResult, DislocationsTracks, InvalidParameter, MissingDependency
from emserve.line_colours import colour
from emserve.motion import Motion
from emserve.movie import Movie
from emserve.overlay import draw
from emserve.results import SlipTrace, StackMessage
from emserve.testing import dislocations_result, stack_answer

Image = pytest.importorskip("PIL.Image", reason="the extra `plot` is not installed")

GREY = np.full((700, 700), 100)


def inked(image: np.ndarray, ink: tuple[int, int, int]) -> np.ndarray:
    """Pixels of a colour on black, also where a line covers them in part."""
    length = np.maximum(np.linalg.norm(image, axis=-1), 1)
    return (image @ np.array(ink) / np.linalg.norm(ink) / length > 0.998) & (image.max(axis=-1) > 120)


def result_of(lines: int, *, spread_px: float = 200.0, side: int = 700) -> DislocationsResult:
    """Arcs that are so far apart."""
    made = dislocations_result(lines=lines, width_px=side, height_px=side, pixel_size_nm=None)
    moved = [
        line.model_copy(update={"points_px": [(x + k * (spread_px - 12), y) for x, y in line.points_px]})
        for k, line in enumerate(made.lines)
    ]
    return made.model_copy(update={"lines": moved})


def frames_of(messages: list[StackMessage]) -> tuple[list[DislocationsFrame], DislocationsTracks]:
    tracks = messages[-1]
    assert isinstance(tracks, DislocationsTracks)
    return [message for message in messages if isinstance(message, DislocationsFrame)], tracks


def test_a_curve_lies_on_its_line() -> None:
    result = result_of(3)
    image = np.asarray(draw(result, GREY))
    assert image.shape == (700, 700, 3), "without a pixel size there is no strip below"
    for line in result.lines:
        points = np.array(line.points_px)
        y, x = np.nonzero(inked(image, colour(line.number)))
        beside = np.abs(x - np.interp(y, points[:, 1], points[:, 0]))
        on_curve = beside < 8  # the number stands further away
        assert beside[on_curve].max() < 2.5
        assert np.unique(y[on_curve]).size > 0.98 * np.ptp(points[:, 1]), "the curve has no gaps"


def test_numbers_cover_no_line_and_no_other_number() -> None:
    result = result_of(12, spread_px=30)
    image = np.asarray(draw(result, GREY)).astype(int)
    bare = np.asarray(draw(result.model_copy(update={"lines": result.lines[:1]}), GREY)).astype(int)
    assert (image != bare).any()
    for line in result.lines:
        for x, y in line.points_px[2:-2]:
            at = image[round(y), round(x)]
            near = image[round(y) - 1 : round(y) + 2, round(x) - 1 : round(x) + 2].reshape(-1, 3)
            assert inked(near, colour(line.number)).any(), (line.number, at)


def test_neighbours_have_colours_that_are_told_apart() -> None:
    for number in range(1, 25):
        a, b = np.array(colour(number)), np.array(colour(number + 1))
        assert np.linalg.norm(a - b) > 100


def test_slip_traces_are_grey_and_thin() -> None:
    trace = SlipTrace(score=0.9, length_px=600, length_nm=None, points_px=[(50.0, 400.0), (650.0, 400.0)])
    made = result_of(0).model_copy(update={"slip_traces": [trace]})
    image = np.asarray(draw(made, GREY)).astype(int)
    y, x = np.nonzero(image.sum(axis=-1) > 300)
    assert np.abs(y - 400).max() <= 1
    assert np.ptp(x) > 590
    assert np.ptp(image[y, x], axis=-1).max() <= 4


def test_of_a_frame_number_and_colour_are_the_tracks() -> None:
    frames, _ = frames_of(stack_answer(1, lines=1, width_px=700, height_px=700, pixel_size_nm=None))
    (line,) = frames[0].lines
    image = np.asarray(draw(frames[0].model_copy(update={"lines": [line.model_copy(update={"track": 3})]}), GREY))
    assert inked(image, colour(3)).sum() > 500
    assert inked(image, colour(1)).sum() == 0


def test_a_scale_bar_stands_below(tmp_path: Path) -> None:
    result = dislocations_result()
    result.to_overlay(tmp_path / "o.png", np.zeros((64, 64)))
    with Image.open(tmp_path / "o.png") as image:
        assert image.width == 640 or image.width % 64 == 0
        assert image.height > image.width


@pytest.mark.parametrize("lines", [0, 3])
def test_plots(lines: int) -> None:
    matplotlib = pytest.importorskip("matplotlib", reason="the extra `plot` is not installed")
    matplotlib.use("agg")
    result = dislocations_result(lines=lines)
    axes = result.plot(np.zeros((64, 64)))
    assert len(axes.lines) == lines
    for drawn, points in zip(axes.lines, result.points_nm if result.points_nm is not None else [], strict=True):
        np.testing.assert_allclose(drawn.get_xydata(), points)
    assert axes.get_xlabel() == "x / nm"
    frames, tracks = frames_of(stack_answer(1, lines=lines))
    assert len(frames[0].plot().lines) == lines
    with pytest.raises(TypeError, match="cannot be plotted"):
        tracks.plot()
    with pytest.raises(TypeError, match="cannot be drawn"):
        draw(tracks, GREY)


@pytest.mark.parametrize("pixel_size_nm", [0.5, None])
def test_a_figure_of_motion(pixel_size_nm: float | None) -> None:
    pytest.importorskip("matplotlib", reason="the extra `plot` is not installed")
    frames, tracks = frames_of(stack_answer(5, lines=3, pixel_size_nm=pixel_size_nm))
    motion = Motion()
    for frame in frames:
        motion.add(frame)
    numbers, along = motion.positions(tracks.tracks[1])
    assert numbers.tolist() == [0, 1, 2, 3, 4]
    np.testing.assert_allclose(along, 1.5 * numbers)
    way, apart = motion.plot(tracks).axes
    unit, step = ("nm", 0.5) if pixel_size_nm else ("px", 1.0)
    for line in way.lines:
        np.testing.assert_allclose(line.get_xydata(), np.column_stack([numbers * 0.04, along * step]))
    assert {float(line.get_ydata()[0]) for line in apart.lines} == {12 * step, 24 * step}
    assert way.get_ylabel().endswith(f"/ {unit}")
    assert apart.get_ylabel().endswith(f"/ {unit}")
    assert apart.get_xlabel() == "time / s"


@pytest.mark.parametrize(("frames", "lines"), [(1, 2), (3, 0), (3, 1), (2, 30)])
def test_a_figure_of_little_and_of_much(frames: int, lines: int) -> None:
    pytest.importorskip("matplotlib", reason="the extra `plot` is not installed")
    shown, tracks = frames_of(stack_answer(frames, lines=lines, width_px=400, frame_time_s=None))
    motion = Motion()
    for frame in shown:
        motion.add(frame)
    figure = motion.plot(tracks)
    figure.savefig(io.BytesIO())
    way, apart = figure.axes
    assert len(way.lines) == (lines if frames > 1 else 0)
    assert len(apart.lines) <= 24, "of many pairs the closest are shown"
    assert apart.get_xlabel() == "frame"


def test_a_film_is_a_gif_of_all_frames(tmp_path: Path) -> None:
    frames, _ = frames_of(stack_answer(4, lines=1, velocity_px_per_frame=5, pixel_size_nm=None))
    stream = io.BytesIO()
    Image.fromarray(np.full((64, 64), 30, np.uint8)).save(stream, "PNG")
    picture = b64encode(stream.getvalue()).decode()
    with Movie(tmp_path / "lines.gif", frame_s=0.1) as movie:
        for frame in frames:
            movie.add(frame.model_copy(update={"picture": picture}))
    with Image.open(tmp_path / "lines.gif") as gif:
        assert (gif.n_frames, gif.info["loop"]) == (4, 0)
        middles = []
        for k in range(4):
            gif.seek(k)
            assert gif.info["duration"] == 100
            rows = np.asarray(gif.convert("RGB"))[gif.height // 2 - 2 : gif.height // 2 + 2]
            middles.append(np.nonzero(inked(rows, colour(1)))[1].mean() / (gif.width / 64))
    np.testing.assert_allclose(np.diff(middles), 5, atol=0.3)


def test_a_film_needs_pictures(tmp_path: Path) -> None:
    frames, _ = frames_of(stack_answer(1))
    with Movie(tmp_path / "lines.gif") as movie, pytest.raises(InvalidParameter, match="brings no picture"):
        movie.add(frames[0])
    with pytest.raises(InvalidParameter, match=r"not written as \.avi"):
        Movie(tmp_path / "lines.avi")


def test_a_film_without_pillow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in [name for name in sys.modules if name.split(".")[0] == "PIL"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(MissingDependency, match="pip install matplotlib pillow"):
        Movie(tmp_path / "lines.gif")
