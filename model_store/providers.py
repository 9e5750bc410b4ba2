"""Which execution providers ONNX Runtime runs a network on: NVIDIA's TensorRT and CUDA where they are, else the CPU.

EMSERVE_PROVIDERS: comma-separated, the most wanted first; without it, `cuda,cpu`. One that is not there is left out,
and the log says why; where `cpu` is not named and none of the others is there, that is an error. EMSERVE_ENGINE_CACHE:
a folder where TensorRT keeps the engines that it builds, each of which takes it minutes; without it, and where it
cannot be written, they are built at every start.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from emserve.exceptions import StoreError
from model_store.manifest import sha256

log = logging.getLogger("emserve.models")

NAMES = {"tensorrt": "TensorrtExecutionProvider", "cuda": "CUDAExecutionProvider", "cpu": "CPUExecutionProvider"}
DEFAULT = "cuda,cpu"

Provider = tuple[str, dict[str, str]]


def wanted() -> list[str]:
    """The names of EMSERVE_PROVIDERS; raises StoreError for one that is not known."""
    names = [word.strip() for word in (os.environ.get("EMSERVE_PROVIDERS") or DEFAULT).split(",") if word.strip()]
    unknown = [name for name in names if name not in NAMES]
    if unknown or not names:
        raise StoreError(
            f"EMSERVE_PROVIDERS is '{os.environ.get('EMSERVE_PROVIDERS')}'.",
            remedy=f"Use {', '.join(NAMES)}, with commas between them, or leave it unset.",
            field="EMSERVE_PROVIDERS",
        )
    return names


def choose(available: Sequence[str], file: Path) -> list[Provider]:
    """The providers for a weight file with their options, the most wanted first.

    available: what `onnxruntime.get_available_providers()` says, that is, what it was built with.

    Raises StoreError where none of the wanted ones is there.
    """
    names = wanted()
    found: list[Provider] = []
    for name in names:
        if NAMES[name] in available:
            found.append((NAMES[name], _options(name, file)))
        elif os.environ.get("EMSERVE_PROVIDERS"):
            log.warning("%s is left out: this build of onnxruntime has no %s", name, NAMES[name])
    if not found:
        raise StoreError(
            f"This build of onnxruntime has none of the wanted providers: {', '.join(names)}.",
            remedy="Use the image for GPUs, or add cpu to EMSERVE_PROVIDERS.",
            field="EMSERVE_PROVIDERS",
        )
    return found


def check(asked: Sequence[Provider], got: Sequence[str]) -> str:
    """The provider that a session really has first, by our name.

    ONNX Runtime goes on without a provider whose libraries or whose GPU it does not find. That is logged, and, where
    EMSERVE_PROVIDERS names no `cpu`, raised as StoreError.
    """
    lost = [provider for provider, _ in asked if provider not in got]
    ours = {provider: name for name, provider in NAMES.items()}
    first = ours.get(got[0], got[0])
    if lost:
        told = ", ".join(ours[provider] for provider in lost)
        if NAMES["cpu"] not in [provider for provider, _ in asked] and first == "cpu":
            raise StoreError(
                f"ONNX Runtime could not use {told}: no GPU, no driver, or a library of another version.",
                remedy="Look into the log above, give the container a GPU, or add cpu to EMSERVE_PROVIDERS.",
                field="EMSERVE_PROVIDERS",
            )
        log.warning("running on %s: ONNX Runtime could not use %s (no GPU, no driver or library)", first, told)
    return first


def _options(name: str, file: Path) -> dict[str, str]:
    if name == "cuda":
        return {"use_tf32": "0"}  # fp32 is what the manifest's tolerance is of; TF32 has 10 bits
    if name != "tensorrt":
        return {}
    folder = _engines(file)
    if folder is None:
        return {}
    return {
        "trt_engine_cache_enable": "1",
        "trt_engine_cache_path": str(folder),
        "trt_timing_cache_enable": "1",
        "trt_timing_cache_path": str(folder),
    }


def _engines(file: Path) -> Path | None:
    """Where the engines of a weight file are kept: by its checksum, as TensorRT itself does not look at the weights."""
    cache = os.environ.get("EMSERVE_ENGINE_CACHE")
    if not cache:
        return None
    folder = Path(cache) / sha256(file)[:16]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        log.warning("TensorRT keeps no engines: %s: %s", folder, error.strerror)
        return None
    if not os.access(folder, os.W_OK):
        log.warning("TensorRT keeps no engines: %s cannot be written", folder)
        return None
    return folder


def preload(runtime: Any) -> None:
    """Loads CUDA and cuDNN from the packages that bring them, where this build of onnxruntime needs them."""
    if NAMES["cuda"] in runtime.get_available_providers() and hasattr(runtime, "preload_dlls"):
        runtime.preload_dlls()
