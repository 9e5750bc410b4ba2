"""The store: finds the models of a folder, verifies their weights by checksum, opens them in a runtime.

A model is added by adding its folder; nothing else names it. What is opened here is what the answer names: model,
version, checksum, runtime and precision.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

import numpy as np

from emserve.exceptions import ChecksumMismatch, StoreError, UnknownModel
from emserve.results import ModelInfo
from model_store import manifest as manifests
from model_store import runtimes
from model_store.manifest import Manifest, WeightFile

MODELS = Path(__file__).parent / "models"


class Model:
    """An opened model. `run` may be called from several threads at once.

    manifest: what is known about it; its `input.batch` is what suits the place where it runs. folder: where its files
    are.
    """

    def __init__(self, manifest: Manifest, info: ModelInfo, folder: Path, session: runtimes.Session) -> None:
        self.manifest = manifest
        self.folder = folder
        self._info = info
        self._session = session
        self._elsewhere = session if isinstance(session, runtimes.Elsewhere) else None
        if self._elsewhere is not None and manifest.takes_batches:
            there = {**manifest.input, "batch": self._elsewhere.tiles_at_once}
            self.manifest = manifest.model_copy(update={"input": there})

    @property
    def info(self) -> ModelInfo:
        """What an answer says about it; where it runs elsewhere, the server and the model's version there too."""
        return self._info if self._elsewhere is None else self._info.model_copy(update=self._elsewhere.about())

    @property
    def is_elsewhere(self) -> bool:
        """Whether it runs in another process, which can go away and come back."""
        return self._elsewhere is not None

    def unready(self) -> str | None:
        """Why it cannot answer now, or None; a network of this process always can, of another the server is asked."""
        return None if self._elsewhere is None else self._elsewhere.unready()

    def run(self, batch: np.ndarray) -> np.ndarray:
        """The first output for the first input; for networks that have one of each. (N, C, H, W) in and out."""
        (tensor,) = self.manifest.tensors.inputs
        return self._session.run([np.ascontiguousarray(batch, dtype=tensor.dtype)])[0]

    def run_named(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """All outputs by name for all inputs by name."""
        tensors = self.manifest.tensors
        ordered = [np.ascontiguousarray(inputs[tensor.name], dtype=tensor.dtype) for tensor in tensors.inputs]
        names = [tensor.name for tensor in tensors.outputs]
        return dict(zip(names, self._session.run(ordered), strict=True))


class Store:
    """The models of one folder; by default EMSERVE_STORE, or the folder that ships.

    The manifests are read once; a broken one is a StoreError as soon as anything is asked for.
    """

    def __init__(self, root: Path | str | None = None) -> None:
        self.root = Path(root or os.environ.get("EMSERVE_STORE") or MODELS)
        if not self.root.is_dir():
            raise StoreError(
                f"There is no folder of models at '{self.root}'.",
                remedy="Set EMSERVE_STORE to the folder that holds one folder per model, or leave it unset.",
                field="EMSERVE_STORE",
            )

    @cached_property
    def _manifests(self) -> dict[str, Manifest]:
        folders = sorted(path for path in self.root.iterdir() if path.is_dir() and not path.name.startswith((".", "_")))
        return {folder.name: manifests.load(folder) for folder in folders}

    def manifests(self, family: str | None = None) -> list[Manifest]:
        """The manifests of all models, or of one family, by name."""
        return [entry for entry in self._manifests.values() if family in {None, entry.family}]

    def manifest(self, name: str, *, family: str | None = None) -> Manifest:
        """The manifest of a model; raises UnknownModel that names the known ones (of the family)."""
        entry = self._manifests.get(name)
        if entry is None or family not in {None, entry.family}:
            known = ", ".join(known.name for known in self.manifests(family)) or "none"
            kind = f"{family} model" if family else "model"
            raise UnknownModel(f"There is no {kind} '{name[:80]}'.", remedy=f"The known ones: {known}.", field="model")
        return entry

    def folder(self, name: str) -> Path:
        """The folder of a model; raises UnknownModel."""
        return self.root / self.manifest(name).name

    def default(self, family: str) -> str:
        """The name of the family's default model."""
        of_family = self.manifests(family)
        flagged = [entry.name for entry in of_family if entry.default]
        if len(flagged) == 1:
            return flagged[0]
        if len(of_family) == 1 and not flagged:
            return of_family[0].name
        if not of_family:
            raise StoreError(
                f"The store at '{self.root}' has no {family} model.",
                remedy="Set EMSERVE_STORE to a folder that has one, or export one into this.",
            )
        raise StoreError(
            f"The {family} models of the store have {len(flagged)} defaults: {', '.join(flagged) or 'none'}.",
            remedy="Set `default: true` in the manifest of exactly one of them.",
            field="default",
        )

    def open(
        self, name: str, *, runtime: str | None = None, precision: str | None = None, threads: int | None = None
    ) -> Model:
        """Opens a model after checking its weights.

        Parameters
        ----------
        runtime, precision: what to run it with; by default EMSERVE_RUNTIME and EMSERVE_PRECISION, and without those
            the best that the manifest allows and this machine has.
        threads: processors that one run may use; by default EMSERVE_THREADS, and without it all.

        Raises UnknownModel, ChecksumMismatch (a changed weight file), MissingDependency, StoreError; Unavailable where
        it runs elsewhere and is not there.
        """
        entry = self.manifest(name)
        chosen, kind = runtimes.choose(
            entry,
            runtime or os.environ.get("EMSERVE_RUNTIME") or None,
            precision or os.environ.get("EMSERVE_PRECISION") or None,
        )
        module = runtimes.find(chosen)
        folder = self.folder(name)
        weights = entry.files[module.FORMAT or "onnx"]
        if module.FORMAT is not None:
            verify(folder, weights)
        session = module.open_session(folder / weights.path, entry.tensors, kind, threads or _threads())
        info = ModelInfo(
            name=entry.name,
            family=entry.family,
            version=entry.version,
            sha256=weights.sha256,
            runtime=chosen,
            precision=kind,
        )
        return Model(entry, info, folder, session)


def verify(folder: Path, weights: WeightFile) -> None:
    """Raises ChecksumMismatch unless the file is the one that the manifest names, StoreError if it is not there."""
    file = folder / weights.path
    if not file.is_file():
        raise StoreError(
            f"The model '{folder.name}' has no file '{weights.path}'.",
            remedy="Export the model again, or choose another runtime: this file may be left out where it is large.",
        )
    found = manifests.sha256(file)
    if found != weights.sha256:
        raise ChecksumMismatch(
            f"The file '{weights.path}' of the model '{folder.name}' has the checksum {found[:12]}…, "
            f"its manifest says {weights.sha256[:12]}….",
            remedy="Restore the file, or export the model again: weights that changed are not served.",
        )


def _threads() -> int:
    text = os.environ.get("EMSERVE_THREADS", "").strip()
    if not text:
        return runtimes.processors()
    if not text.isdecimal() or int(text) == 0:
        raise StoreError(
            f"EMSERVE_THREADS is '{text}'.",
            remedy="Set it to a whole number from 1, or unset it.",
            field="EMSERVE_THREADS",
        )
    return int(text)
