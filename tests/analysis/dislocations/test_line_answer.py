"""The answer says what the analysis found, in the contract's words, and what travels is read back."""

from __future__ import annotations

import base64

import numpy as np
import pytest

from analysis.dislocations import answer
from analysis.dislocations.pipeline import analyse
from analysis.dislocations.preprocess import InputSpec
from analysis.dislocations.stack import StackAnalysis
from analysis.dislocations.statistics import LineTension
from analysis.micrograph import Micrograph
from emserve.exceptions import UnreadableMicrograph
from emserve.results import DislocationsFrame, DislocationsResult, DislocationsTracks, StackError, stack_message
from tests.analysis.dislocations.drawn_lines import DarkNetwork, draw, length_of, picture, pile_up, straight

SHAPE = (260, 240)
COURSES = [course * (1, 0.6) for course in pile_up(3, first=(40, 60), step=(45, -8))]
VELOCITY_PX = 2.0


def frame_at(k: int, pixel_size_nm: tuple[float, float] | None = (0.5, 0.25)) -> Micrograph:
    pixels = picture([draw(course + np.array((VELOCITY_PX * k, 0)), SHAPE) for course in COURSES])
    return Micrograph(pixels, *pixel_size_nm, "argument", frames=4, frame=k) if pixel_size_nm else Micrograph(pixels)


def stacked(
    frames: int, network: DarkNetwork, spec: InputSpec, pixel_size_nm: tuple[float, float] | None, time_s: float | None
) -> tuple[list[DislocationsFrame], DislocationsTracks]:
    stack = StackAnalysis(network, spec, correct_drift=False)
    made = answer.StackAnswer("r", frame_time_s=time_s, correct_drift=False)
    answers = []
    for k in range(frames):
        micrograph = frame_at(k, pixel_size_nm)
        answers.append(made.frame(micrograph, stack.add(micrograph), picture=b"\x89PNG"))
    return answers, made.tracks(stack.tracks())


def test_a_micrograph_s_lines(network: DarkNetwork, spec: InputSpec) -> None:
    micrograph = frame_at(0)
    tension = LineTension(50, 0.25)
    analysis = analyse(micrograph, network, spec, tension=tension)
    made = answer.result(micrograph, analysis, request_id="r")
    assert DislocationsResult.from_json(made.to_json()) == made
    assert (made.request_id, made.model.family, made.statistics.count) == ("r", "dislocations", 3)
    assert [line.number for line in made.lines] == [1, 2, 3]
    for line, found in zip(made.lines, analysis.lines, strict=True):
        np.testing.assert_allclose(line.points_px, found.points_px, atol=1e-3)
        assert line.length_px == pytest.approx(length_of(COURSES[0]), rel=0.03)
        assert line.points_px[0] == pytest.approx((line.start_x_px, line.start_y_px), abs=1e-3)
        assert line.points_px[-1] == pytest.approx((line.end_x_px, line.end_y_px), abs=1e-3)
        assert (line.end_x_nm, line.end_y_nm) == pytest.approx((line.end_x_px * 0.5, line.end_y_px * 0.25), abs=1e-3)
        assert line.stress_mpa == pytest.approx(tension.stress_mpa(found), abs=1e-3)
        assert line.curvature_per_nm is not None
        assert found.curvature_per_nm is not None
        np.testing.assert_allclose(line.curvature_per_nm, found.curvature_per_nm, atol=1e-8)
    points = made.points_nm
    assert points is not None
    np.testing.assert_allclose(points, made.points_px * (0.5, 0.25))
    s = made.statistics
    assert s.field_of_view_nm2 == pytest.approx(SHAPE[0] * SHAPE[1] * 0.125)
    assert s.total_length_nm is not None
    assert s.density_per_nm == pytest.approx(s.total_length_nm / s.field_of_view_nm2)
    assert np.shape(s.distances_px) == np.shape(s.distances_nm) == (3, 3)
    assert (made.parameters.shear_modulus_gpa, made.parameters.burgers_vector_nm) == (50, 0.25)


def test_without_a_pixel_size_nothing_is_in_nm(network: DarkNetwork, spec: InputSpec) -> None:
    micrograph = frame_at(0, None)
    analysis = analyse(micrograph, network, spec, tension=LineTension(50, 0.25))
    made = answer.result(micrograph, analysis, request_id="r")
    for part in (*made.lines, made.statistics):
        for name, value in part:
            assert value is None or not (name.endswith("_nm") or name in ("stress_mpa", "field_of_view_nm2")), name
    assert made.points_nm is None
    assert "pixel_size_unknown" in {notice.code for notice in made.warnings}


def test_without_lines(network: DarkNetwork, spec: InputSpec) -> None:
    micrograph = Micrograph(picture([]))
    made = answer.result(micrograph, analyse(micrograph, network, spec), request_id="r")
    assert DislocationsResult.from_json(made.to_json()) == made
    assert made.lines == []
    assert made.points_px.shape == (0, 50, 2)
    assert made.statistics.length_px is None


def test_slip_traces_have_a_list_of_their_own(network: DarkNetwork, spec: InputSpec) -> None:
    trace = straight(0, 180, 239, 180)
    micrograph = Micrograph(picture([draw(trace, SHAPE)]))
    made = answer.result(micrograph, analyse(micrograph, network, spec), request_id="r")
    assert made.lines == []
    assert len(made.slip_traces) == 1
    assert made.slip_traces[0].length_px == pytest.approx(239, abs=4)


def test_a_video_s_frames_and_tracks(network: DarkNetwork, spec: InputSpec) -> None:
    frames, tracks = stacked(4, network, spec, (0.5, 0.25), 0.1)
    for k, frame in enumerate(frames):
        assert stack_message(frame.model_dump_json()) == frame
        assert (frame.number, frame.time_s) == (k, pytest.approx(0.1 * k))
        assert sorted(line.track for line in frame.lines) == [1, 2, 3]
        assert [line.number for line in frame.lines] == [1, 2, 3]
        assert {(pair.first, pair.second) for pair in frame.pairs} == {(1, 2), (1, 3), (2, 3)}
        assert base64.b64decode(frame.picture or "") == frame.png == b"\x89PNG"
        for line in frame.lines:
            assert line.dx_px == pytest.approx(VELOCITY_PX * k, abs=0.5)
            assert line.dx_nm == pytest.approx(line.dx_px * 0.5, abs=1e-3)
            assert line.frames_since == (1 if k else 0)
    assert stack_message(tracks.model_dump_json()) == tracks
    assert (tracks.frames, len(tracks.tracks)) == (4, 3)
    for track in tracks.tracks:
        assert (track.first_frame, track.last_frame, track.finds) == (0, 3, 4)
        assert track.glide_angle_deg == pytest.approx(0, abs=5)
        assert track.velocity_px_per_frame == pytest.approx(VELOCITY_PX, rel=0.05)
        assert track.velocity_nm_per_s == pytest.approx(VELOCITY_PX * 0.5 / 0.1, rel=0.05), "glide along x: 0.5 nm a px"
        assert track.displacement_nm == pytest.approx(3 * VELOCITY_PX * 0.5, rel=0.1)
        lengths = [line.length_nm for frame in frames for line in frame.lines if line.track == track.number]
        assert track.length_nm == pytest.approx(np.mean([length for length in lengths if length is not None]), rel=1e-3)


@pytest.mark.parametrize(("size", "time_s"), [(None, 0.1), ((0.5, 0.5), None)])
def test_a_velocity_per_second_needs_a_pixel_size_and_a_time(
    size: tuple[float, float] | None, time_s: float | None, network: DarkNetwork, spec: InputSpec
) -> None:
    frames, tracks = stacked(3, network, spec, size, time_s)
    assert [track.velocity_nm_per_s for track in tracks.tracks] == [None] * 3
    assert all(track.velocity_px_per_frame for track in tracks.tracks)
    assert (tracks.tracks[0].displacement_nm is None) == (size is None)
    assert frames[1].time_s == time_s


def test_a_stack_of_one(network: DarkNetwork, spec: InputSpec) -> None:
    frames, tracks = stacked(1, network, spec, (0.5, 0.5), 0.1)
    assert tracks.frames == 1
    for track in tracks.tracks:
        assert (track.finds, track.displacement_px, track.displacement_nm) == (1, 0, 0)
        assert (track.velocity_px_per_frame, track.velocity_nm_per_s, track.glide_angle_deg) == (None, None, None)
    assert all(line.moved_px == 0 for line in frames[0].lines)


def test_an_error_is_a_message() -> None:
    error = UnreadableMicrograph("The video breaks off at frame 7.", remedy="Record it again.", field="file")
    message = StackError.of(error)
    assert stack_message(message.model_dump_json()) == message
    assert (message.error.code, message.error.field) == ("unreadable_micrograph", "file")
