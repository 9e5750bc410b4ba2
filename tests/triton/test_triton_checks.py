"""What a server serves has to be what the manifest describes; and what is done where memory cannot be shared."""

from __future__ import annotations

import gc
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import numpy as np
import pytest

from emserve.exceptions import ChecksumMismatch, InternalError, StoreError, Unavailable
from model_store.request import REQUEST_ID
from model_store.runtimes.triton.caller import Caller, Sharing
from model_store.runtimes.triton.connection import unregister
from model_store.runtimes.triton.settings import from_environment
from model_store.store import Store

pytest.importorskip("tritonclient")

from export.triton.validation import problems
from tests.export.triton.test_triton_configurations import FAULTS


@pytest.fixture(scope="module")
def served(blob_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from export.triton.commands import Choices, write

    folder = shutil.copytree(blob_store, tmp_path_factory.mktemp("served") / "store")
    write(Store(folder), "atoms_blobs", Choices())
    return folder


@pytest.fixture(scope="module")
def server(served: Path, start_triton: Any) -> Iterator[Any]:
    with start_triton(served) as running:
        yield running


@pytest.fixture(params=["grpc", "http"])
def url(request: pytest.FixtureRequest, server: Any, setting: Callable[..., None]) -> str:
    """The address, also set."""
    place = f"{request.param}://127.0.0.1:{getattr(server, request.param)}"
    setting(URL=place)
    return place


@pytest.mark.parametrize(
    ("old", "new", "error", "says"),
    [
        ("sha256: ", "sha256: 0000", ChecksumMismatch, "have the checksum .*…, the manifest says 0000"),
        ("name: micrograph", "name: picture", StoreError, "has the inputs .*'micrograph'.*says .*'picture'"),
        (
            "name: probability\n    dtype: float32\n    shape: [-1, 1",
            "name: probability\n    dtype: float32\n    shape: [-1, 2",
            StoreError,
            "has the outputs",
        ),
        ("path: 1/", "path: 2/", Unavailable, "does not serve|has not loaded"),
        ("name: atoms_blobs", "name: atoms_other", Unavailable, "atoms_other"),
    ],
    ids=["weights", "name of an input", "shape of an output", "version", "model"],
)
def test_another_model_is_refused(
    url: str, served: Path, tmp_path: Path, old: str, new: str, error: type[Exception], says: str
) -> None:
    text = (served / "atoms_blobs" / "manifest.yaml").read_text()
    assert old in text
    changed = text.replace(old, new, 1)
    if old == "sha256: ":  # of the same length
        at = changed.index(new) + len("sha256: ")
        changed = changed[: at + 64] + changed[at + 68 :]
    name = "atoms_other" if "atoms_other" in new else "atoms_blobs"
    (tmp_path / name).mkdir()
    (tmp_path / name / "manifest.yaml").write_text(changed)
    with pytest.raises(error, match=says) as caught:
        Store(tmp_path).open(name, runtime="triton")
    assert caught.value.remedy  # type: ignore[attr-defined]


def test_a_proxy_is_not_asked_for_this_host(url: str, served: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("grpc_proxy", "https_proxy", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # where nobody listens
    for name in ("no_grpc_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    assert Store(served).open("atoms_blobs", runtime="triton").run(np.zeros((1, 1, 40, 40), np.float32)).shape[0] == 1


def test_no_room_in_shared_memory_means_messages(
    url: str, served: Path, monkeypatch: pytest.MonkeyPatch, setting: Callable[..., None]
) -> None:
    def full(size: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("model_store.runtimes.triton.caller.Region", full)
    model = Store(served).open("atoms_blobs", runtime="triton")
    picture = np.random.default_rng(3).random((3, 1, 40, 48), dtype=np.float32)
    np.testing.assert_array_equal(model.run(picture), Store(served).open("atoms_blobs", runtime="onnx").run(picture))
    assert "No space left" in model._session.sharing.refused  # type: ignore[attr-defined]


def test_a_server_that_does_not_see_the_memory_means_messages(
    url: str, served: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As behind a forwarded port, or in another container."""
    from model_store.runtimes.triton import memory

    class Elsewhere(memory.Region):
        def __init__(self, size: int) -> None:
            super().__init__(size)
            self.key = "/emserve-of-another-host"

    monkeypatch.setattr("model_store.runtimes.triton.caller.Region", Elsewhere)
    model = Store(served).open("atoms_blobs", runtime="triton")
    picture = np.random.default_rng(4).random((1, 1, 40, 48), dtype=np.float32)
    np.testing.assert_array_equal(model.run(picture), Store(served).open("atoms_blobs", runtime="onnx").run(picture))
    assert "shared memory" in model._session.sharing.refused  # type: ignore[attr-defined]


def test_larger_pictures_get_larger_memory(url: str, served: Path) -> None:
    model, here = (Store(served).open("atoms_blobs", runtime=name) for name in ("triton", "onnx"))
    for side in (48, 640, 56):
        picture = np.random.default_rng(side).random((1, 1, side, 640), dtype=np.float32)
        np.testing.assert_array_equal(model.run(picture), here.run(picture))
    assert model._session.sharing.refused is None  # type: ignore[attr-defined]


def test_the_request_id_travels_along(url: str, served: Path) -> None:
    model = Store(served).open("atoms_blobs", runtime="triton")
    token = REQUEST_ID.set("who-asked-4711")
    try:
        with pytest.raises(InternalError, match="request id: who-asked-4711"):
            model.run(np.zeros((2, 3, 40, 40), np.float32))  # three channels: refused
    finally:
        REQUEST_ID.reset(token)


def test_shared_memory_is_given_back(url: str, served: Path, server: Any) -> None:
    """Its name is gone as soon as the server knows it, and the server forgets it with the model."""
    files, regions = set(Path("/dev/shm").glob("psm_*")), server.regions()
    model = Store(served).open("atoms_blobs", runtime="triton")
    model.run(np.zeros((1, 1, 40, 40), np.float32))
    assert len(server.regions() - regions) == 1
    assert set(Path("/dev/shm").glob("psm_*")) <= files
    del model
    gc.collect()
    assert server.regions() <= regions


def test_memory_that_may_still_be_written_to_is_left_to_the_server(url: str, served: Path, server: Any) -> None:
    regions = server.regions()
    sharing, settings = Sharing(from_environment()), from_environment()
    caller = Caller(settings, sharing)
    picture = {"micrograph": np.zeros((1, 1, 40, 40), np.float32)}
    caller.infer("atoms_blobs", "1", picture, ["probability"], maps={}, seconds=30, request_id="")
    (name,) = server.regions() - regions
    caller.abandon()
    del caller
    gc.collect()
    assert name in server.regions()
    unregister(settings, name)
    assert name not in server.regions()


@pytest.mark.parametrize(
    "fault",
    ["unknown key", "name", "dims", "no type", "preferred size", "batch of the warm-up"],
)
def test_triton_refuses_what_the_validator_refuses(fault: str, loading: Any, blobs: Path, tmp_path: Path) -> None:
    """Those faults that are found before a backend sees the model; our adapter would not find the others."""
    server, repository = loading
    name = f"atoms_{fault.replace(' ', '_').replace('-', '_')}"
    FAULTS[fault][0](blobs / "atoms_blobs")
    assert problems(blobs / "atoms_blobs")
    config = blobs / "atoms_blobs" / "config.pbtxt"
    config.write_text(config.read_text().replace('"atoms_blobs"', f'"{name}"'))
    shutil.copytree(blobs / "atoms_blobs", repository / name)
    with pytest.raises(HTTPError) as caught:
        server.load(name)
    assert name in caught.value.read().decode()


def test_triton_loads_what_the_validator_lets_pass(loading: Any, blobs: Path) -> None:
    server, repository = loading
    assert problems(blobs / "atoms_blobs") == []
    shutil.copytree(blobs / "atoms_blobs", repository / "atoms_blobs")
    server.load("atoms_blobs")
    assert server.ready("atoms_blobs")


@pytest.fixture(scope="module")
def loading(start_triton: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A server that loads what it is told to, and the folder where it looks for it."""
    repository = tmp_path_factory.mktemp("repository")
    with start_triton(repository, "--model-control-mode=explicit") as server:
        yield server, repository
