"""A model on a Triton server: checked against its manifest, asked in parallel, found again after an outage."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from contextvars import copy_context
from typing import Any, TypeVar

import numpy as np

from emserve.exceptions import ChecksumMismatch, DeadlineExceeded, EmserveError, StoreError, Unavailable
from model_store.manifest import Manifest, Tensor, WeightFormat
from model_store.request import REQUEST_ID
from model_store.runtimes.triton.caller import Caller, Sharing
from model_store.runtimes.triton.connection import CONNECT_S, DTYPE, Connection, explained
from model_store.runtimes.triton.settings import Settings

T = TypeVar("T")
Arrays = Mapping[str, np.ndarray]

PLATFORMS: dict[str, WeightFormat] = {"onnxruntime_onnx": "onnx", "pytorch_libtorch": "torchscript"}
"""Which file of a model's folder each platform of Triton reads."""

_PAUSE_S = 0.1
_LONGEST_WAIT_S = 60
_REMEDY = "Give Triton the same folder of models, with the configurations that `python -m export triton` writes."


class Session:
    """One version of one model. `run` may be called from several threads at once.

    tiles_at_once: how many pictures of a batch are sent at the same time.
    """

    def __init__(self, manifest: Manifest, *, version: str, settings: Settings) -> None:
        self.tiles_at_once = settings.tiles
        self.sharing = Sharing(settings)
        self._manifest = manifest
        self._version = version
        self._settings = settings
        self._what = f"'{manifest.name}' version {version} at {settings.url}"
        self._about: dict[str, str] = {}
        self._batched = False
        self._verified = False
        self._verifying = threading.Lock()
        self._local = threading.local()
        self._senders = ThreadPoolExecutor(settings.tiles, thread_name_prefix=f"triton-{manifest.name}")
        self._usual_s = 0.5

    def run(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The outputs; the pictures of a batch are sent one by one at the same time, for Triton to batch or spread.

        Raises Busy (Triton's queue is full), DeadlineExceeded, Unavailable (no server, or not this model), StoreError
        and ChecksumMismatch (another model under that name since an outage), InternalError.
        """
        until = time.monotonic() + self._settings.timeout_s
        names = [tensor.name for tensor in self._manifest.tensors.inputs]
        self._again(self._sure, until)
        if not self._batched or len(inputs[0]) <= 1:
            return self._ask(dict(zip(names, inputs, strict=True)), until)
        futures = [
            self._senders.submit(copy_context().run, self._ask, dict(zip(names, one, strict=True)), until)
            for one in zip(*([array[i : i + 1] for i in range(len(array))] for array in inputs), strict=True)
        ]
        try:
            answers = [future.result() for future in futures]
        finally:
            for future in futures:
                future.cancel()  # those that have not begun, where one has failed
        return [np.concatenate(arrays) for arrays in zip(*answers, strict=True)]

    def about(self) -> dict[str, str]:
        """What answers: `server`, its name and version; `server_model_version`; `sha256` of the weights there."""
        return self._about

    def unready(self) -> str | None:
        """Why it cannot answer now, or None; asks the server, for a few seconds at most."""
        try:
            self.verify()
        except EmserveError as error:
            return str(error)
        return None

    def verify(self) -> None:
        """Checks that the server has this version loaded and that it is the one that the manifest describes.

        Raises Unavailable, DeadlineExceeded, StoreError, ChecksumMismatch.
        """
        name, version = self._manifest.name, self._version
        with closing(Connection(self._settings, CONNECT_S)) as connection:
            try:
                if not connection.model_ready(name, version):
                    raise Unavailable(
                        f"Triton has not loaded {self._what}.",
                        remedy="Wait until it has; if it does not, its log says why.",
                    )
                server = connection.server()
                described = connection.metadata(name, version)
                config = connection.config(name, version)
            except connection.errors as error:
                raise explained(error, self._what, CONNECT_S, 1) from error
        self._check_tensors("input", self._manifest.tensors.inputs, described.get("inputs", []))
        self._check_tensors("output", self._manifest.tensors.outputs, described.get("outputs", []))
        sha256 = self._checked_weights(config)
        self._about = {"server": server, "server_model_version": version, "sha256": sha256}
        self._batched = int(config.get("max_batch_size", 0)) > 0
        self._verified = True

    def _check_tensors(self, kind: str, ours: Iterable[Tensor], theirs: Iterable[Mapping[str, Any]]) -> None:
        wanted = {tensor.name: (tensor.dtype, tensor.shape) for tensor in ours}
        found = {
            tensor["name"]: (DTYPE.get(tensor["datatype"], tensor["datatype"]), [int(n) for n in tensor["shape"]])
            for tensor in theirs
        }
        if found != wanted:
            raise StoreError(
                f"Triton's model {self._what} has the {kind}s {found}, the manifest says {wanted}."[:600],
                remedy=_REMEDY,
            )

    def _checked_weights(self, config: Mapping[str, Any]) -> str:
        kind = PLATFORMS.get(config.get("platform", ""), "onnx")
        weights = self._manifest.files.get(kind)
        found = config.get("parameters", {}).get(f"sha256.{self._version}", {}).get("string_value", "")
        if weights is None or found != weights.sha256:
            theirs = f"says that its weights have the checksum {found[:12]}…" if found else "does not name its weights"
            ours = f"{weights.sha256[:12]}…" if weights else "that there are none"
            raise ChecksumMismatch(
                f"The configuration of Triton's model {self._what} {theirs}, the manifest says {ours} ({kind}).",
                remedy=_REMEDY,
            )
        return weights.sha256

    def _sure(self) -> None:
        """Verifies unless it is verified: at first, and after each outage."""
        if not self._verified:
            with self._verifying:
                if not self._verified:
                    self.verify()

    def _again(self, call: Callable[[], T], until: float) -> T:
        """The result of a call, made once more where there was no server or not this model, and there is time left.

        That is safe, as a call changes nothing there. A full queue and a deadline are not repeated: it would make
        them worse.
        """
        try:
            return call()
        except Unavailable:
            self._verified = False
            if time.monotonic() + _PAUSE_S >= until:
                raise
        time.sleep(_PAUSE_S)
        self._sure()
        return call()

    def _ask(self, inputs: Arrays, until: float) -> list[np.ndarray]:
        begin = time.monotonic()
        version, outputs = self._again(lambda: self._infer(inputs, until), until)
        if version != self._version:
            raise StoreError(f"Triton answered with version {version} of {self._what}.", remedy=_REMEDY)
        self._usual_s += 0.1 * (time.monotonic() - begin - self._usual_s)
        return outputs

    def _infer(self, inputs: Arrays, until: float) -> tuple[str, list[np.ndarray]]:
        seconds = until - time.monotonic()
        if seconds <= 0:
            raise DeadlineExceeded(
                f"The {self._settings.timeout_s:g} s for {self._what} were over before it was asked.",
                remedy="Send fewer pictures at once, or raise EMSERVE_TRITON_TIMEOUT_S on the server.",
            )
        caller: Caller | None = getattr(self._local, "caller", None)
        if caller is None:
            caller = self._local.caller = Caller(self._settings, self.sharing)
        try:
            return caller.infer(
                self._manifest.name,
                self._version,
                inputs,
                [tensor.name for tensor in self._manifest.tensors.outputs],
                maps=self._maps(inputs),
                seconds=seconds,
                request_id=REQUEST_ID.get(),
            )
        except caller.errors as error:
            wait_s = min(_LONGEST_WAIT_S, max(1, math.ceil(2 * self._usual_s)))
            told = explained(error, self._what, self._settings.timeout_s, wait_s)
            if isinstance(told, Unavailable | DeadlineExceeded):  # what comes late must not be read as the next answer
                self._local.caller = None
                caller.abandon()
            raise told from error

    def _maps(self, inputs: Arrays) -> dict[str, int]:
        """The bytes of each output that has a pixel for each of the input's; the size of others is not known before."""
        first = next(iter(inputs.values()))
        if first.ndim != 4:
            return {}
        count, _, height, width = first.shape
        return {
            tensor.name: count * tensor.shape[1] * height * width * np.dtype(tensor.dtype).itemsize
            for tensor in self._manifest.tensors.outputs
            if len(tensor.shape) == 4 and tensor.shape[1] > 0 and tensor.shape[2:] == [-1, -1]
        }
