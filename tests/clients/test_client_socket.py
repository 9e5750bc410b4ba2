"""The clients on a real socket: a server that answers, is slow, hangs up, or is not there."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

import emserve
from emserve import Client, Retries
from emserve.testing import FakeClock, atoms_result, stack_answer


class Server(ThreadingHTTPServer):
    """Says at `/v1/atoms` what `mood` tells, and counts connections."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.mood = "well"
        self.released = threading.Event()
        self.asked = threading.Event()
        self.received = b""
        self.taken = threading.Semaphore(0)
        self.connections: set[tuple[str, int]] = set()
        self.requests = 0

    def handle_error(self, *_: object) -> None:
        """Clients that have gone are what these tests are about."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self) -> None:
        server = self.server
        server.requests += 1
        server.connections.add(self.client_address)
        server.asked.set()
        if server.mood == "refuses without reading":
            self._answer(413, emserve.TooLarge("The limit is 1 MB.").to_dict())
            self.close_connection = True
            return
        if server.mood == "streams":
            self._stream()
            return
        server.received = self.rfile.read(int(self.headers["Content-Length"]))
        if server.mood == "hangs up":
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
        elif server.mood == "is cut off":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{")
            self.close_connection = True
        else:
            if server.mood == "is slow":
                server.released.wait(60)
            self._answer(200, atoms_result().model_dump(mode="json"))

    def _stream(self) -> None:
        """Counts what comes, and answers frame after frame, the next one when the one before was taken."""
        left = int(self.headers["Content-Length"])
        while left:
            left -= len(self.rfile.read(min(left, 1 << 20)))
        self.send_response(200)
        self.send_header("Content-Type", "application/x-ndjson")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for message in stack_answer(3):
            line = message.model_dump_json().encode() + b"\n"
            self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
            if isinstance(message, emserve.DislocationsFrame) and not self.server.taken.acquire(timeout=10):
                return
        self.wfile.write(b"0\r\n\r\n")

    def _answer(self, status: int, body: dict) -> None:
        import json

        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield server
    server.released.set()
    server.shutdown()
    thread.join()
    server.server_close()


def test_connections_are_kept(server: Server) -> None:
    with Client(server.url) as client:
        for _ in range(3):
            assert client.atoms(np.zeros((256, 256))).statistics.count == 4
    assert server.requests == 3
    assert len(server.connections) == 1
    assert b"\x93NUMPY" in server.received


def test_a_slow_answer(server: Server) -> None:
    server.mood = "is slow"
    with Client(server.url, timeout=0.2) as client, pytest.raises(emserve.DeadlineExceeded, match=r"0\.2 s"):
        client.atoms(b"bytes")


@pytest.mark.parametrize("mood", ["hangs up", "is cut off"])
def test_a_server_that_hangs_up(server: Server, mood: str) -> None:
    server.mood = mood
    with Client(server.url, retries=Retries(clock=FakeClock())) as client:
        with pytest.raises(emserve.Unavailable, match="cut"):
            client.atoms(b"bytes")
        assert server.requests == 2
        server.mood = "well"
        assert client.atoms(b"bytes").statistics.count == 4, "the client still works"


def test_a_refusal_that_comes_before_the_file_was_sent(server: Server, tmp_path: Path) -> None:
    server.mood = "refuses without reading"
    path = tmp_path / "large.tif"
    path.write_bytes(bytes(20_000_000))
    # Whether the refusal or the closed connection is seen first is up to the network; both say what to do.
    with (
        Client(server.url, retries=Retries(clock=FakeClock())) as client,
        pytest.raises((emserve.TooLarge, emserve.Unavailable)) as caught,
    ):
        client.atoms(path)
    assert "limit is 1 MB" in str(caught.value) or "larger than it takes" in str(caught.value)


def test_nobody_there() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with Client(url) as client:
            assert client.ready() is False
            with pytest.raises(emserve.Unavailable, match="make serve"):
                client.models()


@pytest.mark.skipif(os.name == "nt", reason="signals are sent differently there")
def test_an_interruption_is_tidy(server: Server, root: Path, tmp_path: Path) -> None:
    server.mood = "is slow"
    np.save(tmp_path / "a.npy", np.zeros((64, 64)))
    np.save(tmp_path / "b.npy", np.zeros((64, 64)))
    command = subprocess.Popen(
        [sys.executable, "-m", "emserve", "atoms", "a.npy", "b.npy", "--json", "all.json", "--url", server.url],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(root / "clients")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Whoever runs the tests in the background may have it ignored, and a process inherits that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert server.asked.wait(60)
    command.send_signal(signal.SIGINT)
    out, err = command.communicate(timeout=60)
    assert command.returncode == 130
    assert (out, err) == ("", "emserve: interrupted.\n")
    assert (tmp_path / "all.json").read_text() == "[]\n"


@pytest.mark.skipif(os.name == "nt", reason="pipes break differently there")
def test_a_reader_that_goes_away(server: Server, root: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((64, 64)))
    read_end, write_end = os.pipe()
    os.close(read_end)
    done = subprocess.run(
        [sys.executable, "-m", "emserve", "atoms", "a.npy", "--csv", "-", "--url", server.url],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(root / "clients")},
        stdout=write_end,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(write_end)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


def test_frames_arrive_while_the_server_goes_on(server: Server) -> None:
    server.mood = "streams"
    numbers = []
    with Client(server.url) as client, client.dislocations_stack(b"video") as frames:
        for frame in frames:
            numbers.append(frame.number)
            server.taken.release()  # the server waits for it before it sends the next
    assert numbers == [0, 1, 2]
    assert frames.tracks is not None


def test_a_video_is_sent_without_being_held_in_memory(server: Server, tmp_path: Path) -> None:
    server.mood = "streams"
    server.taken.release(9)
    video = tmp_path / "video.avi"
    with video.open("wb") as stream:
        stream.truncate(200_000_000)
    with Client(server.url) as client:
        list(client.dislocations_stack(b"the first call loads what it needs"))
        server.taken.release(9)
        tracemalloc.start()
        try:
            assert len(list(client.dislocations_stack(video))) == 3
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak < 20_000_000
