"""A clock that nobody waits for."""

from __future__ import annotations


class FakeClock:
    """Time that passes only when somebody sleeps; `slept_s` lists how long."""

    def __init__(self, jitter: float = 0.5) -> None:
        self.now_s = 0.0
        self.slept_s: list[float] = []
        self._jitter = jitter

    def monotonic(self) -> float:
        return self.now_s

    def time(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)
        self.now_s += seconds

    async def sleep_async(self, seconds: float) -> None:
        self.sleep(seconds)

    def jitter(self) -> float:
        return self._jitter
