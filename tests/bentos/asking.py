"""What the tests of the service ask with: uploads, and what an error has to look like."""

from __future__ import annotations

import io
from collections.abc import Callable
from threading import Event
from typing import Any

import numpy as np
from PIL import Image
from starlette.testclient import TestClient

Open = Callable[..., TestClient]


def post(client: TestClient, data: bytes, path: str = "/v1/atoms", **fields: str) -> Any:
    return client.post(path, files={"file": ("micrograph", data)}, data=fields)


def error_of(answer: Any) -> dict[str, Any]:
    assert set(answer.json()) == {"error"}
    error: dict[str, Any] = answer.json()["error"]
    assert set(error) == {"code", "message", "remedy", "field"}
    assert error["message"]
    assert error["remedy"]
    return error


def npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def png(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(array).save(stream, "PNG")
    return stream.getvalue()


def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (64, 64), dtype=np.uint8)


def huge_png() -> bytes:
    """A PNG whose header says 30,000 × 30,000."""
    import struct
    import zlib

    head = b"IHDR" + struct.pack(">IIBBBBB", 30_000, 30_000, 8, 0, 0, 0, 0)
    data = b"IDAT" + zlib.compress(bytes(30_001))
    chunks = [head, data, b"IEND"]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) for chunk in chunks
    )


def wait_until_loaded(client: TestClient) -> Any:
    """The answer of /readyz when the models are loaded, or when it is known that they cannot be."""
    for _ in range(1000):
        answer = client.get("/readyz")
        if "being loaded" not in answer.text:
            return answer
        Event().wait(0.02)
    return answer
