"""Videos with known motion, from pixels to tracks."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.ndimage as ndi

from analysis.dislocations.preprocess import InputSpec
from analysis.dislocations.stack import FrameAnalysis, StackAnalysis
from analysis.micrograph import Micrograph
from emserve.exceptions import InvalidParameter, UnreadableMicrograph
from tests.analysis.dislocations.drawn_lines import BRIGHT, DarkNetwork, draw, picture, pile_up

SHAPE = (320, 420)
GLIDE = np.array((0.98, -0.2))


class Video:
    """Lines that glide, each at its own speed, before a texture that drifts with the whole specimen."""

    def __init__(self, count: int, speeds: np.ndarray, *, drift: tuple[float, float] = (0, 0), seed: int = 1) -> None:
        self.courses = [course * (1, 0.8) for course in pile_up(count, first=(40, 60), step=(32, -4), bow=10)]
        self.speeds = speeds
        self.drift = np.array(drift)
        texture = ndi.gaussian_filter(np.random.default_rng(seed).normal(size=(440, 540)), 3)
        self.texture = 5 * texture / texture.std()

    def frame(self, k: int) -> Micrograph:
        dx, dy = k * self.drift
        rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
        ground = BRIGHT + ndi.map_coordinates(self.texture, [rows - dy + 60, columns - dx + 60], order=1)
        masks = [draw(self.place(i, k), SHAPE) for i in range(len(self.courses))]
        return Micrograph(picture(masks, noise=4, seed=k, background=ground), 0.5, 0.5, "argument")

    def place(self, line: int, k: int) -> np.ndarray:
        return self.courses[line] + GLIDE * self.speeds[line] * k + self.drift * k


def owner(video: Video, frame: FrameAnalysis) -> dict[int, int]:
    """Track → the true line that lies nearest to its find in this frame."""
    true = np.array([video.place(i, frame.number).mean(axis=0) for i in range(len(video.courses))])
    return {
        step.track: int(np.argmin(np.hypot(*(line.points_px.mean(axis=0) - true).T)))
        for step, line in zip(frame.steps, frame.lines.lines, strict=True)
    }


@pytest.mark.parametrize(("count", "drift"), [(3, (0.0, 0.0)), (10, (0.0, 0.0)), (5, (-1.6, 0.9))])
def test_known_motion_is_measured(
    count: int, drift: tuple[float, float], network: DarkNetwork, spec: InputSpec
) -> None:
    """All links right, pair distances within 1 px, velocities within 5 %."""
    video = Video(count, np.linspace(2, 3.2, count), drift=drift)
    stack, frames = StackAnalysis(network, spec), 10
    answers = [stack.add(video.frame(k)) for k in range(frames)]
    first = owner(video, answers[0])
    assert len(first) == count
    for answer in answers:
        assert owner(video, answer) == first
        assert (answer.drift.dx, answer.drift.dy) == pytest.approx(np.array(drift) * answer.number, abs=1)
        assert len(answer.pairs) == count * (count - 1) // 2
        for pair in answer.pairs:
            i, j = first[pair.first], first[pair.second]
            apart = (i - j) * np.array((32, -3.2)) + GLIDE * (video.speeds[i] - video.speeds[j]) * answer.number
            assert pair.distance_px == pytest.approx(np.hypot(*apart), abs=1)
            assert pair.distance_nm == pytest.approx(0.5 * pair.distance_px)
    tracks = stack.tracks()
    assert [track.number for track in tracks] == list(range(count))
    for track in tracks:
        assert track.finds == frames
        assert track.velocity_px_per_frame == pytest.approx(video.speeds[first[track.number]], rel=0.05)
        assert track.glide_angle_deg == pytest.approx(np.degrees(np.arctan2(0.2, 0.98)), abs=4)


def test_drift_is_motion_where_it_is_not_taken_off(network: DarkNetwork, spec: InputSpec) -> None:
    video = Video(2, np.zeros(2), drift=(2.0, 0.0))
    for correct_drift, expected in ((True, 0.0), (False, 2.0)):
        stack = StackAnalysis(network, spec, correct_drift=correct_drift)
        for k in range(6):
            stack.add(video.frame(k))
        for track in stack.tracks():
            assert track.velocity_px_per_frame == pytest.approx(expected, abs=0.1)


def test_a_stack_of_one_and_of_nothing(network: DarkNetwork, spec: InputSpec) -> None:
    stack = StackAnalysis(network, spec)
    assert (stack.frames, stack.tracks()) == (0, [])
    answer = stack.add(Video(3, np.ones(3)).frame(0))
    assert stack.frames == 1
    assert len(answer.lines.lines) == len(answer.steps) == 3
    assert all(track.finds == 1 and track.velocity_px_per_frame is None for track in stack.tracks())


def test_frames_of_different_sizes(network: DarkNetwork, spec: InputSpec) -> None:
    stack = StackAnalysis(network, spec)
    stack.add(Video(1, np.ones(1)).frame(0))
    with pytest.raises(UnreadableMicrograph, match="Frame 1 has 100 × 90 pixels, the frames before have 420 × 320"):
        stack.add(Micrograph(np.zeros((90, 100), np.float32)))
    assert stack.frames == 1
    assert len(stack.tracks()) == 1


def test_an_empty_frame_among_others(network: DarkNetwork, spec: InputSpec) -> None:
    """A dark line is lost for a frame and goes on afterwards."""
    video, stack = Video(2, np.full(2, 2.0)), StackAnalysis(network, spec)
    seen = []
    for k in range(4):
        micrograph = video.frame(k)
        if k == 2:
            micrograph = Micrograph(picture([], background=np.full(SHAPE, BRIGHT)))
            network.level = -1
        seen.append({step.track for step in stack.add(micrograph).steps})
        network.level = 0.4
    assert seen == [{0, 1}, {0, 1}, set(), {0, 1}]
    assert {track.finds for track in stack.tracks()} == {3}


@pytest.mark.parametrize("grey", [0.0, 90.0])
def test_a_frame_that_shows_nothing_among_others(network: DarkNetwork, spec: InputSpec, grey: float) -> None:
    """A blanked beam: no line is found in it, and the tracks go on behind it."""
    video = Video(3, np.full(3, 2.0))
    stack = StackAnalysis(network, spec, memory=2)
    counts = []
    for k in range(5):
        frame = video.frame(k) if k != 2 else Micrograph(np.full(SHAPE, grey, np.float32), 0.5, 0.5, "argument")
        network.level = -1 if k == 2 else 0.4
        counts.append(len(stack.add(frame).lines.lines))
    assert counts == [3, 3, 0, 3, 3]
    assert [track.finds for track in stack.tracks()] == [4, 4, 4]


@pytest.mark.parametrize(("parameter", "value"), [("gate_px", 0), ("gate_px", "25"), ("memory", -1), ("memory", 1.5)])
def test_parameters_out_of_range(parameter: str, value: object, network: DarkNetwork, spec: InputSpec) -> None:
    with pytest.raises(InvalidParameter) as raised:
        StackAnalysis(network, spec, **{parameter: value})
    assert raised.value.field == parameter
