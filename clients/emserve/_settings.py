"""Where to, who asks, how long: what both clients share."""

from __future__ import annotations

import os
from typing import Any

import httpx

import emserve
from emserve._calls import Call
from emserve.exceptions import InvalidParameter
from emserve.retries import Retries

DEFAULT_URL = "http://127.0.0.1:3000"
DEFAULT_TIMEOUT_S = 330.0  # beyond the server's own limit, so that its error is heard
CONNECT_TIMEOUT_S = 5.0
ONCE = Retries(attempts=1)


class Settings:
    """The arguments of a client, checked, with the environment's settings where they are None."""

    def __init__(self, url: str | None, api_key: str | None, timeout: float | None, retries: Retries) -> None:
        self.url = _checked_url(url or os.environ.get("EMSERVE_URL") or DEFAULT_URL)
        self.timeout_s = timeout
        self.retries = retries
        self.headers = {"User-Agent": f"emserve/{emserve.__version__}", **_authorization(api_key)}

    def http(self, transport: Any) -> dict[str, Any]:
        """Arguments of the httpx client."""
        connect_s = CONNECT_TIMEOUT_S if self.timeout_s is None else min(self.timeout_s, CONNECT_TIMEOUT_S)
        return {
            "base_url": self.url,
            "headers": self.headers,
            # Waiting for a free connection is the caller's own doing and must not count.
            "timeout": httpx.Timeout(self.timeout_s, connect=connect_s, pool=None),
            # Servers close idle connections after 5 s; a connection that old is not used again.
            "limits": httpx.Limits(max_connections=64, max_keepalive_connections=16, keepalive_expiry=3.0),
            # A proxy of the environment does not know this machine's own ports.
            "trust_env": httpx.URL(self.url).host not in ("127.0.0.1", "localhost", "::1"),
            "transport": transport,
        }

    def request(self, call: Call[Any], stream: Any) -> dict[str, Any]:
        """Arguments of `build_request`."""
        arguments: dict[str, Any] = {
            "method": call.method,
            "url": call.path,
            "headers": {"X-Request-Id": call.request_id},
        }
        if call.upload is not None:
            arguments["data"] = dict(call.fields)
            arguments["files"] = {"file": (call.upload.name, stream, "application/octet-stream")}
        return arguments


def _checked_url(url: str) -> str:
    try:
        parts = httpx.URL(url)
    except httpx.InvalidURL:
        parts = httpx.URL("")
    if parts.scheme not in ("http", "https") or not parts.host:
        raise InvalidParameter(
            f"{url!r} is not the address of a server.", remedy=f"It looks like {DEFAULT_URL}.", field="url"
        )
    return url.rstrip("/")


def _authorization(api_key: str | None) -> dict[str, str]:
    key = (os.environ.get("EMSERVE_API_KEY", "") if api_key is None else api_key).strip()
    if not (key.isascii() and key.isprintable()):
        raise InvalidParameter(
            "The API key has characters that a header cannot carry.", remedy="Copy it again.", field="api_key"
        )
    return {"Authorization": f"Bearer {key}"} if key else {}
