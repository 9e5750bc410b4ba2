"""The settings of the runtime `triton`, and what it says where no server is."""

from __future__ import annotations

import socket
from pathlib import Path

import numpy as np
import pytest

from emserve.exceptions import StoreError, Unavailable
from model_store import runtimes
from model_store.runtimes.triton.memory import Region
from model_store.runtimes.triton.settings import from_environment
from model_store.store import Store


@pytest.fixture(autouse=True)
def url(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TIMEOUT_S", "TILES", "SHARED_MEMORY"):
        monkeypatch.delenv(f"EMSERVE_TRITON_{name}", raising=False)
    monkeypatch.setenv("EMSERVE_TRITON_URL", "grpc://triton.example:8001")


def test_defaults() -> None:
    settings = from_environment()
    assert (settings.protocol, settings.place, settings.url) == (
        "grpc",
        "triton.example:8001",
        "grpc://triton.example:8001",
    )
    assert (settings.timeout_s, settings.tiles, settings.shared_memory) == (60.0, 8, "auto")


@pytest.mark.parametrize(
    ("given", "place", "is_here"),
    [
        ("http://127.0.0.1:8000", "127.0.0.1:8000", True),
        ("http://127.0.0.1:8000/", "127.0.0.1:8000", True),
        ("grpc://[::1]:8001", "[::1]:8001", True),
        ("grpc://localhost:8001", "localhost:8001", True),
        ("grpc://10.0.0.7:8001", "10.0.0.7:8001", False),
        ("grpc://localhost.example:8001", "localhost.example:8001", False),
    ],
)
def test_addresses(given: str, place: str, is_here: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMSERVE_TRITON_URL", given)
    settings = from_environment()
    assert (settings.place, settings.on_this_host) == (place, is_here)


@pytest.mark.parametrize(
    ("name", "value", "remedy"),
    [
        ("URL", "", "grpc://HOST:8001"),
        ("URL", "triton:8001", "grpc://HOST:8001"),
        ("URL", "ftp://triton:8001", "grpc://HOST:8001"),
        ("URL", "grpc://triton", "host and port"),
        ("URL", "http://user:word@triton:8000", "host and port"),
        ("TIMEOUT_S", "0", "number above 0"),
        ("TIMEOUT_S", "nan", "number above 0"),
        ("TIMEOUT_S", "soon", "at most 3600"),
        ("TILES", "1.5", "whole number above 0"),
        ("TILES", "-1", "whole number above 0"),
        ("SHARED_MEMORY", "yes", "auto, on or off"),
    ],
)
def test_a_wrong_setting_is_named(name: str, value: str, remedy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"EMSERVE_TRITON_{name}", value)
    with pytest.raises(StoreError) as caught:
        from_environment()
    assert caught.value.field == f"EMSERVE_TRITON_{name}"
    assert remedy in caught.value.remedy


def test_it_is_never_taken_by_itself(blob_store: Path) -> None:
    assert runtimes.find("triton").rank("fp32") == 0
    assert runtimes.choose(Store(blob_store).manifest("atoms_blobs"))[0] != "triton"


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_no_server_is_unavailable(protocol: str, blob_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tritonclient")
    with socket.socket() as nobody:  # bound, and nobody listens
        nobody.bind(("127.0.0.1", 0))
        place = f"{protocol}://127.0.0.1:{nobody.getsockname()[1]}"
        monkeypatch.setenv("EMSERVE_TRITON_URL", place)
        with pytest.raises(Unavailable, match="does not answer") as caught:
            Store(blob_store).open("atoms_blobs", runtime="triton")
    assert place in caught.value.message
    assert (caught.value.status, bool(caught.value.remedy)) == (503, True)


def test_pieces_of_a_region_do_not_overlap() -> None:
    region = Region(1 << 16)
    try:
        arrays = [np.arange(n, dtype=np.float32) + n for n in (3, 100, 17)]
        places = [region.put(array) for array in arrays]
        assert all(place % 64 == 0 for place in places)
        for place, array in zip(places, arrays, strict=True):
            np.testing.assert_array_equal(region.get(place, array.shape, "float32"), array)
        kept = region.get(places[0], [3], "float32")
        region.clear()
        region.put(np.zeros(3, np.float32))
        np.testing.assert_array_equal(kept, arrays[0], "a copy: the next request writes over the region")
    finally:
        region.forget_name()
        region.close()


def test_a_region_for_which_there_is_no_room_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full)
    before = set(Path("/dev/shm").iterdir())
    with pytest.raises(OSError, match="No space left"):
        Region(4096)
    assert not [path for path in set(Path("/dev/shm").iterdir()) - before if path.name.startswith("psm_")]
