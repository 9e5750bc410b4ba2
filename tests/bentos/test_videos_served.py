"""Video files through the service: as they come from a camera, and cut off."""

from __future__ import annotations

from fractions import Fraction

import pytest
from starlette.testclient import TestClient

from tests.bentos.asking import post
from tests.bentos.filming import HEIGHT, LINES, STACK, STEP_PX, WIDTH, film, parts

av = pytest.importorskip("av", reason="the extra video is not installed")

FRAMES = 12


@pytest.fixture(scope="module")
def mp4(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Lines that move, as H.264 at 20 frames a second, its index before its pictures."""
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    with av.open(str(path), "w", options={"movflags": "faststart"}) as out:
        stream = out.add_stream("libx264", rate=20, options={"crf": "18"})
        stream.height, stream.width, stream.pix_fmt = HEIGHT, WIDTH, "yuv420p"
        for number, frame in enumerate(film(FRAMES)):
            picture = av.VideoFrame.from_ndarray(frame, format="gray")
            picture.pts, picture.time_base = number, Fraction(1, 20)
            out.mux(stream.encode(picture))
        out.mux(stream.encode(None))
    return path.read_bytes()


def test_lines_are_followed_over_a_video(service: TestClient, mp4: bytes) -> None:
    frames, tracks, error = parts(post(service, mp4, STACK, pixel_size_nm="0.5"))
    assert error is None
    assert [frame.number for frame in frames] == list(range(FRAMES))
    assert {frame.micrograph.format for frame in frames} == {"mp4"}
    assert tracks.parameters.frame_time_s == pytest.approx(0.05)
    assert [track.finds for track in tracks.tracks] == [FRAMES] * LINES
    for track in tracks.tracks:
        assert track.velocity_px_per_frame == pytest.approx(STEP_PX, rel=0.05)


def test_a_video_that_is_cut_off(service: TestClient, mp4: bytes) -> None:
    frames, tracks, error = parts(post(service, mp4[: len(mp4) * 7 // 10], STACK, pixel_size_nm="0.5"))
    assert 1 < len(frames) < FRAMES
    assert tracks.frames == len(frames)
    assert error is not None
    assert error.error.code == "unreadable_micrograph"
    assert error.error.message == f"Frame {len(frames)} (from 0): The mp4 file is cut off."


def test_one_frame_of_a_video(service: TestClient, mp4: bytes) -> None:
    answer = post(service, mp4, "/v1/dislocations", frame="5", pixel_size_nm="0.5").json()
    assert (answer["micrograph"]["frame"], answer["micrograph"]["frames"]) == (5, FRAMES)
    assert len(answer["lines"]) == LINES
