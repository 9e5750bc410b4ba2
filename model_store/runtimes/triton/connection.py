"""One thread's connection to Triton, the same over gRPC and HTTP, and what its errors mean.

The HTTP client must not be shared between threads (it waits in a gevent hub, which is a thread's own), and one gRPC
client a thread costs nothing: they share the sockets.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from importlib import import_module
from typing import Any, cast

import numpy as np

from emserve.exceptions import Busy, DeadlineExceeded, EmserveError, InternalError, Unavailable
from model_store.runtimes.triton.memory import Region
from model_store.runtimes.triton.settings import Settings

CONNECT_S = 5.0

# A server that comes back is found within a second; gRPC's own limit is two minutes.
_CHANNEL = [
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", int(1000 * CONNECT_S)),  # so long an attempt may take, whatever its name says
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    # A name that stands for several servers (a headless Service) is asked in turn, not at its first address only.
    ("grpc.service_config", json.dumps({"loadBalancingConfig": [{"round_robin": {}}]})),
]
_QUEUE_FULL = ("Exceeds maximum queue size", "Request timeout expired")
_LONGEST = 300


class SharedMemoryLost(Exception):
    """The server cannot see the region: it is on another host, or was started anew."""


class Connection:
    """Opened by the thread that it belongs to. Every call may raise one of `errors`: `explained` says what it means."""

    def __init__(self, settings: Settings, timeout_s: float) -> None:
        self._library = import_module(f"tritonclient.{settings.protocol}")
        self._is_grpc = settings.protocol == "grpc"
        self.errors: tuple[type[Exception], ...] = (self._library.InferenceServerException, OSError)
        if self._is_grpc:
            # gRPC would send what is meant for this host to a proxy of the environment, too.
            direct = [("grpc.enable_http_proxy", 0)] if settings.on_this_host else []
            self._client = self._library.InferenceServerClient(settings.place, channel_args=[*_CHANNEL, *direct])
        else:
            self._client = self._library.InferenceServerClient(
                settings.place, connection_timeout=CONNECT_S, network_timeout=timeout_s
            )
            self.errors += (import_module("geventhttpclient.response").HTTPParseError,)

    def close(self) -> None:
        """Ends the connection; what is in flight is lost."""
        self._client.close()

    def _limit(self, seconds: float) -> dict[str, float]:
        # The HTTP client takes its limit when it is made.
        return {"client_timeout": seconds} if self._is_grpc else {}

    def model_ready(self, model: str, version: str) -> bool:
        """Whether the server has this version of a model loaded."""
        return bool(self._client.is_model_ready(model, version, **self._limit(CONNECT_S)))

    def server(self) -> str:
        """Name and version of the server, as `triton 2.51.0`."""
        answer = self._described(self._client.get_server_metadata)
        return f"{answer['name']} {answer['version']}"

    def metadata(self, model: str, version: str) -> dict[str, Any]:
        """Inputs and outputs of a model: `name`, `datatype` and `shape` of each."""
        return self._described(self._client.get_model_metadata, model, version)

    def config(self, model: str, version: str) -> dict[str, Any]:
        """The configuration that the server read."""
        answer = self._described(self._client.get_model_config, model, version)
        return cast(dict[str, Any], answer.get("config", answer))

    def _described(self, call: Any, *of: str) -> dict[str, Any]:
        options = {"as_json": True} if self._is_grpc else {}
        return cast(dict[str, Any], call(*of, **options, **self._limit(CONNECT_S)))

    def register(self, region: Region) -> None:
        """Makes the server see a region. Raises SharedMemoryLost too."""
        try:
            self._client.register_system_shared_memory(region.name, region.key, region.size, **self._limit(CONNECT_S))
        except self.errors as error:
            raise _lost_memory(error) from error

    def unregister(self, name: str) -> None:
        """Makes the server forget a region."""
        self._client.unregister_system_shared_memory(name, **self._limit(CONNECT_S))

    def infer(
        self,
        model: str,
        version: str,
        inputs: Mapping[str, np.ndarray],
        outputs: Sequence[str],
        *,
        seconds: float,
        request_id: str,
        region: Region | None = None,
        maps: Mapping[str, int] | None = None,
    ) -> tuple[str, list[np.ndarray]]:
        """The version that answered and its outputs, in order.

        seconds: limit, Triton's queue included. region: where the inputs go instead of into the message; and the
        outputs of `maps`, which names the bytes that each has. Raises SharedMemoryLost too.
        """
        library = self._library
        asked = [library.InferRequestedOutput(name) for name in outputs]
        sent = []
        if region is not None:
            region.clear()
        for name, array in inputs.items():
            tensor = library.InferInput(name, list(array.shape), _DATATYPE[array.dtype.name])
            if region is None:
                tensor.set_data_from_numpy(array)
            else:
                tensor.set_shared_memory(region.name, array.nbytes, offset=region.put(array))
            sent.append(tensor)
        places = {}
        if region is not None and maps:
            for request in asked:
                if size := maps.get(request.name()):
                    places[request.name()] = region.take(size)
                    request.set_shared_memory(region.name, size, offset=places[request.name()])
        try:
            result = self._client.infer(
                model,
                sent,
                model_version=version,
                outputs=asked,
                request_id=request_id,
                timeout=max(1, int(seconds * 1e6)),  # Triton drops what waits in its queue for longer
                **self._limit(seconds),
            )
        except self.errors as error:
            raise (_lost_memory(error) if region is not None else error) from error
        answered = result.get_response()
        arrays = []
        for name in outputs:
            if region is not None and name in places:
                kind, shape = self._described_output(result.get_output(name))
                arrays.append(region.get(places[name], shape, DTYPE[kind]))
            else:
                arrays.append(result.as_numpy(name).copy())  # its memory is the message's, and must not be written
        return str(answered.model_version if self._is_grpc else answered["model_version"]), arrays

    def _described_output(self, output: Any) -> tuple[str, list[int]]:
        """Datatype and shape; a message over gRPC, a map over HTTP."""
        if self._is_grpc:
            return output.datatype, list(output.shape)
        return output["datatype"], output["shape"]


DTYPE = {"FP32": "float32", "UINT8": "uint8", "INT64": "int64"}
"""Types of tensors, as Triton calls them and as the manifest does."""
_DATATYPE = {ours: theirs for theirs, ours in DTYPE.items()}


def unregister(settings: Settings, name: str) -> None:
    """Makes the server forget a region, if it is there; works in any thread and while the process ends."""
    if settings.protocol == "http":
        # Not with the client: its gevent needs new threads, which a process that ends cannot have, and waits for ever.
        place = f"http://{settings.place}/v2/systemsharedmemory/region/{name}/unregister"
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # the client knows no proxies either
        with suppress(OSError), direct.open(place, data=b"", timeout=CONNECT_S):
            return
    else:
        connection = Connection(settings, CONNECT_S)
        with suppress(*connection.errors), closing(connection):
            connection.unregister(name)


def _lost_memory(error: Exception) -> Exception:
    return SharedMemoryLost(str(error)) if "shared memory" in str(error).lower() else error


def explained(error: Exception, what: str, seconds: float, retry_after_s: float) -> EmserveError:
    """What an exception of `tritonclient` means to whoever asked.

    what: the model and the server, for the message. seconds: the limit. retry_after_s: for a full queue.
    """
    message = " ".join(str(getattr(error, "message", lambda: error)()).split())[:_LONGEST]
    status = _status(error)
    if status in {"503", "UNAVAILABLE"} and any(text in message for text in _QUEUE_FULL):
        return Busy(
            f"Triton's queue for {what} is full.",
            remedy=f"Try again in {retry_after_s:g} s, or send fewer pictures at once.",
            retry_after_s=retry_after_s,
        )
    if status in {"504", "DEADLINE_EXCEEDED"} or isinstance(error, TimeoutError):
        return DeadlineExceeded(
            f"Triton had no answer of {what} within {seconds:g} s.",
            remedy="Send fewer pictures at once, or raise EMSERVE_TRITON_TIMEOUT_S on the server.",
        )
    if status in {"404", "NOT_FOUND"}:
        return Unavailable(
            f"Triton does not serve {what}: {message}.",
            remedy="Wait until it is loaded there; the log of Triton says why it is not.",
        )
    if status in {"503", "UNAVAILABLE", "502", "CANCELLED"} or not status:
        return Unavailable(
            f"Triton does not answer for {what}: {message or type(error).__name__}.",
            remedy="Try again when it runs; the service goes on by itself as soon as it does.",
        )
    return InternalError(
        f"Triton failed at {what}: {message}.",
        remedy="Its log says more; the runtime 'onnx' shows whether the picture is the reason.",
    )


def _status(error: Exception) -> str:
    """`503`, `UNAVAILABLE`, …; empty where the connection broke before there was one."""
    status = getattr(error, "status", None)
    return str(status() or "").removeprefix("StatusCode.") if callable(status) else ""
