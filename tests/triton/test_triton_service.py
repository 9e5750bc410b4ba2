"""The service in front of a real Triton: load, an outage and its end, without a restart of the service."""

from __future__ import annotations

import io
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from emserve.results import AtomsResult

pytest.importorskip("tritonclient")

LIMIT_S = 40


def lattice() -> bytes:
    """A file with 4 × 4 bright columns."""
    y, x = np.mgrid[:72, :72]
    stream = io.BytesIO()
    np.save(stream, (100 + 1000 * np.cos(np.pi * x / 18) ** 8 * np.cos(np.pi * y / 18) ** 8).astype(np.float32))
    return stream.getvalue()


def ask(url: str) -> httpx.Response:
    with httpx.Client(trust_env=False, timeout=LIMIT_S) as client:
        return client.post(f"{url}/v1/atoms", files={"file": lattice()}, data={"pixel_size_nm": "0.016"})


def status(url: str, path: str) -> int:
    return httpx.get(f"{url}{path}", trust_env=False, timeout=LIMIT_S).status_code


def wait(done: Callable[[], bool]) -> None:
    begin = time.monotonic()
    while not done() and time.monotonic() - begin < LIMIT_S:
        time.sleep(0.1)
    assert done()


def test_the_service_follows_triton(
    blobs: Path, start_triton: Any, start_server: Any, changed: Callable[..., None]
) -> None:
    changed(blobs, "atoms_blobs", queue=1, test_delay_ms=250)
    with (
        start_triton(blobs) as triton,
        start_server(
            EMSERVE_STORE=str(blobs),
            EMSERVE_RUNTIME="triton",
            EMSERVE_TRITON_URL=f"grpc://127.0.0.1:{triton.grpc}",
            EMSERVE_WORKERS="8",
        ) as service,
    ):
        answer = ask(service.url)
        assert answer.status_code == 200, answer.text
        result = AtomsResult.from_json(answer.content)
        assert len(result.columns) >= 9
        assert result.model.runtime == "triton"
        assert result.model.model_extra == {"server": "triton 2.51.0", "server_model_version": "1"}

        with ThreadPoolExecutor(8) as users:
            answers = list(users.map(ask, [service.url] * 8))
            assert {answer.status_code for answer in answers} == {200, 429}
            for busy in (answer for answer in answers if answer.status_code == 429):
                assert int(busy.headers["Retry-After"]) >= 1
                assert busy.json()["error"]["code"] == "busy"
                assert "Triton's queue" in busy.json()["error"]["message"]

            in_flight = [users.submit(ask, service.url) for _ in range(2)]
            time.sleep(0.2)
            triton.kill()
            for future in in_flight:
                gone = future.result(LIMIT_S)
                if gone.status_code != 200:  # one may have been answered just before, or met a full queue
                    assert (gone.status_code, gone.json()["error"]["code"]) in {(503, "unavailable"), (429, "busy")}
        told = ask(service.url)
        assert told.status_code == 503
        assert "Triton" in told.json()["error"]["message"]
        assert told.json()["error"]["remedy"]
        wait(lambda: status(service.url, "/readyz") == 503)
        assert status(service.url, "/livez") == 200

        triton.start()
        wait(lambda: status(service.url, "/readyz") == 200)
        again = ask(service.url)
        assert again.status_code == 200
        assert AtomsResult.from_json(again.content).columns == result.columns
        assert service.process.poll() is None
        assert "Traceback" not in service.log()


def test_the_service_waits_for_a_triton_that_comes_later(blobs: Path, start_triton: Any, open_late: Any) -> None:
    with start_triton(blobs) as triton:
        triton.stop()
        client = open_late(blobs, f"http://127.0.0.1:{triton.http}")
        wait(lambda: "Triton" in client.get("/readyz").text)
        assert client.get("/readyz").status_code == 503
        triton.start()
        wait(lambda: client.get("/readyz").status_code == 200)


def test_the_service_waits_for_the_models_that_it_knows(blobs: Path, start_triton: Any, open_late: Any) -> None:
    """As when both are replaced at once by a release with other weights, and the old Triton is asked first."""
    config = blobs / "atoms_blobs" / "config.pbtxt"
    right = config.read_text()
    (checksum,) = re.findall(r"[0-9a-f]{64}", right)
    config.write_text(right.replace(checksum, 64 * "0"))
    with start_triton(blobs) as triton:
        client = open_late(blobs, f"grpc://127.0.0.1:{triton.grpc}")
        wait(lambda: "checksum 0000" in client.get("/readyz").text)
        assert client.get("/readyz").status_code == 503
        triton.stop()
        config.write_text(right)
        triton.start()
        wait(lambda: client.get("/readyz").status_code == 200)
