"""What the families have in common: a micrograph's bytes and parameters in, the answer out.

A family is a module of this folder with one `Family`, which says what it takes and answers and calls its pipeline in
`analysis`; everything around that is here and in `bentos.api`.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Event
from typing import Any, Generic, TypeVar

import numpy as np
from pydantic import BaseModel, ValidationError

from analysis.micrograph import Micrograph, read
from bentos.models import Models
from bentos.parameters import FamilyForm
from emserve.exceptions import StoreError
from emserve.results import ModelInfo, Result
from model_store.manifest import Manifest
from model_store.request import REQUEST_ID
from model_store.store import Model

F = TypeVar("F", bound=FamilyForm)
S = TypeVar("S", bound=BaseModel)
R = TypeVar("R", bound=Result)


class Abandoned(Exception):
    """Nobody waits for the answer any more."""


class Watched:
    """A model that stops between two batches or tiles when the client has gone."""

    def __init__(self, model: Model, gone: Event) -> None:
        self._model = model
        self._gone = gone

    @property
    def info(self) -> ModelInfo:
        """Which network it is and how it is run."""
        return self._model.info

    def run(self, batch: np.ndarray) -> np.ndarray:
        """The network's map; raises Abandoned."""
        self._stop_if_gone()
        return self._model.run(batch)

    def run_named(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """All outputs by name; raises Abandoned."""
        self._stop_if_gone()
        return self._model.run_named(inputs)

    def _stop_if_gone(self) -> None:
        if self._gone.is_set():
            raise Abandoned


@dataclass(frozen=True)
class Family(Generic[F, S, R]):
    """One kind of question, at `/v1/<name>`.

    summary, description: of the address. form: its parameters. spec: the `input` block of the manifests. result: its
    answer. analyse: the whole way from a micrograph, of (micrograph, network, spec, parameters, request id).
    probe: a small picture that the models have something to do with, and its parameters.
    """

    name: str
    summary: str
    description: str
    form: type[F]
    spec: type[S]
    result: type[R]
    analyse: Callable[[Micrograph, Watched, S, F, str], R]
    probe: Callable[[S], tuple[np.ndarray, F]]

    def answer(self, data: bytes, form: F, models: Models, *, max_pixels: int, request_id: str, gone: Event) -> R:
        """The answer for a file. Raises every InputError that its bytes and parameters can have."""
        REQUEST_ID.set(request_id)
        model = models.get(form.model, self.name)
        spec = self.spec_of(model.manifest)
        begin = time.perf_counter()
        frame = form.frame if "frame" in form.model_fields_set else None
        micrograph = read(data, pixel_size_nm=form.pixel_size_nm, frame=frame, max_pixels=max_pixels)
        read_ms = (time.perf_counter() - begin) * 1000
        result = self.analyse(micrograph, Watched(model, gone), spec, form, request_id)
        return result.model_copy(update={"timings_ms": result.timings_ms.model_copy(update={"read": read_ms})})

    def spec_of(self, manifest: Manifest) -> S:
        """What the network expects, from its manifest; raises StoreError."""
        try:
            return self.spec.model_validate(manifest.input)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(("input", *map(str, first["loc"])))
            raise StoreError(
                f"The manifest of '{manifest.name}' is wrong at `{place}`: {first['msg']}.",
                remedy="Correct the manifest.",
                field=place,
            ) from error

    def warm_up(self, models: Models, *, max_pixels: int) -> ModelInfo:
        """Opens the default model and sends a small picture the whole way, so that the first user does not wait."""
        pixels, form = self.probe(self.spec_of(models.get(None, self.name).manifest))
        stream = io.BytesIO()
        np.save(stream, pixels)
        answer = self.answer(stream.getvalue(), form, models, max_pixels=max_pixels, request_id="warm-up", gone=Event())
        return answer.model


AnyFamily = Family[Any, Any, Any]
