"""What runs a network: tensors in, tensors out, one small module a runtime.

Each module of this folder is a runtime and is found by listing the folder; its name is the runtime's name. It has the
members of `Runtime` below. A framework is imported only when a model is opened with it.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, cast, runtime_checkable

import numpy as np

from emserve.exceptions import MissingDependency, StoreError
from model_store.manifest import Manifest, Precision, Tensors, WeightFormat


class Session(Protocol):
    """An opened network. `run` may be called from several threads at once."""

    def run(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The network's outputs for its inputs, both in the order of the manifest."""
        ...


@runtime_checkable
class Elsewhere(Session, Protocol):
    """A network that runs in another process, which may not be there, or be replaced by another."""

    tiles_at_once: int
    """How many tiles of one picture it takes well in one call."""

    def about(self) -> dict[str, str]:
        """What an answer says about it beyond the manifest."""
        ...

    def unready(self) -> str | None:
        """Why it cannot answer now, or None; may take a few seconds."""
        ...


class Runtime(Protocol):
    """The members of a runtime's module."""

    FORMAT: WeightFormat | None
    """The file that it reads; None if it needs no weights."""
    INSTALL: str
    """The command that installs it."""

    def available(self) -> bool:
        """Whether its package is installed."""
        ...

    def supports(self, precision: Precision) -> bool:
        """Whether it can run in this precision, and fast, on this machine."""
        ...

    def rank(self, precision: Precision) -> int:
        """How much it is preferred on this machine; 0 is never chosen by itself."""
        ...

    def open_session(self, file: Path, tensors: Tensors, precision: Precision, threads: int) -> Session:
        """Opens a weight file."""
        ...


def names() -> list[str]:
    """The names of all runtimes, installed or not."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def find(name: str) -> Runtime:
    """The runtime of that name; raises StoreError that names the known ones."""
    if name not in names():
        raise StoreError(
            f"There is no runtime '{name}'.", remedy=f"Use one of: {', '.join(names())}.", field="EMSERVE_RUNTIME"
        )
    return cast(Runtime, importlib.import_module(f"{__name__}.{name}"))


def choose(manifest: Manifest, runtime: str | None = None, precision: str | None = None) -> tuple[str, Precision]:
    """The runtime and precision for a model: what is asked for, and else the best that is allowed and installed.

    Raises MissingDependency with the pip command if the runtime is not installed, StoreError if the model or the
    machine does not allow the precision.
    """
    if runtime is not None and not find(runtime).available():
        raise MissingDependency(f"The runtime '{runtime}' is not installed.", remedy=f"Run: {find(runtime).INSTALL}")
    if precision is not None and precision not in manifest.precisions:
        raise StoreError(
            f"The model '{manifest.name}' may not be run in {precision}.",
            remedy=f"Its manifest allows: {', '.join(manifest.precisions)}.",
            field="EMSERVE_PRECISION",
        )
    candidates = [
        (find(name).rank(kind) if runtime is None else 1, kind != "fp32", name, kind)
        for name in ([runtime] if runtime else names())
        for kind in manifest.precisions
        if (precision is None or kind == precision)
        and find(name).available()
        and find(name).supports(kind)
        and find(name).FORMAT in {None, *manifest.files}
    ]
    rank, _, name, kind = max(candidates, default=(0, False, "", "fp32"))
    if rank == 0:
        raise StoreError(
            f"No installed runtime can run '{manifest.name}'"
            f"{f' with {runtime}' if runtime else ''}{f' in {precision}' if precision else ''} on this machine.",
            remedy="Run: pip install onnxruntime, or leave EMSERVE_RUNTIME and EMSERVE_PRECISION unset.",
        )
    return name, kind


def processors() -> int:
    """The number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
