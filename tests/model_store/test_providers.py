"""ONNX Runtime's providers: which are asked for, with what, and what is said where they are not there.

No GPU is needed: what ONNX Runtime was built with and what it got are told to the functions.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from emserve.exceptions import StoreError
from model_store import providers
from model_store.runtimes import onnx
from model_store.store import Store

TENSORRT, CUDA, CPU = "TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"
GPU_BUILD = [TENSORRT, CUDA, CPU]


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    (tmp_path / "model.onnx").write_bytes(b"weights")
    return tmp_path / "model.onnx"


@pytest.fixture(autouse=True)
def unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EMSERVE_PROVIDERS", raising=False)
    monkeypatch.delenv("EMSERVE_ENGINE_CACHE", raising=False)


def names(chosen: list[providers.Provider]) -> list[str]:
    return [name for name, _ in chosen]


def test_without_a_setting_cuda_comes_before_the_cpu_and_tensorrt_is_not_asked_for(weights: Path) -> None:
    assert names(providers.choose(GPU_BUILD, weights)) == [CUDA, CPU]
    assert names(providers.choose([CPU], weights)) == [CPU]


@pytest.mark.parametrize(
    ("setting", "expected"),
    [("tensorrt,cuda,cpu", GPU_BUILD), (" cpu , cuda ", [CPU, CUDA]), ("cuda", [CUDA]), ("tensorrt", [TENSORRT])],
)
def test_the_setting_gives_the_order(
    setting: str, expected: list[str], weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMSERVE_PROVIDERS", setting)
    assert names(providers.choose(GPU_BUILD, weights)) == expected


def test_what_this_build_has_not_is_left_out_and_said(
    weights: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("EMSERVE_PROVIDERS", "tensorrt,cuda,cpu")
    with caplog.at_level(logging.WARNING, "emserve.models"):
        assert names(providers.choose([CPU], weights)) == [CPU]
    assert "tensorrt is left out" in caplog.text
    assert "cuda is left out" in caplog.text


@pytest.mark.parametrize("setting", ["gpu", "cuda;cpu", ","])
def test_an_unknown_provider_is_refused(setting: str, weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMSERVE_PROVIDERS", setting)
    with pytest.raises(StoreError, match="EMSERVE_PROVIDERS"):
        providers.choose(GPU_BUILD, weights)


def test_a_gpu_that_is_a_must_is_no_cpu_instead(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMSERVE_PROVIDERS", "cuda")
    with pytest.raises(StoreError, match="none of the wanted"):
        providers.choose([CPU], weights)
    with pytest.raises(StoreError, match="could not use cuda"):
        providers.check(providers.choose(GPU_BUILD, weights), [CPU])


def test_a_gpu_that_was_lost_is_said(
    weights: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("EMSERVE_PROVIDERS", "tensorrt,cuda,cpu")
    asked = providers.choose(GPU_BUILD, weights)
    with caplog.at_level(logging.WARNING, "emserve.models"):
        assert providers.check(asked, [CUDA, CPU]) == "cuda"
        assert providers.check(asked, [CPU]) == "cpu"
    assert "running on cuda: ONNX Runtime could not use tensorrt" in caplog.text
    assert "running on cpu: ONNX Runtime could not use tensorrt, cuda" in caplog.text
    caplog.clear()
    assert providers.check(asked, GPU_BUILD) == "tensorrt"
    assert not caplog.records


def test_cuda_computes_in_full_single_precision(weights: Path) -> None:
    assert dict(providers.choose(GPU_BUILD, weights))[CUDA]["use_tf32"] == "0"


def test_engines_are_kept_by_the_checksum_of_the_weights(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMSERVE_PROVIDERS", "tensorrt")
    assert dict(providers.choose(GPU_BUILD, weights))[TENSORRT] == {}
    monkeypatch.setenv("EMSERVE_ENGINE_CACHE", str(tmp_path / "cache"))
    options = dict(providers.choose(GPU_BUILD, weights))[TENSORRT]
    assert options["trt_engine_cache_enable"] == "1"
    folder = Path(options["trt_engine_cache_path"])
    assert folder.is_dir()
    assert folder.parent == tmp_path / "cache"
    weights.write_bytes(b"other weights")
    assert Path(dict(providers.choose(GPU_BUILD, weights))[TENSORRT]["trt_engine_cache_path"]) != folder


def test_a_cache_that_cannot_be_written_costs_only_time(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("EMSERVE_PROVIDERS", "tensorrt")
    monkeypatch.setenv("EMSERVE_ENGINE_CACHE", str(tmp_path / "file"))
    with caplog.at_level(logging.WARNING, "emserve.models"):
        assert dict(providers.choose(GPU_BUILD, weights))[TENSORRT] == {}
    assert "keeps no engines" in caplog.text


def test_a_session_is_opened_with_the_chosen_providers(blob_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine with a GPU: another module takes onnxruntime's place and takes down what it gets."""
    opened: dict[str, Any] = {}

    class FakeSession:
        def __init__(self, file: Path, options: Any, providers: list[Any]) -> None:
            opened["providers"] = providers

        def get_providers(self) -> list[str]:
            return [name for name, _ in opened["providers"]]

        def run(self, outputs: list[str], inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
            return [np.zeros_like(inputs["micrograph"])]

    class Options(SimpleNamespace):
        def add_session_config_entry(self, name: str, value: str) -> None: ...

    fake = SimpleNamespace(
        SessionOptions=Options,
        InferenceSession=FakeSession,
        get_available_providers=lambda: GPU_BUILD,
        preload_dlls=lambda: opened.update(preloaded=True),
    )
    monkeypatch.setitem(sys.modules, "onnxruntime", fake)
    monkeypatch.setenv("EMSERVE_PROVIDERS", "tensorrt,cuda,cpu")
    manifest = Store(blob_store).manifest("atoms_blobs")
    session = onnx.open_session(blob_store / "atoms_blobs" / "1" / "model.onnx", manifest.tensors, "fp32", 1)
    assert session.run([np.zeros((1, 1, 8, 8), np.float32)])[0].shape == (1, 1, 8, 8)
    assert names(opened["providers"]) == GPU_BUILD
    assert opened["preloaded"], "CUDA's libraries lie in packages of their own"
