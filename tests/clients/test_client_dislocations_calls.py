"""What `Client.dislocations` and `Client.dislocations_stack` send, and what they hand over."""

from __future__ import annotations

import asyncio
import io
import os
import zipfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from emserve import (
    AsyncClient,
    Client,
    DeadlineExceeded,
    DislocationsFrame,
    DislocationsResult,
    DislocationsTracks,
    Retries,
    Unavailable,
    UnexpectedAnswer,
    UnknownModel,
    UnreadableMicrograph,
)
from emserve.results import StackError
from emserve.testing import FakeClock, FakeServer, dislocations_result, stack_answer

LINES = {"Content-Type": "application/x-ndjson"}
CUT = StackError.of(UnreadableMicrograph("The video breaks off in frame 3.", remedy="Record it again.", field="file"))


def body(messages: list[object]) -> bytes:
    return b"".join(message.model_dump_json().encode() + b"\n" for message in messages)  # type: ignore[attr-defined]


class Drops(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body in chunks, counted as they are taken, that may end with an error of the connection."""

    def __init__(self, chunks: list[bytes], error: httpx.RequestError | None = None) -> None:
        self.chunks, self.error, self.taken, self.closed = chunks, error, 0, False

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self.chunks:
            self.taken += 1
            yield chunk
        if self.error is not None:
            raise self.error

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self:
            yield chunk

    def close(self) -> None:
        self.closed = True

    async def aclose(self) -> None:
        self.closed = True


def dropping(drops: Drops) -> httpx.MockTransport:
    return httpx.MockTransport(lambda _: httpx.Response(200, stream=drops, headers=LINES))


def test_both_clients_send_every_parameter_under_its_name(tmp_path: Path) -> None:
    path = tmp_path / "foil.dm4"
    path.write_bytes(b"bytes")
    options = {
        "pixel_size_nm": (0.5, 0.25),
        "model": "m",
        "threshold": 0.4,
        "frame": 2,
        "shear_modulus_gpa": 43.6,
        "burgers_vector_nm": 0.29,
        "request_id": "run-7",
    }
    server = FakeServer(dislocations_result(lines=2))

    async def awaited() -> DislocationsResult:
        async with AsyncClient(transport=server.transport) as client:
            return await client.dislocations(path, **options)

    with Client(transport=server.transport) as client:
        result = client.dislocations(path, **options)
    assert result == asyncio.run(awaited())
    assert (result.statistics.count, result.request_id) == (2, "run-7")
    blocking, asynchronous = server.requests
    assert blocking.fields == asynchronous.fields
    assert blocking.fields == {
        "pixel_size_nm": "0.5,0.25",
        "model": "m",
        "threshold": "0.4",
        "frame": "2",
        "shear_modulus_gpa": "43.6",
        "burgers_vector_nm": "0.29",
    }
    assert (blocking.path, blocking.file_name, blocking.file) == ("/v1/dislocations", "foil.dm4", b"bytes")


def test_both_clients_follow_a_video_alike() -> None:
    options = {
        "pixel_size_nm": 0.5,
        "frame_time_s": 0.04,
        "model": "m",
        "threshold": 0.4,
        "gate_px": 12,
        "memory": 2,
        "correct_drift": False,
        "shear_modulus_gpa": 43.6,
        "burgers_vector_nm": 0.29,
        "pictures": True,
        "request_id": "run-7",
    }
    server = FakeServer(stack=stack_answer(4))

    async def awaited() -> tuple[list[DislocationsFrame], DislocationsTracks | None]:
        client = AsyncClient(transport=server.transport)
        async with client, await client.dislocations_stack(b"video", **options) as frames:
            return [frame async for frame in frames], frames.tracks

    with Client(transport=server.transport) as client, client.dislocations_stack(b"video", **options) as frames:
        assert frames.tracks is None
        taken = list(frames)
        assert (taken, frames.tracks) == asyncio.run(awaited())
    assert [frame.number for frame in taken] == [0, 1, 2, 3]
    assert frames.tracks is not None
    assert {track.velocity_nm_per_s for track in frames.tracks.tracks} == {1.5 * 0.5 / 0.04}
    assert taken[0].request_id == frames.tracks.request_id == "run-7"
    assert server.requests[0].path == "/v1/dislocations/stack"
    assert server.requests[0].fields == {
        "pixel_size_nm": "0.5",
        "frame_time_s": "0.04",
        "model": "m",
        "threshold": "0.4",
        "gate_px": "12.0",
        "memory": "2",
        "correct_drift": "false",
        "shear_modulus_gpa": "43.6",
        "burgers_vector_nm": "0.29",
        "pictures": "true",
    }


def test_what_is_left_out_is_not_sent() -> None:
    server = FakeServer()
    with Client(transport=server.transport) as client:
        client.dislocations(b"bytes")
        list(client.dislocations_stack(np.zeros((2, 8, 8))))
    assert [request.fields for request in server.requests] == [{}, {}]
    assert server.requests[1].file_name == "array.npy"


def test_frames_are_handed_over_before_the_next_one_arrives() -> None:
    drops = Drops([body([message]) for message in stack_answer(3)])
    with Client(transport=dropping(drops)) as client, client.dislocations_stack(b"video") as frames:
        for k, frame in enumerate(frames):
            assert (frame.number, drops.taken) == (k, k + 1)
    assert frames.tracks is not None
    assert drops.closed


def test_lines_may_be_cut_anywhere() -> None:
    whole = b"\n" + body(stack_answer(3)) + b"\n"
    drops = Drops([whole[k : k + 997] for k in range(0, len(whole), 997)])
    with Client(transport=dropping(drops)) as client, client.dislocations_stack(b"video") as frames:
        assert [frame.number for frame in frames] == [0, 1, 2]
        assert frames.tracks is not None


def test_who_stops_early_lets_the_server_go() -> None:
    drops = Drops([body([message]) for message in stack_answer(9)])
    with Client(transport=dropping(drops)) as client, client.dislocations_stack(b"video") as frames:
        next(frames)
    assert (drops.taken, drops.closed) == (1, True)
    with pytest.raises(StopIteration):
        next(frames)


def test_a_video_that_breaks_off() -> None:
    server = FakeServer(stack=stack_answer(3, error=CUT))
    taken = []
    with Client(transport=server.transport) as client:
        frames = client.dislocations_stack(b"video", request_id="mine")
        with pytest.raises(UnreadableMicrograph, match="breaks off in frame 3") as caught:
            taken.extend(frame.number for frame in frames)
    assert taken == [0, 1, 2]
    assert frames.tracks is not None
    assert frames.tracks.frames == 3
    assert (caught.value.remedy, caught.value.field) == ("Record it again.", "file")
    assert caught.value.__notes__ == ["request id: mine; frames before: 3"]


def test_a_video_that_breaks_off_awaited() -> None:
    server = FakeServer(stack=stack_answer(2, error=CUT))

    async def awaited() -> list[int]:
        taken = []
        async with AsyncClient(transport=server.transport) as client:
            frames = await client.dislocations_stack(b"video")
            with pytest.raises(UnreadableMicrograph):  # noqa: PT012
                async for frame in frames:
                    taken.append(frame.number)
            assert frames.tracks is not None
        return taken

    assert asyncio.run(awaited()) == [0, 1]


@pytest.mark.parametrize(
    ("drops", "error"),
    [
        (Drops([body(stack_answer(3)[:2])]), Unavailable),
        (Drops([body(stack_answer(3)[:2])], httpx.RemoteProtocolError("gone")), Unavailable),
        (Drops([body(stack_answer(3)[:2])], httpx.ReadTimeout("late")), DeadlineExceeded),
        (Drops([body(stack_answer(3)[:2]), b"<html>\n"]), UnexpectedAnswer),
    ],
    ids=["ends", "cut", "late", "page"],
)
def test_an_answer_that_does_not_end_as_it_should(drops: Drops, error: type[Exception]) -> None:
    with Client(transport=dropping(drops)) as client, client.dislocations_stack(b"video") as frames:
        assert [next(frames).number, next(frames).number] == [0, 1]
        with pytest.raises(error):
            next(frames)
        assert frames.tracks is None
    assert drops.closed


def test_what_a_newer_server_adds_is_passed_over() -> None:
    drops = Drops([b'{"kind": "still", "seconds": 3}\n', body(stack_answer(1))])
    with Client(transport=dropping(drops)) as client, client.dislocations_stack(b"video") as frames:
        assert [frame.number for frame in frames] == [0]


def test_errors_before_the_first_frame() -> None:
    server = FakeServer(errors=[Unavailable("Not yet."), UnknownModel("No model of the family dislocations.")])
    retries = Retries(clock=FakeClock())
    with Client(transport=server.transport, retries=retries) as client, pytest.raises(UnknownModel, match="dislocat"):
        client.dislocations_stack(b"video")
    assert len(server.requests) == 2, "the first one is tried again"


def test_a_page_is_no_video() -> None:
    page = httpx.MockTransport(lambda _: httpx.Response(200, html="<html>"))
    with Client(transport=page) as client, pytest.raises(UnexpectedAnswer, match="JSON lines were expected"):
        client.dislocations_stack(b"video")


def test_a_folder_of_frames_is_sent_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    folder = tmp_path / "titanium"
    (folder / "old").mkdir(parents=True)
    for name in ("frame_10.png", "frame_9.png", "frame_100.PNG", "notes.txt", ".DS_Store"):
        (folder / name).write_bytes(name.encode())
    server = FakeServer()
    with Client(transport=server.transport) as client:
        list(client.dislocations_stack(folder))
        list(client.dislocations_stack([folder / "frame_100.PNG", folder / "frame_9.png"]))
    sent = []
    for request in server.requests:
        with zipfile.ZipFile(io.BytesIO(request.file or b"")) as archive:
            assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_STORED}
            assert archive.namelist() == sorted(archive.namelist())
            sent.append([archive.read(name).decode() for name in archive.namelist()])
    assert sent == [["frame_9.png", "frame_10.png", "frame_100.PNG"], ["frame_100.PNG", "frame_9.png"]]
    assert server.requests[0].file_name == "titanium.zip"


def test_frames_of_a_clock_that_was_not_set_are_sent(tmp_path: Path) -> None:
    """A ZIP knows no time before 1980."""
    frame = tmp_path / "frame_1.png"
    frame.write_bytes(b"one")
    os.utime(frame, (0, 0))
    server = FakeServer()
    with Client(transport=server.transport) as client:
        list(client.dislocations_stack([frame]))
    with zipfile.ZipFile(io.BytesIO(server.requests[0].file or b"")) as archive:
        assert [archive.read(name) for name in archive.namelist()] == [b"one"]


def test_a_folder_without_frames_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("none")
    server = FakeServer()
    with Client(transport=server.transport) as client:
        for nothing in (tmp_path, []):
            with pytest.raises(UnreadableMicrograph, match="holds no pictures"):
                client.dislocations_stack(nothing)
        with pytest.raises(FileNotFoundError):
            client.dislocations_stack([tmp_path / "gone.png"])
    assert server.requests == []
