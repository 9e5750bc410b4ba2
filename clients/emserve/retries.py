"""When to try again, and how long to wait before it."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from typing import Protocol


class Clock(Protocol):
    """Time and chance, so that a test can hold both still (`emserve.testing.FakeClock`)."""

    def monotonic(self) -> float:
        """Seconds since some fixed moment."""

    def time(self) -> float:
        """Seconds since 1970, to read a Retry-After that is a date."""

    def sleep(self, seconds: float) -> None:
        """Wait."""

    async def sleep_async(self, seconds: float) -> None:
        """Wait, and let others work."""

    def jitter(self) -> float:
        """A random number, 0 to 1."""


class SystemClock:
    """The real one."""

    def monotonic(self) -> float:
        return time.monotonic()

    def time(self) -> float:
        return time.time()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    async def sleep_async(self, seconds: float) -> None:
        import anyio  # httpx brings it; works under asyncio and trio

        await anyio.sleep(seconds)

    def jitter(self) -> float:
        return random.random()


@dataclass(frozen=True)
class Retries:
    """How a busy (429) or not yet ready (503) server is asked again: exponential back-off with jitter.

    Parameters
    ----------
    attempts: how often a request is sent at most, the first time included; 1 never tries again.
    total_s: no attempt begins later than this after the first one; a longer Retry-After is not waited for.
    first_s, longest_s: the wait before the second attempt, which doubles up to the longest.
    """

    attempts: int = 5
    total_s: float = 60.0
    first_s: float = 0.5
    longest_s: float = 10.0
    clock: Clock = field(default_factory=SystemClock, repr=False)

    def pause_s(self, attempt: int, retry_after_s: float | None) -> float:
        """Seconds to wait after attempt number `attempt` (from 1); never less than what the server asked for.

        Half of the back-off is random, so that many clients turned away at once do not come back at once.
        """
        backoff = min(self.longest_s, self.first_s * 2.0 ** (attempt - 1)) * (0.5 + 0.5 * self.clock.jitter())
        return backoff if retry_after_s is None else max(backoff, retry_after_s + 0.1 * backoff)
