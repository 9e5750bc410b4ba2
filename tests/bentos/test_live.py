"""A real server process, spoken to over real sockets."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest

WORKERS, QUEUE, TIMEOUT_S = 1, 3, 60
LIMIT_BYTES = 2_000_000


@pytest.fixture(scope="module")
def server(start_server: Any, blob_store: Path) -> Iterator[Any]:
    """A server with small limits on the operator that needs no weights."""
    with start_server(
        EMSERVE_STORE=str(blob_store),
        EMSERVE_RUNTIME="fake",
        EMSERVE_WORKERS=str(WORKERS),
        EMSERVE_QUEUE=str(QUEUE),
        EMSERVE_TIMEOUT_S=str(TIMEOUT_S),
        EMSERVE_MAX_BODY_BYTES=str(LIMIT_BYTES),
    ) as server:
        yield server


@pytest.fixture
def http(server: Any) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=60, trust_env=False) as client:
        yield client
    assert "Traceback" not in server.log()


def speak(server: Any, *chunks: bytes, more: bool = False, pause_s: float = 0.0) -> socket.socket:
    """A connection on which these bytes were sent; the server may answer before they are all sent."""
    parts = urlsplit(server.url)
    connection = socket.create_connection((parts.hostname, parts.port), timeout=20)
    for chunk in chunks:
        connection.sendall(chunk)
        time.sleep(pause_s)
    return connection


def hear(connection: socket.socket) -> tuple[int, dict[str, str], bytes]:
    """One answer: status, headers, body."""
    stream = connection.makefile("rb")
    status = int(stream.readline().split()[1])
    headers = {}
    while line := stream.readline().strip():
        name, _, value = line.decode().partition(":")
        headers[name.lower()] = value.strip()
    return status, headers, stream.read(int(headers["content-length"]))


def metric(http: httpx.Client, name: str) -> float:
    (value,) = re.findall(rf"^{name} (\S+)$", http.get("/metrics").text, flags=re.MULTILINE)
    return float(value)


def is_idle(http: httpx.Client) -> bool:
    return metric(http, "emserve_queue_waiting") == metric(http, "emserve_queue_running") == 0


def wait_until(condition: Any, limit_s: float = 60) -> None:
    begin = time.monotonic()
    while not condition():
        assert time.monotonic() - begin < limit_s
        time.sleep(0.05)


def test_binds_to_this_machine_only(server: Any) -> None:
    assert server.url.startswith("http://127.0.0.1:")


def test_announced_body_over_the_limit_is_refused_unread(server: Any, http: httpx.Client, lattice_npy: bytes) -> None:
    head = b"POST /v1/atoms HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\n"
    connection = speak(server, head + b"Content-Length: 999999999999\r\n\r\n")
    status, _, body = hear(connection)
    assert (status, json.loads(body)["error"]["code"]) == (413, "too_large")
    connection.close()
    assert http.post("/v1/atoms", files={"file": ("a.npy", lattice_npy)}).status_code == 200


def test_body_that_grows_over_the_limit_is_refused_and_the_connection_lives(server: Any, http: httpx.Client) -> None:
    head = (
        b"POST /v1/atoms HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n"
    )
    part = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    chunk = b"10000\r\n" + bytes(0x10000) + b"\r\n"
    first = b"%x\r\n%s\r\n" % (len(part), part)
    connection = speak(server, head, first, *[chunk] * (LIMIT_BYTES // 0x10000 + 5))
    status, _, body = hear(connection)
    assert (status, json.loads(body)["error"]["code"]) == (413, "too_large")
    connection.sendall(b"0\r\n\r\nGET /v1/models HTTP/1.1\r\nHost: x\r\n\r\n")
    assert hear(connection)[0] == 200
    connection.close()


def test_a_client_that_hangs_up_while_it_uploads(server: Any, http: httpx.Client, lattice_npy: bytes) -> None:
    head = b"POST /v1/atoms HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\n"
    for _ in range(WORKERS + QUEUE + 2):  # more than there are places: each must come free again
        speak(server, head + b"Content-Length: 100000\r\n\r\n--b\r\n").close()
    wait_until(lambda: http.post("/v1/atoms", files={"file": ("a.npy", lattice_npy)}).status_code == 200)


def slow_picture() -> bytes:
    """A picture that the operator needs a second or so for."""
    import io

    stream = io.BytesIO()
    np.save(stream, np.random.default_rng(0).integers(0, 255, (1400, 1400), dtype=np.uint8))
    return stream.getvalue()


def test_queued_work_of_a_client_that_hangs_up_is_dropped(server: Any, http: httpx.Client, lattice_npy: bytes) -> None:
    done = metric(http, 'emserve_pixels_total{family="atoms",model="atoms_blobs"}')
    body = httpx.Request("POST", f"{server.url}/v1/atoms", files={"file": ("a.npy", slow_picture())})
    head = f"POST /v1/atoms HTTP/1.1\r\nHost: x\r\nContent-Type: {body.headers['content-type']}\r\n"
    raw = head.encode() + b"Content-Length: %d\r\n\r\n" % len(body.read()) + body.read()
    connections = [speak(server, raw) for _ in range(WORKERS + QUEUE)]
    wait_until(lambda: metric(http, "emserve_queue_waiting") == QUEUE)
    for connection in connections:
        connection.close()
    wait_until(lambda: metric(http, "emserve_queue_waiting") == 0)
    wait_until(lambda: is_idle(http))
    analysed = metric(http, 'emserve_pixels_total{family="atoms",model="atoms_blobs"}') - done
    assert analysed <= WORKERS * 1400 * 1400, "what waited was not begun"
    assert http.post("/v1/atoms", files={"file": ("a.npy", lattice_npy)}).status_code == 200


def test_64_requests_at_once(server: Any, http: httpx.Client, lattice_npy: bytes, lattice_columns: int) -> None:
    """Some are answered, and rightly; the others are told when to come again; nothing else happens."""
    wait_until(lambda: is_idle(http))
    begin = threading.Barrier(64)

    def one(_: int) -> httpx.Response:
        with httpx.Client(base_url=server.url, timeout=60, trust_env=False) as client:
            begin.wait()
            return client.post("/v1/atoms", files={"file": ("a.npy", lattice_npy)}, data={"pixel_size_nm": "0.016"})

    with ThreadPoolExecutor(64) as pool:
        answers = list(pool.map(one, range(64)))
    assert {answer.status_code for answer in answers} == {200, 429}
    for answer in answers:
        if answer.status_code == 200:
            assert answer.json()["statistics"]["count"] == lattice_columns
        else:
            assert answer.json()["error"]["code"] == "busy"
            assert 1 <= int(answer.headers["retry-after"]) <= 60
    wait_until(lambda: is_idle(http))
    assert http.post("/v1/atoms", files={"file": ("a.npy", lattice_npy)}).status_code == 200


def test_told_to_end_it_answers_what_it_has_accepted(start_server: Any, blob_store: Path) -> None:
    """SIGTERM while one picture is analysed and others wait: all of them are answered, and then the process ends."""
    settings = {"EMSERVE_STORE": str(blob_store), "EMSERVE_RUNTIME": "fake"}
    with start_server(**settings, EMSERVE_WORKERS=str(WORKERS), EMSERVE_QUEUE=str(QUEUE)) as server:
        picture = slow_picture()

        def one(_: int) -> int:
            return httpx.post(
                f"{server.url}/v1/atoms", files={"file": ("a.npy", picture)}, timeout=120, trust_env=False
            ).status_code

        with (
            httpx.Client(base_url=server.url, timeout=60, trust_env=False) as http,
            ThreadPoolExecutor(WORKERS + QUEUE) as pool,
        ):
            answers = pool.map(one, range(WORKERS + QUEUE))
            wait_until(lambda: metric(http, "emserve_queue_waiting") == QUEUE)
            server.process.terminate()
            assert list(answers) == [200] * (WORKERS + QUEUE)
        assert server.process.wait(60) == 0
