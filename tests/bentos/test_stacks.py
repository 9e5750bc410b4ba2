"""What is wrong with a stack: the frames before it are answered, then it is told; and how a stream takes its turns."""

from __future__ import annotations

import asyncio
import logging
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path
from threading import Event
from typing import Any

import httpx
import numpy as np
import pytest
from starlette.requests import ClientDisconnect
from starlette.testclient import TestClient

from analysis.dislocations.stack import StackAnalysis
from analysis.micrograph import Micrograph
from bentos import stacks
from bentos.family import Abandoned
from bentos.models import Models
from bentos.parameters import StackForm
from bentos.pool import Pool
from bentos.settings import Settings
from emserve.exceptions import UnreadableMicrograph
from emserve.results import DislocationsFrame, DislocationsTracks, StackError, StackMessage
from tests.bentos.asking import Open, error_of, npy, png, post, wait_until_loaded
from tests.bentos.filming import STACK, film, kinds, line_pixels, parts, zipped, zipped_film


@pytest.fixture
def unharmed(service: TestClient, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """After the test the next film is answered, and no traceback is in the log."""
    caplog.set_level(logging.INFO)
    yield
    frames, _, error = parts(post(service, npy(film(2)), STACK))
    assert (len(frames), error) == (2, None)
    assert not [record for record in caplog.records if record.exc_info]


# Files


BROKEN_AT_2 = {
    "a frame cut off": (zipped(*[png(p) for p in film(2)], png(line_pixels(2))[:900], png(line_pixels(3))), "2"),
    "a frame that is text": (zipped(*[png(p) for p in film(2)], b"notes on the sample\n" * 20), "2"),
    "a frame of another size": (
        zipped(*[png(p) for p in film(2)], png(line_pixels(2, height=96)), png(line_pixels(3))),
        "160 × 96",
    ),
    "an array cut off": (npy(film(4))[: -int(1.5 * film(1).size)], "2"),
}


@pytest.mark.usefixtures("unharmed")
@pytest.mark.parametrize("case", BROKEN_AT_2)
def test_frames_before_a_break_are_answered_and_then_the_error(service: TestClient, case: str) -> None:
    data, says = BROKEN_AT_2[case]
    frames, tracks, error = parts(post(service, data, STACK, pixel_size_nm="0.5"))
    assert len(frames) == 2
    assert {track.finds for track in tracks.tracks} == {2}
    assert error is not None
    assert says in error.error.message
    assert error.error.remedy
    assert error.error.code in {"unreadable_micrograph", "unsupported_format"}


def test_the_log_has_the_code_of_a_break(service: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    post(service, BROKEN_AT_2["a frame cut off"][0], STACK)
    (line,) = [record.getMessage() for record in caplog.records if f"POST {STACK} 200" in record.getMessage()]
    assert "unreadable_micrograph" in line


@pytest.mark.usefixtures("unharmed")
@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (zipped(), 422, "unreadable_micrograph"),
        (zipped(b"notes on the sample\n" * 20, png(line_pixels())), 415, "unsupported_format"),
        (zipped(png(line_pixels())[:900], png(line_pixels())), 422, "unreadable_micrograph"),
        (zipped_film(3)[:2000], 422, "unreadable_micrograph"),
        (npy(np.zeros((3, 1200, 1000), np.uint8)), 413, "too_large"),
        (npy(np.zeros((0, 64, 64), np.uint8)), 422, "unreadable_micrograph"),
    ],
    ids=["empty ZIP", "no picture first", "first picture cut off", "ZIP cut off", "too many pixels", "no frames"],
)
def test_what_is_wrong_with_the_first_frame_is_an_ordinary_error(
    service: TestClient, data: bytes, status: int, code: str
) -> None:
    answer = post(service, data, STACK)
    assert (answer.status_code, error_of(answer)["code"]) == (status, code), answer.text


@pytest.mark.usefixtures("unharmed")
@pytest.mark.parametrize("data", [png(line_pixels()), npy(film(1)), zipped_film(1)], ids=["PNG", "NPY", "ZIP"])
def test_a_stack_of_one_has_tracks_that_go_nowhere(service: TestClient, data: bytes) -> None:
    frames, tracks, error = parts(post(service, data, STACK, pixel_size_nm="0.5", frame_time_s="0.1"))
    assert (len(frames), error) == (1, None)
    assert {notice.code for notice in tracks.warnings} == {"single_frame"}
    assert len(tracks.tracks) == 3
    for track in tracks.tracks:
        assert (track.finds, track.velocity_nm_per_s, track.displacement_px) == (1, None, 0)


def test_a_film_without_lines(service: TestClient) -> None:
    blank = np.random.default_rng(0).normal(200, 1, (3, 64, 80)).astype(np.float32)
    blank[:, :3, :3] = 0  # what is dark is too small for a line
    frames, tracks, error = parts(post(service, npy(blank), STACK, pixel_size_nm="0.5"))
    assert (len(frames), tracks.tracks, error) == (3, [], None)
    assert "no_lines" in {notice.code for notice in tracks.warnings}


def test_a_stack_may_be_larger_than_a_picture(open_service: Open) -> None:
    client = open_service(max_body_bytes=30_000, max_stack_bytes=120_000)
    assert error_of(post(client, npy(film(2))))["code"] == "too_large"
    assert len(parts(post(client, npy(film(2)), STACK))[0]) == 2
    answer = post(client, npy(film(6)), STACK)
    assert (answer.status_code, error_of(answer)["code"]) == (413, "too_large")
    assert "EMSERVE_MAX_STACK_BYTES" in error_of(answer)["remedy"]


def test_no_room_on_the_disk(
    open_service: Open, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    client = open_service()
    wait_until_loaded(client)
    with monkeypatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
        answer = post(client, npy(film(2)), STACK)
    assert (answer.status_code, error_of(answer)["code"]) == (500, "internal_error")
    assert "TMPDIR" in error_of(answer)["remedy"]
    assert not [record for record in caplog.records if record.exc_info]
    assert len(parts(post(client, npy(film(2)), STACK))[0]) == 2


def test_nothing_stays_on_the_disk(open_service: Open, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    client = open_service()
    wait_until_loaded(client)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for data in (npy(film(2)), BROKEN_AT_2["a frame cut off"][0], b"text", b""):
        post(client, data, STACK)
        assert list(tmp_path.iterdir()) == []
    post(client, npy(film(2)), STACK, gate_px="-1")
    client.post(STACK, files={"file": ("a", b"1"), "image": ("b", npy(film(2)))})
    assert list(tmp_path.iterdir()) == []


def test_an_exception_that_nobody_foresaw_ends_the_film(
    open_service: Open, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    client = open_service()
    wait_until_loaded(client)
    add = StackAnalysis.add

    def fail(self: StackAnalysis, micrograph: Micrograph) -> Any:
        if self.frames == 2:
            raise RuntimeError("secret detail")
        return add(self, micrograph)

    monkeypatch.setattr(StackAnalysis, "add", fail)
    answer = post(client, npy(film(4)), STACK)
    frames, tracks, error = parts(answer)
    assert (len(frames), len(tracks.tracks)) == (2, 3)
    assert error is not None
    assert error.error.code == "internal_error"
    assert answer.headers["x-request-id"] in error.error.remedy
    assert "secret" not in answer.text
    assert len([record for record in caplog.records if record.exc_info]) == 1


# The way of one video


class Reader:
    """Frames of a film, and how many were read; `closed` when nobody wants any more."""

    def __init__(self, count: int, broken: Exception | None = None) -> None:
        self.read = 0
        self.closed = False
        self._count = count
        self._broken = broken

    def __call__(self, path: Path, **options: Any) -> Generator[Micrograph, None, None]:
        try:
            for k in range(self._count):
                self.read += 1
                yield Micrograph(line_pixels(k).astype(np.float32), frames=self._count, frame=k)
            if self._broken is not None:
                raise self._broken
        finally:
            self.closed = True


@pytest.fixture
def course(line_store: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`course(reader, gone)`: the messages for a film."""
    monkeypatch.setenv("EMSERVE_STORE", str(line_store))
    monkeypatch.setenv("EMSERVE_RUNTIME", "fake")

    def start(reader: Reader, gone: Event | None = None, **fields: Any) -> stacks.Messages:
        monkeypatch.setattr(stacks, "read_frames", reader)
        return stacks.messages(
            Path("film"), StackForm(**fields), Models(), limits=Settings(), request_id="r", gone=gone or Event()
        )

    return start


def test_a_frame_is_read_when_the_one_before_is_answered(course: Any) -> None:
    reader = Reader(4)
    made: list[StackMessage] = []
    for message in course(reader):
        made.append(message)
        assert reader.read == min(len(made), 4)
    assert [message.kind for message in made] == ["frame"] * 4 + ["tracks"]
    assert reader.closed


def test_a_film_that_is_given_up_is_closed(course: Any) -> None:
    reader = Reader(4)
    lines = course(reader)
    next(lines)
    lines.close()
    assert (reader.read, reader.closed) == (1, True)


def test_a_frame_that_takes_too_long_ends_the_film(course: Any) -> None:
    reader, late = Reader(4), Event()
    lines = course(reader, late)
    assert isinstance(next(lines), DislocationsFrame)
    late.set()
    tracks, error = lines
    assert isinstance(tracks, DislocationsTracks)
    assert tracks.frames == 1
    assert isinstance(error, StackError)
    assert error.error.code == "deadline_exceeded"
    assert "EMSERVE_TIMEOUT_S" in error.error.remedy
    assert reader.closed


def test_before_the_first_frame_errors_are_raised(course: Any) -> None:
    gone = Event()
    gone.set()
    with pytest.raises(Abandoned):
        next(course(Reader(2), gone))
    broken = UnreadableMicrograph("The film breaks off.", remedy="Send it again.")
    with pytest.raises(UnreadableMicrograph, match="breaks off"):
        next(course(Reader(0, broken)))


def test_the_time_of_a_frame_is_the_files_where_none_is_sent(course: Any) -> None:
    class Timed(Reader):
        def __call__(self, path: Path, **options: Any) -> Generator[Micrograph, None, None]:
            for micrograph in super().__call__(path, **options):
                yield Micrograph(micrograph.pixels, frame_time_s=0.25)

    *frames, tracks = course(Timed(3))
    assert [frame.time_s for frame in frames] == [0, 0.25, 0.5]
    assert tracks.parameters.frame_time_s == 0.25
    assert "frame_time_of_the_file" in {notice.code for notice in tracks.warnings}
    *frames, tracks = course(Timed(3), frame_time_s=0.1)
    assert tracks.parameters.frame_time_s == 0.1
    assert "frame_time_of_the_file" not in {notice.code for notice in tracks.warnings}


# The stream, as a server sees it


class Connection:
    """A request whose answer is read as slowly as is wished: `allow` lets one more message through."""

    def __init__(self, data: bytes) -> None:
        self.uploaded: int | None = None  # bytes before the upload stops; None for all
        request = httpx.Request("POST", f"http://x{STACK}", files={"file": ("film", data)})
        self._body = request.read()
        self._sent = False
        self.scope = {
            "type": "http",
            "method": "POST",
            "path": STACK,
            "query_string": b"",
            "headers": [(name.lower(), value) for name, value in request.headers.raw],
            "state": {"request_id": "r"},
            "scheme": "http",
            "server": ("x", 80),
        }
        self.hung_up = asyncio.Event()
        self.allowed = asyncio.Semaphore(0)
        self.messages: list[Any] = []

    async def receive(self) -> Any:
        if not self._sent:
            self._sent = True
            return {"type": "http.request", "body": self._body[: self.uploaded], "more_body": self.uploaded is not None}
        await self.hung_up.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        self.messages.append(message)
        if message.get("more_body"):
            await self.allowed.acquire()

    @property
    def text(self) -> str:
        return b"".join(message.get("body", b"") for message in self.messages).decode()


async def until(condition: Any) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.005)


def stream(course: Any, reader: Reader, scene: Any, *, timeout_s: float = 60) -> Connection:
    """Runs `scene(connection, pool, task)` beside a stream."""
    course(reader)  # that it reads these frames
    pool = Pool(1, 1, timeout_s)

    async def both() -> Connection:
        connection = Connection(npy(film(1)))
        answer = stacks.Stack(Settings(), Models(), pool)
        task = asyncio.create_task(answer(connection.scope, connection.receive, connection.send))
        await scene(connection, pool, task)
        return connection

    try:
        return asyncio.run(both())
    finally:
        pool.close()


def test_a_slow_reader_stops_the_work_and_memory_with_it(course: Any) -> None:
    reader = Reader(5)

    async def scene(connection: Connection, pool: Pool, task: Any) -> None:
        for k in range(5):
            await until(lambda k=k: len(kinds(connection.text)) == k + 1)
            await asyncio.sleep(0.05)
            assert reader.read == k + 1, "no frame is read before the one before is sent"
            connection.allowed.release()
        connection.allowed.release()
        await task

    connection = stream(course, reader, scene)
    assert kinds(connection.text) == ["frame"] * 5 + ["tracks"]
    assert connection.messages[-1] == {"type": "http.response.body", "body": b""}


def test_a_client_that_goes_away_stops_the_work(course: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    reader = Reader(1000)

    async def scene(connection: Connection, pool: Pool, task: Any) -> None:
        await until(lambda: connection.text)
        assert len(list(tmp_path.iterdir())) == 1
        connection.hung_up.set()
        connection.allowed.release()
        await task
        await until(lambda: reader.closed and pool._taken == 0 and not list(tmp_path.iterdir()))

    stream(course, reader, scene)
    assert reader.read <= 2


def test_a_client_that_goes_away_while_it_uploads(course: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    reader = Reader(3)

    async def scene(connection: Connection, pool: Pool, task: Any) -> None:
        connection.uploaded = 5000
        await until(lambda: list(tmp_path.rglob("upload_*")))
        connection.hung_up.set()
        with pytest.raises(ClientDisconnect):
            await task
        assert (pool._taken, pool._stacks, list(tmp_path.iterdir())) == (0, 0, [])

    stream(course, reader, scene)
    assert reader.read == 0


def test_somebody_who_does_not_read_on_loses_the_place(course: Any) -> None:
    reader = Reader(1000)

    async def scene(connection: Connection, pool: Pool, task: Any) -> None:
        await until(lambda: connection.text)
        pool.timeout_s = 0.05
        connection.allowed.release()
        await until(task.done)
        await until(lambda: reader.closed and pool._taken == 0)

    connection = stream(course, reader, scene)
    assert connection.messages[-1].get("more_body"), "the answer is not ended as if it were whole"
