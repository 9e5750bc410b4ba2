"""What the client's tests share: no setting of the machine's environment reaches them, and a server that is none."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from emserve import AsyncClient, Client, Retries
from emserve.cli import batch, listing, track
from emserve.testing import FakeClock, FakeServer


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("EMSERVE_URL", "EMSERVE_API_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Callable[..., FakeServer]:
    """Make the command talk to a fake server, which is handed out."""

    def connected(*arguments: object, **options: object) -> FakeServer:
        server = FakeServer(*arguments, **options)
        monkeypatch.setattr(batch, "AsyncClient", partial(AsyncClient, transport=server.transport))
        monkeypatch.setattr(listing, "Client", partial(Client, transport=server.transport))
        monkeypatch.setattr(track, "Client", partial(Client, transport=server.transport))
        monkeypatch.setattr(track, "_RETRIES", Retries(clock=FakeClock()))
        monkeypatch.setattr(batch, "_RETRIES", Retries(clock=FakeClock()))
        return server

    return connected


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    """Three micrographs: two the client can read, and one only the server can."""
    from PIL import Image

    Image.fromarray(np.zeros((64, 64), np.uint8)).save(tmp_path / "a.png")
    np.save(tmp_path / "b.npy", np.zeros((64, 64)))
    (tmp_path / "c.dm4").write_bytes(b"a microscope's own")
    return [tmp_path / name for name in ("a.png", "b.npy", "c.dm4")]
