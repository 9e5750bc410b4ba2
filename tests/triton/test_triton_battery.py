"""Every model of the store through a real Triton, over each way to it: the same outputs as ONNX Runtime in process."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model_store.manifest import sha256
from model_store.store import MODELS, Store
from tests.model_store import test_battery as battery

pytest.importorskip("tritonclient")

WAYS = {
    "grpc": ("grpc", "off"),
    "grpc, shared memory": ("grpc", "on"),
    "http": ("http", "off"),
    "http, shared memory": ("http", "on"),
}
NAMES = [*battery.IN_TESTS, *battery.SHIPPED]


@pytest.fixture(scope="module")
def everything(blob_store: Path, narrow_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The models that ship, as they are, and those of the tests."""
    from export.triton.commands import Choices, write

    folder = tmp_path_factory.mktemp("everything")
    for store in (MODELS, blob_store, narrow_store):
        shutil.copytree(store, folder, dirs_exist_ok=True)
    for name in battery.IN_TESTS:
        write(Store(folder), name, Choices())
    return folder


@pytest.fixture(scope="module")
def server(everything: Path, start_triton: Any) -> Iterator[Any]:
    with start_triton(everything) as running:
        yield running


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", NAMES)
def test_outputs_are_those_of_onnx_runtime(
    name: str, way: str, server: Any, everything: Path, setting: Callable[..., None]
) -> None:
    protocol, shared_memory = WAYS[way]
    setting(URL=f"{protocol}://127.0.0.1:{getattr(server, protocol)}", SHARED_MEMORY=shared_memory)
    store = Store(everything)
    entry = store.manifest(name)
    given, stored = battery.sample(store, name)
    model = store.open(name, runtime="triton")
    found = model.run_named(given)
    here = store.open(name, runtime="onnx").run_named(given)
    for expected in (here, stored):
        assert set(found) == set(expected)
        battery.SAME[entry.family](entry, "fp32", expected, found, given)
    assert {key: value.dtype for key, value in found.items()} == {key: value.dtype for key, value in here.items()}
    assert model._session.sharing.refused == (
        None if shared_memory == "on" else "EMSERVE_TRITON_SHARED_MEMORY is 'off'"
    )


@pytest.mark.parametrize("way", WAYS)
def test_a_picture_without_defects(way: str, server: Any, everything: Path, setting: Callable[..., None]) -> None:
    protocol, shared_memory = WAYS[way]
    setting(URL=f"{protocol}://127.0.0.1:{getattr(server, protocol)}", SHARED_MEMORY=shared_memory)
    image = np.full((1, 64, 96), 128, np.float32)
    found = Store(everything).open("defects_maskrcnn", runtime="triton").run_named({"image": image})
    assert {name: array.shape for name, array in found.items()} == {
        "boxes": (0, 4),
        "scores": (0,),
        "classes": (0,),
        "masks": (0, 28, 28),
    }


def test_outputs_may_be_written_to(server: Any, everything: Path, setting: Callable[..., None]) -> None:
    for protocol in ("grpc", "http"):
        setting(URL=f"{protocol}://127.0.0.1:{getattr(server, protocol)}", SHARED_MEMORY="off")
        output = Store(everything).open("atoms_blobs", runtime="triton").run(np.zeros((1, 1, 40, 40), np.float32))
        assert output.flags.writeable


def test_the_answer_names_server_and_version(server: Any, everything: Path, setting: Callable[..., None]) -> None:
    setting(URL=f"grpc://127.0.0.1:{server.grpc}")
    model = Store(everything).open("atoms_blobs", runtime="triton")
    assert model.info.model_dump() == {
        "name": "atoms_blobs",
        "family": "atoms",
        "version": "1.0.0",
        "sha256": sha256(everything / "atoms_blobs" / "1" / "model.onnx"),
        "runtime": "triton",
        "precision": "fp32",
        "server": "triton 2.51.0",
        "server_model_version": "1",
    }
    assert model.is_elsewhere
    assert model.unready() is None


def test_no_weights_are_needed_on_this_side(
    server: Any, everything: Path, tmp_path: Path, setting: Callable[..., None]
) -> None:
    setting(URL=f"http://127.0.0.1:{server.http}")
    front = tmp_path / "front" / "atoms_blobs"
    front.mkdir(parents=True)
    shutil.copy(everything / "atoms_blobs" / "manifest.yaml", front)
    picture = np.random.default_rng(2).random((1, 1, 40, 48), dtype=np.float32)
    expected = Store(everything).open("atoms_blobs", runtime="onnx").run(picture)
    np.testing.assert_array_equal(Store(front.parent).open("atoms_blobs", runtime="triton").run(picture), expected)
