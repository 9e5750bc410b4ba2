"""Where Triton is and how it is asked; each setting is an environment variable, `EMSERVE_TRITON_` before its name."""

from __future__ import annotations

import ipaddress
import os
import re
from dataclasses import dataclass
from typing import Literal, cast

from emserve.exceptions import StoreError

PREFIX = "EMSERVE_TRITON_"

Protocol = Literal["grpc", "http"]
SharedMemory = Literal["auto", "on", "off"]

_URL = re.compile(r"(?P<protocol>grpc|http)://(?P<place>(?:\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+):\d{1,5})/?")


@dataclass(frozen=True)
class Settings:
    """How a Triton is asked.

    protocol, place: `grpc` or `http`, and host:port. timeout_s: limit for one call of the network, waiting in Triton's
    queue included. tiles: how many tiles of one picture are sent at once, for Triton to batch or to spread over its
    instances. shared_memory: `auto` tries it where the host is this one, `on` everywhere, `off` nowhere.
    """

    protocol: Protocol
    place: str
    timeout_s: float = 60.0
    tiles: int = 8
    shared_memory: SharedMemory = "auto"

    @property
    def url(self) -> str:
        """As it was given."""
        return f"{self.protocol}://{self.place}"

    @property
    def on_this_host(self) -> bool:
        """Whether the address is that of this very host, as far as can be told from it."""
        host = self.place.rpartition(":")[0].strip("[]")
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host == "localhost"


def from_environment() -> Settings:
    """The settings; raises StoreError that names the variable which is missing or wrong."""
    url = os.environ.get(f"{PREFIX}URL", "").strip()
    match = _URL.fullmatch(url)
    if match is None:
        raise StoreError(
            f"{PREFIX}URL is '{url[:200]}'." if url else f"The runtime 'triton' needs the setting {PREFIX}URL.",
            remedy="Set it to grpc://HOST:8001 or http://HOST:8000, with the host and port of the Triton server.",
            field=f"{PREFIX}URL",
        )
    shared_memory = os.environ.get(f"{PREFIX}SHARED_MEMORY", "").strip() or "auto"
    if shared_memory not in {"auto", "on", "off"}:
        raise _wrong("SHARED_MEMORY", shared_memory, "auto, on or off")
    return Settings(
        protocol=cast(Protocol, match["protocol"]),
        place=match["place"],
        timeout_s=_number("TIMEOUT_S", Settings.timeout_s, most=3600),
        tiles=int(_number("TILES", Settings.tiles, most=256, whole=True)),
        shared_memory=cast(SharedMemory, shared_memory),
    )


def _number(name: str, default: float, *, most: float, whole: bool = False) -> float:
    text = os.environ.get(f"{PREFIX}{name}", "").strip()
    if not text:
        return default
    try:
        value = int(text) if whole else float(text)
    except ValueError:
        value = 0
    if not 0 < value <= most:
        raise _wrong(name, text, f"a {'whole ' if whole else ''}number above 0, at most {most:g}")
    return value


def _wrong(name: str, value: str, wanted: str) -> StoreError:
    return StoreError(
        f"{PREFIX}{name} is '{value[:80]}'.", remedy=f"Set it to {wanted}, or unset it.", field=f"{PREFIX}{name}"
    )
