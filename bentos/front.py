"""What every request passes first, BentoML's own paths included: request id, access, size, errors, log, metrics.

It lies outside BentoML's router, because BentoML rewrites 401, 403 and 5xx and logs a traceback for each 4xx of its own
endpoints. An exception that comes out here has one of two ends: an `EmserveError` is answered as it is, anything else
is answered as an internal error and logged, once, with its traceback.
"""

from __future__ import annotations

import hmac
import logging
import re
import time
import uuid
from collections.abc import Callable

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bentos import errors, metrics, stacks
from bentos.settings import Settings
from emserve.exceptions import BadRequest, EmserveError, Forbidden, TooLarge, Unauthorized, Unavailable

log = logging.getLogger("emserve.service")

PROBES = frozenset({"/livez", "/healthz", "/readyz"})
OPEN = PROBES | {"/", "/docs", "/openapi.json"}
FILES = ("/docs/", "/assets/")  # of the pages
# BentoML's description of its own endpoints, of which there are none: ours is /openapi.json.
HIDDEN = frozenset({"/schema.json"})
HUNG_UP = 499

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")


class Front:
    """ASGI middleware.

    paths: the addresses that the service has; all others share one label in the metrics.
    unready: says why the service is not ready, or None when it is.
    """

    def __init__(
        self, app: ASGIApp, *, settings: Settings, paths: frozenset[str], unready: Callable[[], str | None]
    ) -> None:
        self._app = app
        self._keys = [key.encode() for key in settings.api_keys]
        self._settings = settings
        self._paths = paths | OPEN | {"/metrics"}
        self._unready = unready

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begin = time.perf_counter()
        headers = Headers(scope=scope)
        request_id = request_id_of(headers)
        scope.setdefault("state", {})["request_id"] = request_id
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-Id"] = request_id
            await send(message)

        async def refuse(error: EmserveError) -> None:
            if not status:
                scope["state"]["error"] = error.code
                await errors.response(error)(scope, receive, send_with_id)

        try:
            self._check_access(scope, headers)
            self._check_path(scope)
            await self._app(scope, self._limited(scope["path"], headers, receive), send_with_id)
        except EmserveError as error:
            await refuse(error)
        except ClientDisconnect:
            status = status or HUNG_UP
        except Exception:
            log.exception("request %s failed", request_id)
            await refuse(errors.unexpected(request_id))
        finally:
            self._record(scope, status, time.perf_counter() - begin, request_id)

    def _check_access(self, scope: Scope, headers: Headers) -> None:
        path = scope["path"]
        if not self._keys or path in OPEN or path.startswith(FILES) or scope["method"] == "OPTIONS":
            return
        kind, _, key = headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer" or not key.strip():
            raise Unauthorized(
                "This service needs an API key.", remedy="Send it in the header `Authorization: Bearer KEY`."
            )
        # Every key is compared, each in constant time, so that the time says nothing about them.
        if not sum(hmac.compare_digest(key.strip().encode(), known) for known in self._keys):
            raise Forbidden("The API key is not valid.", remedy="Ask whoever runs the service for one.")

    def _check_path(self, scope: Scope) -> None:
        path, method = scope["path"], scope["method"]
        if path in HIDDEN:
            raise errors.no_such_path(path, sorted(self._paths))
        if path in PROBES and method not in {"GET", "HEAD"}:
            raise errors.MethodNotAllowed(f"{path} does not take {method}.", allow="GET, HEAD")
        if path == "/readyz" and (why := self._unready()):
            raise Unavailable(f"The service is not ready: {why}", remedy="Wait until it is; the log says more.")

    def _limited(self, path: str, headers: Headers, receive: Receive) -> Receive:
        """The request's body, counted while it comes in: it is refused before it is taken."""
        setting = "max_stack_bytes" if path == stacks.PATH else "max_body_bytes"
        limit: int = getattr(self._settings, setting)
        announced = headers.get("content-length")
        if announced is not None:
            if not (announced.isascii() and announced.isdecimal()):
                raise BadRequest("The header Content-Length is not a number.", remedy="Send the number of bytes.")
            if int(announced) > limit:
                raise _too_large(limit, setting)
        taken = 0

        async def counted() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > limit:
                raise _too_large(limit, setting)
            return message

        return counted

    def _record(self, scope: Scope, status: int, seconds: float, request_id: str) -> None:
        path = scope["path"]
        label = path if path in self._paths else "/assets" if path.startswith(FILES) else "other"
        metrics.REQUESTS.labels(label, status).inc()
        metrics.REQUEST_SECONDS.labels(label).observe(seconds)
        if code := scope["state"].get("error"):
            metrics.ERRORS.labels(label, code).inc()
        if label not in PROBES and label != "/metrics":
            shown = repr(path[:200]) if label == "other" else path
            suffix = f" {code}" if code else ""
            log.info("%s %s %d %.0f ms%s (%s)", scope["method"], shown, status, seconds * 1000, suffix, request_id)


def request_id_of(headers: Headers) -> str:
    """The caller's X-Request-Id if it is 1 to 128 of letters, digits and `. _ : -`, else a new one."""
    given = headers.get("x-request-id", "")
    return given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex


def _too_large(limit: int, setting: str) -> TooLarge:
    return TooLarge(
        f"The body is larger than {limit / 2**20:.4g} MiB.",
        remedy=f"Send a part of it, or raise EMSERVE_{setting.upper()} on the server.",
        field="file",
    )
