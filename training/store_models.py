"""Models of the store as an evaluation opens them."""

from __future__ import annotations

from emserve.results import ModelInfo
from model_store import runtimes
from model_store.manifest import Precision
from model_store.store import Model, Store, verify


def open_model(
    store: Store,
    name: str,
    *,
    runtime: str | None = None,
    precision: Precision | None = None,
    threads: int | None = None,
) -> Model:
    """A model of the store, also in a precision that its manifest does not allow yet: the evaluation is what earns it
    its place there. Raises as `Store.open` does."""
    entry = store.manifest(name)
    if precision is None or precision in entry.precisions:
        return store.open(name, runtime=runtime, precision=precision, threads=threads)
    chosen = runtime or "openvino"
    module = runtimes.find(chosen)
    weights = entry.files[module.FORMAT or "onnx"]
    folder = store.folder(entry.name)
    verify(folder, weights)
    session = module.open_session(folder / weights.path, entry.tensors, precision, threads or runtimes.processors())
    info = ModelInfo(
        name=entry.name,
        family=entry.family,
        version=entry.version,
        sha256=weights.sha256,
        runtime=chosen,
        precision=precision,
    )
    return Model(entry, info, folder, session)
