"""A video's frames in, its messages out: dislocation lines followed over the frames, an answer as each is made.

`messages` is the way of one video, plain Python, one thread at a time. `Stack` is its HTTP: JSON lines, each written
before the next frame is begun, so that neither frames nor answers pile up, however slowly somebody reads.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Generator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from threading import Event

from starlette.requests import ClientDisconnect, Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from analysis.dislocations.answer import StackAnswer
from analysis.dislocations.stack import StackAnalysis
from analysis.micrograph import Micrograph, read_frames
from bentos import errors, metrics, preview, uploads
from bentos.dislocations import FAMILY, line_tension
from bentos.family import Abandoned, Watched
from bentos.models import Models
from bentos.parameters import StackForm, parse
from bentos.pool import Place, Pool
from bentos.settings import Settings
from emserve.exceptions import DeadlineExceeded, EmserveError
from emserve.results import DislocationsFrame, Notice, StackError, StackMessage
from model_store.request import REQUEST_ID

log = logging.getLogger("emserve.service")

PATH = f"/v1/{FAMILY.name}/stack"
MEDIA_TYPE = "application/x-ndjson"
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # a proxy must not wait for the end

Messages = Generator[StackMessage, None, None]


def messages(
    path: Path, form: StackForm, models: Models, *, limits: Settings, request_id: str, gone: Event
) -> Messages:
    """The messages for a video, in their order: frames, tracks, and where it breaks off the error.

    Raises what is wrong before the first frame is answered, and nothing after it. When `gone` is set, the frame that is
    worked on is given up between two tiles.
    """
    tension = line_tension(form)
    model = models.get(form.model, FAMILY.name)
    stack = StackAnalysis(
        Watched(model, gone),
        FAMILY.spec_of(model.manifest),
        threshold=form.threshold,
        tension=tension,
        gate_px=form.gate_px,
        memory=form.memory,
        correct_drift=form.correct_drift,
    )
    answer = StackAnswer(request_id, form.frame_time_s, form.gate_px, form.memory, form.correct_drift)
    count = 0
    broken: EmserveError | None = None
    with closing(read_frames(path, pixel_size_nm=form.pixel_size_nm, max_pixels=limits.max_pixels)) as frames:
        try:
            while (message := _next(frames, stack, answer, pictures=form.pictures)) is not None:
                count += 1
                yield message
        except Exception as error:
            if not count:
                raise
            broken = _told(error, request_id, limits.timeout_s)
    tracks = answer.tracks(stack.tracks())
    if count > 1 and form.frame_time_s is None and answer.frame_time_s is not None:
        tracks = tracks.model_copy(update={"warnings": [*tracks.warnings, _of_the_file(answer.frame_time_s)]})
    yield tracks
    if broken is not None:
        yield StackError.of(broken)


def _next(
    frames: Generator[Micrograph, None, None], stack: StackAnalysis, answer: StackAnswer, *, pictures: bool
) -> DislocationsFrame | None:
    begin = time.perf_counter()
    micrograph = next(frames, None)
    if micrograph is None:
        return None
    read_ms = 1000 * (time.perf_counter() - begin)
    if answer.frame_time_s is None:
        answer.frame_time_s = micrograph.frame_time_s
    frame = stack.add(micrograph)
    timings = frame.lines.timings_ms.model_copy(update={"read": read_ms})
    message = answer.frame(
        micrograph,
        replace(frame, lines=replace(frame.lines, timings_ms=timings)),
        picture=preview.png_of(micrograph.pixels) if pictures else None,
    )
    metrics.count(message)
    return message


def _of_the_file(frame_time_s: float) -> Notice:
    return Notice(
        code="frame_time_of_the_file",
        message=f"The time from one frame to the next, {frame_time_s:.4g} s, is the file's; a video may have been "
        "recorded at another speed than it is played at.",
        remedy="Pass frame_time_s if it was.",
    )


def _told(error: Exception, request_id: str, timeout_s: float) -> EmserveError:
    """What the caller is told of the end of a video."""
    if isinstance(error, EmserveError):
        return error
    if isinstance(error, Abandoned):
        return DeadlineExceeded(
            f"The next frame was not done when the time limit of {timeout_s:g} s was over.",
            remedy="Send smaller frames, or fewer stacks at once. The server's limit is EMSERVE_TIMEOUT_S.",
        )
    log.error("request %s failed", request_id, exc_info=error)
    return errors.unexpected(request_id)


class Stack(StreamingResponse):
    """The answer of `POST /v1/dislocations/stack`; it reads the request, too: one place in the queue for all of it."""

    media_type = MEDIA_TYPE

    def __init__(self, settings: Settings, models: Models, pool: Pool) -> None:
        super().__init__((), headers=HEADERS)
        self._settings = settings
        self._models = models
        self._pool = pool

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        course: Messages | None = None

        def end() -> None:
            if course is not None:
                course.close()
            folder.cleanup()

        async with self._pool.place(of_stack=True) as place:
            folder = uploads.temporary_folder()
            try:
                path, fields = await uploads.read_to_disk(request, StackForm, Path(folder.name))
                course = messages(
                    path,
                    parse(StackForm, fields),
                    self._models,
                    limits=self._settings,
                    request_id=request.state.request_id,
                    gone=place.gone,
                )
                await self._write(course, place, request, send)
            finally:
                place.gone.set()
                if place.work is None or place.work.done():
                    await asyncio.to_thread(end)
                else:  # a generator that runs cannot be closed
                    place.work.add_done_callback(lambda _: end())

    async def _write(self, course: Messages, place: Place, request: Request, send: Send) -> None:
        def work(gone: Event) -> tuple[StackMessage, bytes] | None:
            REQUEST_ID.set(request.state.request_id)  # of this thread, which may be another one for each frame
            message = next(course, None)
            return None if message is None else (message, message.model_dump_json().encode() + b"\n")

        made = await place.run(request, work)
        place.unlimited()
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        try:
            while made is not None:
                message, line = made
                if isinstance(message, StackError):
                    request.state.error = message.error.code
                async with asyncio.timeout(self._pool.timeout_s):  # for somebody who does not read on
                    await send({"type": "http.response.body", "body": line, "more_body": True})
                late = asyncio.get_running_loop().call_later(self._pool.timeout_s, place.gone.set)
                try:
                    made = await place.run(request, work)
                finally:
                    late.cancel()
        except (ClientDisconnect, TimeoutError):
            return
        await send({"type": "http.response.body", "body": b""})
