"""What the tests of the service share: services in process, and pictures whose columns and defects are known."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from bentos.service import build
from bentos.settings import Settings
from tests.bentos.asking import Open, npy

SIZE, PITCH, SIGMA = 256, 18, 3.5


def lattice_pixels() -> np.ndarray:
    """(SIZE, SIZE) float32: Gaussian columns on a square lattice, none within one pitch of the edge."""
    centres = np.arange(PITCH, SIZE - PITCH, PITCH)
    profile = np.exp(-((np.arange(SIZE) - centres[:, None]) ** 2) / (2 * SIGMA**2)).sum(axis=0)
    return (100 + 1000 * np.outer(profile, profile)).astype(np.float32)


@pytest.fixture(scope="session")
def lattice_columns() -> int:
    """How many columns the lattice has."""
    return len(np.arange(PITCH, SIZE - PITCH, PITCH)) ** 2


@pytest.fixture(scope="session")
def lattice_npy() -> bytes:
    """The lattice as a file."""
    return npy(lattice_pixels())


# Of a picture of 256 × 200 px: x, y, full width and height in px, on a bright ground.
DEFECTS = {
    "loop_111": [(60.0, 50.0, 40.0, 30.0), (190.0, 60.0, 50.0, 40.0)],
    "loop_100": [(120.0, 150.0, 70.0, 12.0)],
    "black_dot": [(200.0, 150.0, 12.0, 12.0), (30.0, 160.0, 10.0, 10.0), (125.0, 30.0, 14.0, 14.0)],
}


@pytest.fixture(scope="session")
def defects_npy() -> bytes:
    """Dark ellipses, `DEFECTS`, as a file."""
    y, x = np.mgrid[:200, :256]
    pixels = np.full((200, 256), 200, np.float32)
    for x_px, y_px, width, height in (ellipse for kind in DEFECTS.values() for ellipse in kind):
        pixels[(2 * (x - x_px) / width) ** 2 + (2 * (y - y_px) / height) ** 2 <= 1] = 20
    return npy(pixels)


@pytest.fixture
def open_service(family_store: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """`open_service(queue=2)`: a service with these settings on the operator that needs no weights."""
    monkeypatch.setenv("EMSERVE_STORE", str(family_store))
    monkeypatch.setenv("EMSERVE_RUNTIME", "fake")
    opened: list[TestClient] = []

    def start(**limits: Any) -> TestClient:
        client = TestClient(build(Settings(**limits)).to_asgi())
        opened.append(client.__enter__())
        return client

    yield start
    for client in opened:
        client.__exit__(None, None, None)


@pytest.fixture(scope="module")
def service(family_store: Path) -> Iterator[TestClient]:
    """One service for all the tests that only ask."""
    limits = Settings(max_body_bytes=4_000_000, max_stack_bytes=4_000_000, max_pixels=1_000_000)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMSERVE_STORE", str(family_store))
        patch.setenv("EMSERVE_RUNTIME", "fake")
        with TestClient(build(limits).to_asgi()) as client:
            yield client
