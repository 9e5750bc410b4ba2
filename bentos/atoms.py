"""The family `atoms`: bytes and parameters in, the answer's JSON out. The whole way is `analysis.atoms.pipeline`."""

from __future__ import annotations

import io
import time
from threading import Event

import numpy as np
from pydantic import ValidationError

from analysis.atoms.pipeline import analyse
from analysis.atoms.preprocess import InputSpec
from analysis.micrograph import read
from bentos.models import Models
from bentos.parameters import AtomsForm
from emserve.exceptions import StoreError
from emserve.results import AtomsResult, ModelInfo
from model_store.manifest import Manifest
from model_store.store import Model

FAMILY = "atoms"


class Abandoned(Exception):
    """Nobody waits for the answer any more."""


class Watched:
    """A model that stops between two batches when the client has gone."""

    def __init__(self, model: Model, gone: Event) -> None:
        self._model = model
        self._gone = gone

    @property
    def info(self) -> ModelInfo:
        """Which network it is and how it is run."""
        return self._model.info

    def run(self, batch: np.ndarray) -> np.ndarray:
        """The network's map; raises Abandoned."""
        if self._gone.is_set():
            raise Abandoned
        return self._model.run(batch)


def spec_of(manifest: Manifest) -> InputSpec:
    """What the network expects, from its manifest; raises StoreError."""
    try:
        return InputSpec.model_validate(manifest.input)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(("input", *map(str, first["loc"])))
        raise StoreError(
            f"The manifest of '{manifest.name}' is wrong at `{place}`: {first['msg']}.",
            remedy="Correct the manifest.",
            field=place,
        ) from error


def answer(
    data: bytes, form: AtomsForm, models: Models, *, max_pixels: int, request_id: str, gone: Event
) -> AtomsResult:
    """The atom columns of a micrograph. Raises every InputError that its bytes and parameters can have."""
    model = models.get(form.model, FAMILY)
    spec = spec_of(model.manifest)
    begin = time.perf_counter()
    micrograph = read(data, pixel_size_nm=form.pixel_size_nm, frame=form.frame, max_pixels=max_pixels)
    read_ms = (time.perf_counter() - begin) * 1000
    result = analyse(
        micrograph,
        Watched(model, gone),
        spec,
        threshold=form.threshold,
        postprocess=form.postprocess,
        refine=form.refine,
        request_id=request_id,
    )
    return result.model_copy(update={"timings_ms": result.timings_ms.model_copy(update={"read": read_ms})})


def warm_up(models: Models, *, max_pixels: int) -> None:
    """Opens the default model and sends a small lattice through the whole way, so that the first user does not wait."""
    spec = spec_of(models.get(None, FAMILY).manifest)
    y, x = np.mgrid[: spec.tile_px, : spec.tile_px].astype(np.float32)
    lattice = np.cos(x / 3) ** 2 * np.cos(y / 3) ** 2
    stream = io.BytesIO()
    np.save(stream, lattice)
    form = AtomsForm(pixel_size_nm=spec.best_pixel_size_nm)
    answer(stream.getvalue(), form, models, max_pixels=max_pixels, request_id="warm-up", gone=Event())
