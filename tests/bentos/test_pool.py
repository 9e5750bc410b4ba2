"""The queue: who is worked on, who waits, who is sent away, and what becomes of the work of those who left."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from threading import Event
from typing import Any, cast

import pytest
from starlette.requests import ClientDisconnect, Request

from bentos.pool import Pool
from emserve.exceptions import Busy, DeadlineExceeded


class Caller:
    """A client that hangs up when it is told to."""

    def __init__(self) -> None:
        self.hung_up = asyncio.Event()

    async def receive(self) -> dict[str, str]:
        await self.hung_up.wait()
        return {"type": "http.disconnect"}


async def ask(pool: Pool, work: Callable[[Event], Any], caller: Caller | None = None) -> Any:
    async with pool.place() as place:
        return await place.run(cast(Request, caller or Caller()), work)


def in_pool(workers: int, queue: int, timeout_s: float, scene: Callable[[Pool], Coroutine[Any, Any, None]]) -> None:
    pool = Pool(workers, queue, timeout_s)
    try:
        asyncio.run(scene(pool))
    finally:
        pool.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


def test_answers_and_errors_come_back() -> None:
    async def scene(pool: Pool) -> None:
        assert await ask(pool, lambda gone: 7) == 7
        with pytest.raises(ZeroDivisionError):
            await ask(pool, lambda gone: 1 // 0)
        assert await asyncio.gather(*[ask(pool, lambda gone, i=i: i) for i in range(3)]) == [0, 1, 2]

    in_pool(1, 2, 10, scene)


def test_beyond_the_queue_is_busy_and_says_when_to_come_again() -> None:
    async def scene(pool: Pool) -> None:
        release = Event()
        held = [asyncio.create_task(ask(pool, lambda gone: release.wait(10))) for _ in range(3)]
        await asyncio.sleep(0.05)
        for _ in range(5):
            with pytest.raises(Busy, match="3 places") as caught:
                await ask(pool, lambda gone: 7)
            assert 1 <= (caught.value.retry_after_s or 0) <= 60
        release.set()
        assert await asyncio.gather(*held) == [True] * 3
        assert await ask(pool, lambda gone: 7) == 7

    in_pool(1, 2, 10, scene)


def test_work_that_waits_is_dropped_when_its_client_hangs_up() -> None:
    async def scene(pool: Pool) -> None:
        release, begun = Event(), Event()
        running = asyncio.create_task(ask(pool, lambda gone: release.wait(10)))
        await asyncio.sleep(0.05)
        caller = Caller()
        waiting = asyncio.create_task(ask(pool, lambda gone: begun.set(), caller))
        await asyncio.sleep(0.05)
        caller.hung_up.set()
        with pytest.raises(ClientDisconnect):
            await waiting
        assert pool._taken == 1, "its place is free at once"
        release.set()
        await running
        assert await ask(pool, lambda gone: 7) == 7
        assert not begun.is_set()

    in_pool(1, 1, 10, scene)


def test_work_that_runs_is_told_and_keeps_its_place_until_it_ends() -> None:
    async def scene(pool: Pool) -> None:
        told, release = Event(), Event()

        def work(gone: Event) -> None:
            gone.wait(10)
            told.set()
            release.wait(10)

        caller = Caller()
        running = asyncio.create_task(ask(pool, work, caller))
        await asyncio.sleep(0.05)
        caller.hung_up.set()
        with pytest.raises(ClientDisconnect):
            await running
        await until(told.is_set)
        with pytest.raises(Busy):
            await ask(pool, lambda gone: 7)
        release.set()
        await until(lambda: pool._taken == 0)
        assert await ask(pool, lambda gone: 7) == 7

    in_pool(1, 0, 10, scene)


def test_the_time_limit_names_what_took_long() -> None:
    async def scene(pool: Pool) -> None:
        release = Event()
        running = asyncio.create_task(ask(pool, lambda gone: release.wait(10)))
        await asyncio.sleep(0.02)
        waiting = asyncio.create_task(ask(pool, lambda gone: 7))
        with pytest.raises(DeadlineExceeded, match="not done"):
            await running
        with pytest.raises(DeadlineExceeded, match="still waited"):
            await waiting
        with pytest.raises(DeadlineExceeded, match="upload was not complete"):
            async with pool.place():
                await asyncio.sleep(10)
        release.set()
        await until(lambda: pool._taken == 0)
        assert await ask(pool, lambda gone: 7) == 7

    in_pool(1, 3, 0.2, scene)


def test_a_time_limit_of_the_work_itself_is_no_deadline() -> None:
    async def scene(pool: Pool) -> None:
        def work(gone: Event) -> None:
            raise TimeoutError("inner")

        with pytest.raises(TimeoutError, match="inner"):
            await ask(pool, work)

    in_pool(1, 0, 10, scene)


def test_a_stack_takes_turns_with_pictures() -> None:
    async def scene(pool: Pool) -> None:
        order: list[str] = []
        begun, release = Event(), Event()

        def frame(gone: Event) -> None:
            order.append("frame")
            begun.set()
            release.wait(10)

        async def stack() -> None:
            async with pool.place(of_stack=True) as place:
                for _ in range(3):
                    await place.run(cast(Request, Caller()), frame)

        running = asyncio.create_task(stack())
        await until(begun.is_set)
        pictures = [asyncio.create_task(ask(pool, lambda gone: order.append("picture"))) for _ in range(2)]
        await asyncio.sleep(0.05)
        release.set()
        await asyncio.gather(running, *pictures)
        assert order == ["frame", "picture", "picture", "frame", "frame"]

    in_pool(1, 2, 10, scene)


def test_no_more_stacks_than_threads_so_that_pictures_find_places() -> None:
    async def scene(pool: Pool) -> None:
        async with pool.place(of_stack=True), pool.place(of_stack=True):
            with pytest.raises(Busy, match="2 stacks are being followed") as caught:
                async with pool.place(of_stack=True):
                    pass
            assert 1 <= (caught.value.retry_after_s or 0) <= 60
            assert await ask(pool, lambda gone: 7) == 7
        async with pool.place(of_stack=True) as place:
            assert await place.run(cast(Request, Caller()), lambda gone: 7) == 7
        assert (pool._taken, pool._stacks) == (0, 0)

    in_pool(2, 2, 10, scene)


def test_the_time_limit_ends_with_the_first_part_of_an_answer() -> None:
    async def scene(pool: Pool) -> None:
        async with pool.place(of_stack=True) as place:
            place.unlimited()
            await asyncio.sleep(0.3)
        with pytest.raises(DeadlineExceeded):
            async with pool.place(of_stack=True):
                await asyncio.sleep(10)
        assert pool._stacks == 0

    in_pool(1, 0, 0.1, scene)
