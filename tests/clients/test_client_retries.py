"""When the client tries again, and how long it waits: no real second passes here."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emserve import AsyncClient, Busy, Client, EmserveError, InternalError, InvalidParameter, Retries, Unavailable
from emserve.testing import FakeClock, FakeServer

both = pytest.mark.parametrize("kind", [Client, AsyncClient])


def atoms(kind: type, transport: httpx.MockTransport, retries: Retries) -> Any:
    if kind is Client:
        with Client(transport=transport, retries=retries) as client:
            return client.atoms(b"bytes")

    async def wait() -> Any:
        async with AsyncClient(transport=transport, retries=retries) as client:
            return await client.atoms(b"bytes")

    return asyncio.run(wait())


@both
def test_a_busy_server_is_asked_again_with_the_same_bytes(kind: type, caplog: pytest.LogCaptureFixture) -> None:
    clock = FakeClock(jitter=1.0)
    server = FakeServer(errors=[Busy("The queue is full."), Unavailable("Loading."), Busy("The queue is full.")])
    with caplog.at_level(logging.INFO, "emserve"):
        result = atoms(kind, server.transport, Retries(clock=clock))
    assert result.statistics.count == 4
    assert [request.file for request in server.requests] == [b"bytes"] * 4
    assert len({request.headers["X-Request-Id"] for request in server.requests}) == 1
    assert clock.slept_s == [0.5, 1.0, 2.0]
    assert "Attempt 2 of 5" in caplog.text


@both
def test_the_last_error_is_raised_after_the_last_attempt(kind: type) -> None:
    clock = FakeClock()
    server = FakeServer(errors=[Busy(f"Full {i}.", retry_after_s=2) for i in range(9)])
    with pytest.raises(Busy, match="Full 2") as caught:
        atoms(kind, server.transport, Retries(attempts=3, clock=clock))
    assert caught.value.retry_after_s == 2.0
    assert len(server.requests) == 3
    assert len(clock.slept_s) == 2


def test_the_server_is_not_asked_before_its_retry_after() -> None:
    clock = FakeClock(jitter=0.0)
    server = FakeServer(errors=[Busy("Full.", retry_after_s=7)])
    atoms(Client, server.transport, Retries(clock=clock))
    assert 7.0 < clock.slept_s[0] < 7.5


def test_a_retry_after_may_be_a_date() -> None:
    clock = FakeClock()
    clock.now_s = 784111777.0  # Sun, 06 Nov 1994 08:49:37 GMT
    answers = [httpx.Response(503, headers={"Retry-After": "Sun, 06 Nov 1994 08:49:47 GMT"}), None]
    server = FakeServer()

    def answer(request: httpx.Request) -> httpx.Response:
        return answers.pop(0) or server.transport.handler(request)

    atoms(Client, httpx.MockTransport(answer), Retries(clock=clock))
    assert 10.0 <= clock.slept_s[0] <= 11.0


@pytest.mark.parametrize("value", ["soon", "-5", "1e9999", "²"])
def test_a_retry_after_that_is_neither_is_ignored(value: str) -> None:
    clock = FakeClock(jitter=1.0)
    answers = [httpx.Response(429, headers={"Retry-After": value.encode()}), None]
    server = FakeServer()

    def answer(request: httpx.Request) -> httpx.Response:
        return answers.pop(0) or server.transport.handler(request)

    atoms(Client, httpx.MockTransport(answer), Retries(clock=clock))
    assert clock.slept_s == [0.5]


def test_a_wait_beyond_the_total_time_is_not_begun() -> None:
    clock = FakeClock()
    server = FakeServer(errors=[Busy("Full.", retry_after_s=3600)])
    with pytest.raises(Busy):
        atoms(Client, server.transport, Retries(clock=clock))
    assert clock.slept_s == []


@pytest.mark.parametrize("error", [InvalidParameter("No."), InternalError("A fault.")])
def test_what_will_not_get_better_is_not_asked_again(error: EmserveError) -> None:
    server = FakeServer(errors=[error])
    with pytest.raises(type(error)):
        atoms(Client, server.transport, Retries(clock=FakeClock()))
    assert len(server.requests) == 1


@both
def test_a_cut_connection_is_tried_once_more(kind: type) -> None:
    calls = 0
    server = FakeServer()

    def answer(request: httpx.Request) -> httpx.Response:
        nonlocal calls
        calls += 1
        if calls <= cuts:
            raise httpx.RemoteProtocolError("Server disconnected without sending a response.")
        return server.transport.handler(request)

    cuts = 1
    assert atoms(kind, httpx.MockTransport(answer), Retries(clock=FakeClock())).statistics.count == 4
    calls, cuts = 0, 9
    with pytest.raises(Unavailable):
        atoms(kind, httpx.MockTransport(answer), Retries(clock=FakeClock()))
    assert calls == 2


@pytest.mark.parametrize(
    "error", [httpx.ConnectError("refused"), httpx.ReadTimeout("slow"), httpx.ConnectTimeout("slow")]
)
def test_nobody_there_and_no_answer_in_time_are_not_tried_again(error: httpx.RequestError) -> None:
    calls = []

    def answer(request: httpx.Request) -> httpx.Response:
        calls.append(request)
        raise error

    with pytest.raises(EmserveError):
        atoms(Client, httpx.MockTransport(answer), Retries(clock=FakeClock()))
    assert len(calls) == 1


@given(
    attempt=st.integers(1, 60),
    jitter=st.floats(0, 1),
    wished=st.none() | st.floats(0, 1e4),
)
def test_pauses_are_bounded_and_never_shorter_than_wished(attempt: int, jitter: float, wished: float | None) -> None:
    retries = Retries(clock=FakeClock(jitter=jitter))
    pause = retries.pause_s(attempt, wished)
    assert pause >= (wished or 0.25)
    assert pause <= max(10.0, (wished or 0) + 1.0)


def test_the_real_clock_goes_on() -> None:
    clock = Retries().clock
    before = clock.monotonic()
    clock.sleep(0.001)
    asyncio.run(clock.sleep_async(0.001))
    assert clock.monotonic() > before
    assert clock.time() > 1.7e9
    assert 0 <= clock.jitter() <= 1
