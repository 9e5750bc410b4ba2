"""The models that are open: each is verified and opened once, on first use, and kept."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from threading import Lock
from typing import get_args

from emserve.exceptions import UnknownModel
from emserve.results import ModelList
from model_store.manifest import Family, Manifest
from model_store.store import Model, Store


class Models:
    """Opened models by name. Thread-safe; the store is read on first use, so that a fault in it stops no start.

    families: those that are served; what else the store holds is as if it were not there.
    """

    def __init__(self, families: Sequence[str] = get_args(Family)) -> None:
        self._families = families
        self._lock = Lock()
        self._open: dict[str, Model] = {}

    @cached_property
    def store(self) -> Store:
        """The store that EMSERVE_STORE names, or the one that ships; raises StoreError."""
        return Store()

    def get(self, name: str | None, family: str) -> Model:
        """A model of a family, by default the family's default. Raises UnknownModel, StoreError, ChecksumMismatch."""
        if not self.of(family):
            served = ", ".join(sorted({manifest.family for manifest in self._served()})) or "none"
            raise UnknownModel(
                f"This service has no model for {family}.",
                remedy=f"It has models for: {served}. Whoever runs it can add a folder with one to the store.",
            )
        name = name or self.store.default(family)
        self.store.manifest(name, family=family)
        with self._lock:
            if name not in self._open:
                self._open[name] = self.store.open(name)
            return self._open[name]

    def elsewhere(self) -> list[Model]:
        """The opened models that run in another process."""
        with self._lock:
            return [model for model in self._open.values() if model.is_elsewhere]

    def has_default(self, family: str) -> bool:
        """Whether a request of this family needs no model name. Of several models one has to be marked for that."""
        of_family = self.of(family)
        return len(of_family) == 1 or any(manifest.default for manifest in of_family)

    def summaries(self) -> ModelList:
        """The answer of `GET /v1/models`."""
        return ModelList(models=[manifest.summary() for manifest in self._served()])

    def of(self, family: str) -> list[Manifest]:
        """The models of a family, if that is served."""
        return self.store.manifests(family) if family in self._families else []

    def _served(self) -> list[Manifest]:
        return [manifest for manifest in self.store.manifests() if manifest.family in self._families]
