"""The store finds its models, opens them with the best that is there, and refuses weights that changed."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from emserve.exceptions import ChecksumMismatch, MissingDependency, StoreError, UnknownModel
from model_store import manifest, runtimes
from model_store.manifest import PrecisionRule
from model_store.store import Store


@pytest.fixture
def store(blob_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A copy that the test may change, and no settings from outside."""
    for name in ("RUNTIME", "PRECISION", "THREADS", "STORE"):
        monkeypatch.delenv(f"EMSERVE_{name}", raising=False)
    return Store(shutil.copytree(blob_store, tmp_path / "store"))


def rewrite(store: Store, name: str, **changes: object) -> None:
    folder = store.root / name
    if not folder.exists():
        shutil.copytree(store.root / "atoms_blobs", folder)
        path = folder / "manifest.yaml"
        path.write_text(path.read_text().replace("name: atoms_blobs", f"name: {name}"))
    manifest.write(manifest.load(folder).model_copy(update=changes), folder)


def test_answer_names_what_was_opened(store: Store) -> None:
    model = store.open("atoms_blobs", runtime="onnx")
    assert model.info.model_dump(exclude={"sha256"}) == {
        "name": "atoms_blobs",
        "family": "atoms",
        "version": "1.0.0",
        "runtime": "onnx",
        "precision": "fp32",
    }
    assert model.info.sha256 == manifest.sha256(model.folder / "1" / "model.onnx")


def test_changed_weights_are_refused(store: Store) -> None:
    weights = store.root / "atoms_blobs" / "1" / "model.onnx"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(ChecksumMismatch, match="atoms_blobs"):
        store.open("atoms_blobs")


def test_missing_weights_are_an_error_that_names_the_file(store: Store) -> None:
    (store.root / "atoms_blobs" / "1" / "model.onnx").unlink()
    with pytest.raises(StoreError, match=r"no file '1/model\.onnx'"):
        store.open("atoms_blobs")


def test_unknown_model_names_the_known_ones(store: Store) -> None:
    for name in ("atoms_blob", "../atoms_blobs", "", "x" * 100_000):
        with pytest.raises(UnknownModel, match="atoms_blobs") as caught:
            store.open(name)
        assert len(caught.value.message) < 200
    with pytest.raises(UnknownModel, match="no defects model 'atoms_blobs'"):
        store.manifest("atoms_blobs", family="defects")


def test_default_is_the_flagged_or_the_only_one(store: Store) -> None:
    assert store.default("atoms") == "atoms_blobs"
    with pytest.raises(StoreError, match="has no defects model"):
        store.default("defects")
    rewrite(store, "atoms_other", default=False)
    assert Store(store.root).default("atoms") == "atoms_blobs"
    rewrite(store, "atoms_other", default=True)
    with pytest.raises(StoreError, match="2 defaults"):
        Store(store.root).default("atoms")
    rewrite(store, "atoms_other", default=False)
    rewrite(store, "atoms_blobs", default=False)
    with pytest.raises(StoreError, match="0 defaults"):
        Store(store.root).default("atoms")


def test_a_model_is_added_by_its_folder_alone(store: Store) -> None:
    rewrite(store, "atoms_other", default=False)
    assert [entry.name for entry in Store(store.root).manifests("atoms")] == ["atoms_blobs", "atoms_other"]
    assert Store(store.root).manifests("defects") == []


def test_settings_come_from_the_environment(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMSERVE_STORE", str(store.root))
    monkeypatch.setenv("EMSERVE_RUNTIME", "fake")
    assert Store().open("atoms_blobs").info.runtime == "fake"
    assert Store().open("atoms_blobs", runtime="onnx").info.runtime == "onnx"
    monkeypatch.setenv("EMSERVE_PRECISION", "bf16")
    with pytest.raises(StoreError, match="allows: fp32"):
        store.open("atoms_blobs")


@pytest.mark.parametrize("threads", ["0", "-1", "two", "1.5"])
def test_wrong_thread_count_is_an_error(store: Store, monkeypatch: pytest.MonkeyPatch, threads: str) -> None:
    monkeypatch.setenv("EMSERVE_THREADS", threads)
    with pytest.raises(StoreError, match="EMSERVE_THREADS"):
        store.open("atoms_blobs", runtime="onnx")


def test_thread_count_reaches_the_runtime(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    module = runtimes.find("fake")
    monkeypatch.setattr(module, "open_session", lambda file, tensors, precision, threads: asked.append(threads))
    store.open("atoms_blobs", runtime="fake", threads=3)
    monkeypatch.setenv("EMSERVE_THREADS", "5")
    store.open("atoms_blobs", runtime="fake")
    monkeypatch.delenv("EMSERVE_THREADS")
    store.open("atoms_blobs", runtime="fake")
    assert asked == [3, 5, runtimes.processors()]


def test_no_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no folder of models"):
        Store(tmp_path / "nowhere")


def with_bf16(store: Store) -> manifest.Manifest:
    entry = store.manifest("atoms_blobs")
    rule = PrecisionRule(tolerance={"probability": 0.05}, evidence="a test")
    return entry.model_copy(update={"precisions": {**entry.precisions, "bf16": rule}})


@pytest.mark.parametrize(
    ("installed", "bf16_cpu", "allowed", "best"),
    [
        ({"onnx", "openvino", "torchscript"}, True, True, ("openvino", "bf16")),
        ({"onnx", "openvino", "torchscript"}, True, False, ("openvino", "fp32")),
        ({"onnx", "openvino", "torchscript"}, False, True, ("openvino", "fp32")),
        ({"onnx", "torchscript"}, True, True, ("onnx", "fp32")),
    ],
)
def test_the_best_that_is_allowed_and_installed_is_chosen(
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    installed: set[str],
    bf16_cpu: bool,
    allowed: bool,
    best: tuple[str, str],
) -> None:
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    for name in runtimes.names():
        monkeypatch.setattr(runtimes.find(name), "available", lambda name=name: name in installed | {"fake"})
    monkeypatch.setattr(runtimes.find("openvino"), "supports", lambda precision: precision == "fp32" or bf16_cpu)
    entry = with_bf16(store) if allowed else store.manifest("atoms_blobs")
    assert runtimes.choose(entry) == best


def test_the_fake_is_never_chosen_by_itself(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in runtimes.names():
        monkeypatch.setattr(runtimes.find(name), "available", lambda name=name: name == "fake")
    with pytest.raises(StoreError, match="pip install onnxruntime"):
        runtimes.choose(store.manifest("atoms_blobs"))
    with pytest.raises(MissingDependency, match="pip install openvino"):
        runtimes.choose(store.manifest("atoms_blobs"), "openvino")
    with pytest.raises(StoreError, match="fake, onnx, openvino, torchscript"):
        runtimes.choose(store.manifest("atoms_blobs"), "tensorflow")


def test_a_precision_that_the_machine_lacks_is_an_error(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StoreError, match="with onnx in bf16"):
        runtimes.choose(with_bf16(store), "onnx", "bf16")


def test_named_tensors(store: Store) -> None:
    model = store.open("atoms_blobs", runtime="onnx")
    batch = np.zeros((1, 1, 40, 40), np.float32)
    outputs = model.run_named({"micrograph": batch})
    assert list(outputs) == ["probability"]
    np.testing.assert_array_equal(outputs["probability"], model.run(batch))
