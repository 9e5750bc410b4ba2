"""What one thread needs to ask Triton: a connection, and a piece of shared memory where both are on one host."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from weakref import finalize

import numpy as np

from model_store.runtimes.triton.connection import Connection, SharedMemoryLost, unregister
from model_store.runtimes.triton.memory import Region, room
from model_store.runtimes.triton.settings import Settings

log = logging.getLogger("emserve.triton")

_SMALLEST = 1 << 20
_ABANDONED_S = 600.0


class Sharing:
    """Whether shared memory is used, for all threads of a session; `refused` says why it is not."""

    def __init__(self, settings: Settings) -> None:
        self.refused: str | None = None
        self._abandoned: list[tuple[float, str]] = []
        self._lock = threading.Lock()
        if settings.shared_memory == "off":
            self.refused = "EMSERVE_TRITON_SHARED_MEMORY is 'off'"
        elif settings.shared_memory == "auto" and not settings.on_this_host:
            self.refused = f"{settings.place} is not an address of this host"

    def refuse(self, reason: object) -> None:
        """Stops trying."""
        self.refused = " ".join(str(reason).split())[:300]
        log.info("pictures are sent to Triton in messages, not in shared memory: %s", self.refused)

    def abandon(self, settings: Settings, name: str) -> None:
        """Leaves a region to the server that may still write into it; those left long ago are taken away."""
        now = time.monotonic()
        with self._lock:
            late = [old for since, old in self._abandoned if now - since > _ABANDONED_S]
            self._abandoned = [entry for entry in self._abandoned if entry[1] not in late] + [(now, name)]
        for old in late:
            unregister(settings, old)


class Caller:
    """One thread's. Its calls raise one of `errors`; where no answer came, `abandon` it and make a new one."""

    def __init__(self, settings: Settings, sharing: Sharing) -> None:
        self._settings = settings
        self._connection = Connection(settings, settings.timeout_s)
        self.errors = self._connection.errors
        self._sharing = sharing
        self._region: Region | None = None

    def infer(
        self,
        model: str,
        version: str,
        inputs: Mapping[str, np.ndarray],
        outputs: Sequence[str],
        *,
        maps: Mapping[str, int],
        seconds: float,
        request_id: str,
    ) -> tuple[str, list[np.ndarray]]:
        """As `Connection.infer`; in shared memory while `sharing` says so, and in messages from then on."""
        needed = sum(room(array.nbytes) for array in inputs.values()) + sum(map(room, maps.values()))
        # Once more with a new region: a server that was started anew does not know the old one.
        for is_last in (False, True):
            region = self._shared(needed)
            try:
                return self._connection.infer(
                    model,
                    version,
                    inputs,
                    outputs,
                    seconds=seconds,
                    request_id=request_id,
                    region=region,
                    maps=maps if region is not None else {},
                )
            except SharedMemoryLost as error:
                self._forget()
                if is_last:
                    self._sharing.refuse(error)
        return self._connection.infer(model, version, inputs, outputs, seconds=seconds, request_id=request_id)

    def abandon(self) -> None:
        """Ends the connection on which an answer may still be on its way.

        The server may be writing into the region: to take it away then would end the server.
        """
        if self._region is not None:
            self._unregister.detach()
            self._sharing.abandon(self._settings, self._region.name)
            self._region.close()
            self._region = None
        with suppress(*self.errors):
            self._connection.close()

    def _shared(self, needed: int) -> Region | None:
        """A region that is large enough and known to the server, or None."""
        if self._sharing.refused is not None:
            return None
        if self._region is None or self._region.size < needed:
            self._forget()
            try:
                region = Region(1 << max(needed, _SMALLEST).bit_length())
            except OSError as error:
                self._sharing.refuse(f"no room for {needed} bytes: {error}")
                return None
            try:
                self._connection.register(region)
            except SharedMemoryLost as error:
                region.close()
                self._sharing.refuse(error)
                return None
            except self.errors:
                region.close()
                raise
            finally:
                region.forget_name()
            self._region = region
            # Also when the thread or the process ends: the server would keep the memory for as long as it runs.
            self._unregister = finalize(self, unregister, self._settings, region.name)
        return self._region

    def _forget(self) -> None:
        if self._region is not None:
            self._unregister()
            self._region.close()
            self._region = None
