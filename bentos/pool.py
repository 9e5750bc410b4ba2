"""Who is worked on, who waits, and who is sent away: a few threads behind a bounded queue."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from threading import Event
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request

from bentos import metrics
from emserve.exceptions import Busy, DeadlineExceeded

T = TypeVar("T")

LONGEST_WAIT_S = 60
STACK_WAIT_S = 15


class Place:
    """A place in the queue, held from before the body is read until the work is done or dropped."""

    def __init__(self, executor: ThreadPoolExecutor, limit: asyncio.Timeout) -> None:
        self._executor = executor
        self._limit = limit
        self.work: Future[Any] | None = None
        self.gone = Event()

    async def run(self, request: Request, work: Callable[[Event], T]) -> T:
        """The result of `work(gone)` in a thread; raises ClientDisconnect as soon as the client hangs up.

        `gone` is set when nobody waits for the answer any more: work that has a point where it can stop looks at it.
        """
        metrics.QUEUE_WAITING.inc()
        self.work = self._executor.submit(self._begun, work)
        self.work.add_done_callback(lambda done: metrics.QUEUE_WAITING.dec() if done.cancelled() else None)
        answer = asyncio.wrap_future(self.work)
        hang_up = asyncio.ensure_future(_hang_up(request))
        try:
            await asyncio.wait({answer, hang_up}, return_when=asyncio.FIRST_COMPLETED)
            if not answer.done():
                raise ClientDisconnect
            return answer.result()
        finally:
            hang_up.cancel()
            self.work.cancel()  # drops work that still waits; has no effect on work that runs or is done
            answer.cancel()

    def unlimited(self) -> None:
        """The time limit ends here: of an answer in parts, the first is within it, and the others have their own."""
        self._limit.reschedule(None)

    def _begun(self, work: Callable[[Event], T]) -> T:
        metrics.QUEUE_WAITING.dec()
        with metrics.QUEUE_RUNNING.track_inprogress():
            return work(self.gone)


class Pool:
    """`workers` threads, `queue` places to wait, `timeout_s` for each request from its head to its answer.

    A stack holds one place and asks for a thread anew for each of its frames, at the end of the queue: single pictures
    are answered between two frames, and two stacks take turns. There are at most as many stacks as threads, as more
    would only slow each other down, and pictures would be sent away for minutes.
    """

    def __init__(self, workers: int, queue: int, timeout_s: float) -> None:
        self._workers = workers
        self._places = workers + queue
        self._taken = 0
        self._stacks = 0
        self.timeout_s = timeout_s
        self._usual_s = 0.5
        self._executor = ThreadPoolExecutor(workers, thread_name_prefix="emserve")

    @asynccontextmanager
    async def place(self, *, of_stack: bool = False) -> AsyncIterator[Place]:
        """A place; raises Busy where there is none, DeadlineExceeded when the time is over.

        A place that is left early (an error, the deadline, a client that hung up) drops its work if it still waits.
        Work that runs keeps the place until it ends, so that there is never more of it than the limits say.
        """
        if self._taken >= self._places:
            raise self._busy()
        if of_stack and self._stacks >= self._workers:
            raise Busy(
                f"{self._stacks} stack{'s are' if self._stacks > 1 else ' is'} being followed, which is as many as "
                "there are at a time.",
                remedy=f"Try again in {STACK_WAIT_S} s.",
                retry_after_s=STACK_WAIT_S,
            )
        self._taken += 1
        self._stacks += of_stack
        begin = time.monotonic()
        limit = asyncio.timeout(self.timeout_s)
        place = Place(self._executor, limit)
        try:
            async with limit:
                yield place
            if not of_stack:
                self._usual_s += 0.1 * (time.monotonic() - begin - self._usual_s)
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise self._late(place.work) from error
        finally:
            place.gone.set()
            if place.work is None or place.work.done():
                self._leave(of_stack)
            else:
                loop = asyncio.get_running_loop()
                place.work.add_done_callback(lambda _: loop.call_soon_threadsafe(self._leave, of_stack))

    def _leave(self, of_stack: bool) -> None:
        self._taken -= 1
        self._stacks -= of_stack

    def _busy(self) -> Busy:
        wait_s = min(LONGEST_WAIT_S, math.ceil(self._usual_s))
        return Busy(
            f"All {self._places} places of the queue are taken.",
            remedy=f"Try again in {wait_s} s, or send fewer pictures at once.",
            retry_after_s=wait_s,
        )

    def _late(self, work: Future[Any] | None) -> DeadlineExceeded:
        if work is None:
            what, remedy = "The upload was not complete", "Use a faster connection, or send a smaller file."
        elif work.cancelled():
            what, remedy = "The picture still waited", "Send fewer pictures at once."
        else:
            what, remedy = "The picture was not done", "Send a smaller picture."
        return DeadlineExceeded(
            f"{what} when the time limit of {self.timeout_s:g} s was over.",
            remedy=f"{remedy} The server's limit is EMSERVE_TIMEOUT_S.",
        )

    def close(self) -> None:
        """Ends the threads when their work is done; what still waits is dropped."""
        self._executor.shutdown(wait=True, cancel_futures=True)


async def _hang_up(request: Request) -> None:
    """Returns when the client closes the connection; its body has been read before."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
