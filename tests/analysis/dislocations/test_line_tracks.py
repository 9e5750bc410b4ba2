"""Lines linked over frames: simulated motion, gaps, births and ends."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.dislocations.distances import paired_distance
from analysis.dislocations.splines import fit
from analysis.dislocations.tracks import Linker, Step, positions_px
from tests.analysis.dislocations.drawn_lines import pile_up, straight, wave

S = wave(50, 20, 110, 220, 20)


def points(course: np.ndarray) -> np.ndarray:
    return fit(course).points()


def test_one_line_that_glides_evenly() -> None:
    """2 px to the right and 1 px up in every frame: √5 px a frame, at atan(1/2) above the x axis."""
    linker = Linker()
    steps = [linker.update(k, [points(S + np.array((2.0 * k, -1.0 * k)))])[0] for k in range(10)]
    assert {step.track for step in steps} == {0}
    assert [(step.moved_x_px, step.moved_y_px) for step in steps[1:]] == [pytest.approx((2, -1), abs=1e-6)] * 9
    (track,) = linker.tracks()
    assert (track.first_frame, track.last_frame, track.finds) == (0, 9, 10)
    assert track.velocity_px_per_frame == pytest.approx(np.sqrt(5))
    assert track.velocity_std_px_per_frame == pytest.approx(0, abs=1e-4)
    assert track.glide_angle_deg == pytest.approx(np.degrees(np.arctan2(1, 2)))
    assert track.displacement_px == pytest.approx(9 * np.sqrt(5))
    assert positions_px(steps, track.glide_angle_deg) == pytest.approx(np.sqrt(5) * np.arange(10))


def test_a_line_at_rest_has_no_direction() -> None:
    linker = Linker()
    for k in range(5):
        linker.update(k, [points(S)])
    (track,) = linker.tracks()
    assert track.glide_angle_deg is None
    assert track.displacement_px == pytest.approx(0, abs=1e-9)
    assert track.velocity_px_per_frame == pytest.approx(0, abs=1e-9)


def test_a_line_that_goes_back_has_a_displacement_of_nothing() -> None:
    linker = Linker()
    places = [0, 6, 12, 6, 0]
    steps = [linker.update(k, [points(S + np.array((x, 0.0)))])[0] for k, x in enumerate(places)]
    (track,) = linker.tracks()
    assert [abs(step.dx_px) for step in steps] == pytest.approx(places, abs=1e-6)
    assert track.displacement_px == pytest.approx(0, abs=1e-6)
    assert track.velocity_px_per_frame == pytest.approx(0, abs=1e-6)
    # squares about the mean of 4.8 px add up to 100.8, those of the frames to 10; 5 - 2 degrees of freedom
    assert track.velocity_std_px_per_frame == pytest.approx(np.sqrt(100.8 / 3 / 10))


def test_steps_and_tracks_tell_of_one_motion() -> None:
    """Each find lacks another end, so that places by the ends would waver by several px about a line at rest."""
    linker = Linker()
    course = S
    steps = [linker.update(k, [points(course[15:] if k % 2 else course[:-15])])[0] for k in range(6)]
    (track,) = linker.tracks()
    assert track.glide_angle_deg is None
    assert track.displacement_px == pytest.approx(np.hypot(steps[-1].dx_px, steps[-1].dy_px))
    for before, step in pairwise(steps):
        moved = step.dx_px - before.dx_px, step.dy_px - before.dy_px
        assert (step.moved_x_px, step.moved_y_px) == pytest.approx(moved)


def test_thousands_of_tracks_that_wait() -> None:
    """With a long memory, what noise begins waits for long; what a frame takes must not grow with the square of it."""
    linker = Linker(memory=1000)
    costs = np.full((20_000, 3), np.inf)
    costs[19_000, 0], costs[5, 1], costs[6, 1] = 4.0, 3.9, 3.1
    assert linker._assigned(costs) == {0: 19_000, 1: 6}


def test_appearing_vanishing_and_coming_back() -> None:
    linker = Linker(memory=2)
    seen = [[0], [0, 1], [1], [1], [0, 1], [1], [1], [1], [1]]
    courses = [S, S + np.array((70.0, 0.0))]
    tracks = [
        [step.track for step in linker.update(k, [points(courses[i] + np.array((1.5 * k, 0.0))) for i in present])]
        for k, present in enumerate(seen)
    ]
    # missing for two frames it goes on as it was
    assert tracks == [[0], [0, 1], [1], [1], [0, 1], [1], [1], [1], [1]]
    again = linker.update(9, [points(courses[0] + np.array((13.5, 0.0))), points(courses[1] + np.array((13.5, 0.0)))])
    assert [step.track for step in again] == [2, 1]  # missing for longer it is another one
    ends = {track.number: (track.first_frame, track.last_frame, track.finds) for track in linker.tracks()}
    assert ends == {0: (0, 4, 3), 1: (1, 9, 9), 2: (9, 9, 1)}


def test_a_step_over_a_gap_says_how_long_it_was() -> None:
    linker = Linker()
    linker.update(0, [points(S)])
    linker.update(1, [])
    (step,) = linker.update(2, [points(S + np.array((6.0, 0.0)))])
    assert (step.frames, step.moved_x_px) == (2, pytest.approx(6))


def test_beyond_the_gate_begins_another_track() -> None:
    linker = Linker(gate_px=10)
    linker.update(0, [points(S)])
    (step,) = linker.update(1, [points(S + np.array((12.0, 0.0)))])
    assert step.track == 1


def test_fast_lines_are_foretold() -> None:
    """15 px a frame between lines that are 20 px apart: without what went before, each would be taken for the next."""
    linker = Linker()
    for k, speed in enumerate(np.cumsum([0, 4, 8, 12, 15, 15, 15])):
        steps = linker.update(k, [points(S + np.array((speed + 20.0 * i, 0.0))) for i in range(4)])
        assert [step.track for step in steps] == [0, 1, 2, 3]


def test_nothing_in_any_frame() -> None:
    linker = Linker()
    assert [linker.update(k, []) for k in range(4)] == [[]] * 4
    assert linker.tracks() == []


@settings(max_examples=3, deadline=None)
@given(seed=st.integers(0, 10_000), count=st.integers(2, 10))
def test_pile_ups_of_up_to_ten_lines_with_noise_and_misses(seed: int, count: int) -> None:
    """Every line has its own speed; it is missed in 5 % of the frames, wavers by 0.5 px, and may lack a fifth."""
    rng = np.random.default_rng(seed)
    glide = np.array((0.97, -0.24))
    speeds = np.sort(rng.uniform(1.0, 4.0, count))  # those in front are faster: lines do not cross
    courses = pile_up(count, step=(40, -10))
    linker, frames = Linker(), 16
    owner: dict[int, list[int]] = {}
    right = links = 0
    apart: list[float] = []
    for k in range(frames):
        present = [i for i in range(count) if k in (0, frames - 1) or rng.random() > 0.05]
        order = rng.permutation(present).tolist()
        lines = []
        for i in order:
            course = courses[i] + glide * speeds[i] * k + rng.normal(0, 0.15, 2)
            if rng.random() < 0.15:
                course = course[: int(len(course) * rng.uniform(0.8, 1))]
            one = points(course + rng.normal(0, 0.5, course.shape))
            lines.append(one[::-1] if rng.random() < 0.5 else one)
        steps = linker.update(k, lines)
        by_line: dict[int, Step] = dict(zip(order, steps, strict=True))
        for i, step in by_line.items():
            before = owner.setdefault(i, [])
            if before:
                links += 1
                right += before[-1] == step.track
            before.append(step.track)
        if k == frames - 1:
            apart = [
                paired_distance(by_line[i].points_px, by_line[j].points_px)
                - np.hypot(*((j - i) * np.array((40, -10)) + glide * (speeds[j] - speeds[i]) * k))
                for i in range(count)
                for j in range(i)
                if min(len_of(by_line[i]), len_of(by_line[j])) > 0.97 * len_of_course(courses[0])
            ]
    assert right >= 0.95 * links
    assert np.abs(apart).max(initial=0) < 1
    tracks = {track.number: track for track in linker.tracks()}
    for i, mine in owner.items():
        velocity = tracks[max(set(mine), key=mine.count)].velocity_px_per_frame
        assert velocity == pytest.approx(speeds[i], rel=0.05, abs=0.05)


def len_of(step: Step) -> float:
    return float(np.hypot(*np.diff(step.points_px, axis=0).T).sum())


def len_of_course(course: np.ndarray) -> float:
    return fit(course).length


def test_memory_does_not_grow_with_the_frames() -> None:
    linker = Linker()
    for k in range(200):
        linker.update(k, [points(straight(50, 20, 60 + k / 100, 200))])
    held = [value for track in linker._active for value in vars(track).values() if isinstance(value, np.ndarray)]
    assert len(linker._active) == 1
    assert sum(value.size for value in held) < 300
