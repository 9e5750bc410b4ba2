"""Pile-ups: lines from trace to trace, one behind the other, from distributions that are measured back."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from training.dislocations import curves
from training.dislocations.labels import LabelError, LabelledFrame
from training.dislocations.synthetic import Parameters, draw_parameters, microstructure, render
from training.dislocations.synthetic.distributions import Even, Microstructure, Modes
from training.dislocations.synthetic.measuring import fitted, measure
from training.dislocations.synthetic.pile_ups import SHORTEST_PX, Band, PileUp, draw_pile_up, natural
from training.dislocations.synthetic.rendering import true_lines
from training.synthetic.dice import Dice


@settings(max_examples=50, deadline=None)
@given(
    st.floats(-360, 360), st.floats(20, 300), st.floats(-6, 6), st.floats(-3, 3), st.floats(-0.5, 1.5)
)  # fmt: skip
def test_band_coordinates_go_there_and_back(angle: float, width: float, splay: float, u: float, v: float) -> None:
    band = Band((100.0, 50.0), angle, width, splay)
    uv = np.array([[u, v], [0.0, 0.0], [0.0, 1.0]])
    points = band.to_px(uv)
    np.testing.assert_allclose(band.to_uv(points), uv, atol=1e-9)
    assert np.linalg.norm(points[2] - points[1]) == pytest.approx(width)


def test_traces_run_at_imagej_s_angle() -> None:
    up_right = Band((0.0, 0.0), 30.0, 50.0).to_px(np.array([[1.0, 0.0]]))[0]
    assert np.rad2deg(np.arctan2(-up_right[1], up_right[0])) == pytest.approx(30.0)


def pile_ups(name: str, count: int = 40) -> list[PileUp]:
    geometry = microstructure(name).geometry
    return [draw_pile_up(Dice(seed), geometry, 512, 512) for seed in range(count)]


@pytest.mark.parametrize("name", ["M1", "M2"])
def test_lines_run_from_the_one_trace_to_the_other_and_are_seen(name: str) -> None:
    count = 0
    for pile_up in pile_ups(name):
        for line in pile_up.lines:
            assert line[0, 1] == pytest.approx(0.0, abs=0.1)
            assert line[-1, 1] == pytest.approx(1.0, abs=0.1)
            points = curves.spline(pile_up.band.to_px(line))
            (piece,) = (piece for piece in curves.inside(points, 512, 512) if len(piece) > 3)
            assert curves.lengths(piece)[-1] >= SHORTEST_PX
            count += 1
    assert count > 80


@pytest.mark.parametrize("name", ["M1", "M2"])
def test_neighbours_of_a_pile_up_do_not_touch(name: str) -> None:
    for pile_up in pile_ups(name, 20):
        lines = [curves.spline(pile_up.band.to_px(line)) for line in pile_up.lines]
        for one, other in itertools.pairwise(lines):
            assert cKDTree(one).query(other)[0].min() > 4.0


def changed(kind: Microstructure, **geometry: object) -> Microstructure:
    return kind.model_copy(update={"geometry": kind.geometry.model_copy(update=geometry)})


@pytest.mark.parametrize("name", ["M1", "M2"])
def test_without_variation_the_next_line_is_the_first_one_moved_along_the_traces(name: str) -> None:
    geometry = changed(microstructure(name), variation=Even(low=0, high=0)).geometry
    moved = 0
    for seed in range(10):
        pile_up = draw_pile_up(Dice(seed), geometry, 512, 512)
        for line in pile_up.lines[1:]:
            away = line - pile_up.lines[0]
            np.testing.assert_allclose(away, np.tile([away[0, 0], 0.0], (len(away), 1)), atol=1e-9)
            assert abs(away[0, 0]) > 0.05
            moved += 1
    assert moved > 5


def test_a_line_that_turns_back_or_crosses_itself_is_not_natural() -> None:
    assert natural(np.array([[0.0, 0.0], [50.0, 40.0], [60.0, 100.0]]))
    assert not natural(np.array([[0.0, 0.0], [80.0, 10.0], [3.0, 12.0]]))
    turn = np.linspace(0, 1.9 * np.pi, 20)
    assert not natural(60.0 * np.stack([np.cos(turn), np.sin(turn)], axis=1))


def test_m2_is_general() -> None:
    drawn = [draw_parameters(seed) for seed in range(40)]
    counts = [len(parameters.lines) for parameters in drawn]
    assert min(counts) <= 2
    assert 14 <= max(counts) <= 20
    assert {max(parameters.pile_up, default=-1) + 1 for parameters in drawn} >= {1, 2, 3}
    headings = [
        np.arctan2(line.supports[-1][1] - line.supports[0][1], line.supports[-1][0] - line.supports[0][0])
        for parameters in drawn
        for line in parameters.lines
    ]
    assert (np.histogram(headings, 8, (-np.pi, np.pi))[0] > 0).all()
    traces = [
        depth for parameters in drawn for trace in parameters.traces for depth in (trace.depth, trace.other_depth)
    ]
    assert min(traces) < -0.02 < 0.02 < max(traces)
    assert 0.1 < np.mean([not parameters.traces for parameters in drawn]) < 0.6


def test_no_more_lines_than_allowed() -> None:
    assert max(len(draw_parameters(seed, most_lines=3).lines) for seed in range(12)) == 3


def test_the_second_pile_up_crosses_the_first_less_than_chance_has_it() -> None:
    """Lines may cross, as they do in reality, but most of them are free."""
    crossed = lines = 0
    for seed in range(25):
        parameters = draw_parameters(seed)
        points = [curves.spline(line.supports, 4.0) for line in parameters.lines]
        for i, one in enumerate(points):
            near = [cKDTree(one).query(other)[0].min() < 3 for j, other in enumerate(points) if j != i]
            crossed += any(near)
            lines += 1
    assert 0 < crossed < 0.45 * lines


# --- measuring


def labelled(parameters: Parameters) -> LabelledFrame:
    """A frame as a person labels it: what is seen of the lines, and the two traces of its pile-up."""
    lines = tuple(line.points for line in true_lines(parameters))
    pieces = np.array([trace.points for trace in parameters.traces])
    half = len(pieces) // 2
    traces = tuple(np.array([side[0, 0], side[-1, 1]]) for side in (pieces[:half], pieces[half:]))
    return LabelledFrame("a.png", 512, 512, lines, traces)


@pytest.fixture(scope="module")
def again() -> Microstructure:
    """M1, measured on frames that were drawn from M1."""
    frames = []
    for seed in range(8):
        parameters = draw_parameters(seed, microstructure="M1")
        if len(parameters.lines) >= 2:
            frames.append(measure(render(parameters).pixels, labelled(parameters)))
    return fitted(frames, microstructure("M2"), name="again", source="a test")


def test_measuring_gives_the_distributions_back(again: Microstructure) -> None:
    m1 = microstructure("M1")
    assert isinstance(again.geometry.shape, Modes)
    assert isinstance(m1.geometry.shape, Modes)
    mean, true = (np.array(kind.geometry.shape.mean) for kind in (again, m1))
    # lines leave the frame more often at its sides; the longest are missing in the sample
    assert np.abs(mean - true)[:, 1].max() < 0.05
    assert np.abs(mean - true)[:, 0].max() < 0.35
    for name, tolerance in (("angle_deg", 1.5), ("splay_deg", 0.6), ("slip_width", 0.03)):
        measured, known = getattr(again.geometry, name), getattr(m1.geometry, name)
        assert measured.mean == pytest.approx(known.mean, abs=tolerance), name
    assert again.lines.depth.mean == pytest.approx(m1.lines.depth.mean, rel=0.12)
    assert again.lines.width_px.mean == pytest.approx(m1.lines.width_px.mean, rel=0.12)
    assert again.name == "again"
    assert again.surroundings == microstructure("M2").surroundings


def test_what_was_measured_can_be_drawn_from(again: Microstructure) -> None:
    read = Microstructure.model_validate_json(again.model_dump_json())
    assert draw_parameters(1, microstructure=read) == draw_parameters(1, microstructure=again)
    assert draw_parameters(1, microstructure=read).lines


def test_measuring_needs_two_traces_and_three_lines() -> None:
    frame = labelled(draw_parameters(3, microstructure="M1"))
    without = LabelledFrame("a.png", 512, 512, frame.lines, frame.slip_traces[:1])
    with pytest.raises(LabelError, match="two slip traces"):
        measure(np.ones((512, 512)), without)
    with pytest.raises(LabelError, match="three lines"):
        fitted([], microstructure("M1"), name="none", source="none")


def test_the_order_in_which_lines_and_traces_were_drawn_does_not_matter() -> None:
    parameters = draw_parameters(3, microstructure="M1")
    pixels, frame = render(parameters).pixels, labelled(parameters)
    turned = LabelledFrame(
        "a.png",
        512,
        512,
        tuple(line[::-1] for line in frame.lines),
        tuple(trace[::-1] for trace in frame.slip_traces[::-1]),
    )
    one, other = measure(pixels, frame), measure(pixels, turned)
    assert one.band.angle_deg == pytest.approx(other.band.angle_deg)
    np.testing.assert_allclose(one.starts, other.starts, atol=1e-6)
    for a, b in zip(one.lines, other.lines, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_an_unknown_microstructure_is_refused() -> None:
    with pytest.raises(FileNotFoundError, match="M1, M2"):
        microstructure("M7")
