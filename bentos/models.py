"""The models that are open: each is verified and opened once, on first use, and kept."""

from __future__ import annotations

from functools import cached_property
from threading import Lock

from emserve.results import ModelList
from model_store.store import Model, Store


class Models:
    """Opened models by name. Thread-safe; the store is read on first use, so that a fault in it stops no start."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._open: dict[str, Model] = {}

    @cached_property
    def store(self) -> Store:
        """The store that EMSERVE_STORE names, or the one that ships; raises StoreError."""
        return Store()

    def get(self, name: str | None, family: str) -> Model:
        """A model of a family, by default the family's default. Raises UnknownModel, StoreError, ChecksumMismatch."""
        name = name or self.store.default(family)
        self.store.manifest(name, family=family)
        with self._lock:
            if name not in self._open:
                self._open[name] = self.store.open(name)
            return self._open[name]

    def summaries(self) -> ModelList:
        """The answer of `GET /v1/models`."""
        return ModelList(models=[manifest.summary() for manifest in self.store.manifests()])
