"""Real Triton servers, and stores for them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.triton.triton_server import TritonServer, environment

StartTriton = Callable[..., AbstractContextManager[TritonServer]]


@pytest.fixture(scope="session")
def start_triton(root: Path, tmp_path_factory: pytest.TempPathFactory) -> StartTriton:
    """`with start_triton(store, "--option") as server:`, ready when it begins; skipped where there is no server."""
    packages = environment(root)
    if packages is None:
        pytest.skip(
            "no Triton server here: `make .venv-triton/.ready` installs one (Linux on x86-64, a Python with libpython)"
        )
    pytest.importorskip("tritonclient")

    @contextmanager
    def start(store: Path, *options: str, python: Path | None = None) -> Iterator[TritonServer]:
        work = tmp_path_factory.mktemp("triton")
        server = TritonServer(packages, store, work, *options, python=python)
        try:
            server.start()
            yield server
        finally:
            server.stop()

    return start


@pytest.fixture
def setting(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """`setting(URL="grpc://…", TILES=4)` sets EMSERVE_TRITON_…; those of the outside are taken away."""
    for name in ("RUNTIME", "PRECISION", "STORE", "TRITON_URL", "TRITON_TIMEOUT_S", "TRITON_TILES"):
        monkeypatch.delenv(f"EMSERVE_{name}", raising=False)

    def change(**values: object) -> None:
        for name, value in values.items():
            monkeypatch.setenv(f"EMSERVE_TRITON_{name}", str(value))

    return change


@pytest.fixture
def blobs(blob_store: Path, tmp_path: Path) -> Path:
    """A store with `atoms_blobs`, ready for Triton, that the test may change."""
    from export.triton.commands import Choices, write
    from model_store.store import Store

    store = shutil.copytree(blob_store, tmp_path / "store")
    write(Store(store), "atoms_blobs", Choices())
    return store


def reconfigure(store: Path, name: str, *, queue: int | None = None, **parameters: object) -> None:
    """Changes a configuration as a test needs it: the size of the queue, and parameters of the adapter."""
    from google.protobuf import text_format
    from tritonclient.grpc import model_config_pb2 as pb

    path = store / name / "config.pbtxt"
    config = text_format.Parse(path.read_text(), pb.ModelConfig())
    if queue is not None:
        config.dynamic_batching.default_queue_policy.max_queue_size = queue
    for key, value in parameters.items():
        config.parameters[key].string_value = str(value)
    path.write_text(text_format.MessageToString(config))


@pytest.fixture(scope="session")
def changed() -> Callable[..., None]:
    """`changed(store, name, queue=1, test_delay_ms=100)`."""
    return reconfigure


@pytest.fixture
def open_late(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path, str], Any]]:
    """`open_late(store, url)`: a service in this process in front of a Triton that may not be there yet."""
    from starlette.testclient import TestClient

    from bentos.service import build
    from bentos.settings import Settings

    with ExitStack() as opened:

        def open_service(store: Path, url: str) -> TestClient:
            monkeypatch.setenv("EMSERVE_STORE", str(store))
            monkeypatch.setenv("EMSERVE_RUNTIME", "triton")
            monkeypatch.setenv("EMSERVE_TRITON_URL", url)
            return opened.enter_context(TestClient(build(Settings()).to_asgi(), raise_server_exceptions=False))

        yield open_service
