"""Reading frame after frame in a process of its own: videos, and stacks whose readers cannot be trusted with the file.

As `isolation`, but the child process stays, reads the file once, and sends each frame through a pipe when it is asked
for. It has limits of memory, and of time per frame: one that crashes, loops or waits is an error at that frame.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import numpy as np

from analysis.micrograph import formats
from analysis.micrograph.isolation import (
    MOST_CPU_S,
    MOST_WALL_S,
    as_answer,
    environment,
    error_as_answer,
    from_answer,
    limit,
    most_memory,
)
from analysis.micrograph.picture import Picture, Request, broken
from analysis.micrograph.sniff import VIDEOS
from emserve.exceptions import EmserveError, InternalError

_LONGEST_LINE = 1 << 20


def frames(path: Path, request: Request, format: str) -> Generator[Picture, None, None]:
    """All frames of a file on the disk; closing the generator ends the child process.

    Raises
    ------
    EmserveError: what the reader raised there, or `UnreadableMicrograph` where it crashed or did not come to an end.
    InternalError: no temporary folder or no process can be made.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="emserve-", ignore_cleanup_errors=True) as folder:
            job = {
                "path": str(_named(path, Path(folder, f"micrograph.{format}"))),
                "format": format,
                "max_pixels": request.max_pixels,
                "limit": most_memory(request.max_pixels) + path.stat().st_size,
            }
            with _child(job, Path(folder)) as process:
                while True:
                    picture = _next(process, format)
                    if picture is None:
                        return
                    yield picture
    except OSError as error:
        raise InternalError(
            "The server could not read the file in a process of its own.",
            remedy="Give the server a temporary folder that it can write to (TMPDIR).",
        ) from error


def _named(path: Path, link: Path) -> Path:
    """The file under a name with the ending that its reader insists on."""
    try:
        link.symlink_to(path.resolve())
    except OSError:  # Windows asks for a privilege
        shutil.copyfile(path, link)
    return link


@contextmanager
def _child(job: dict[str, Any], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-c", "from analysis.micrograph.streaming import main; main()", json.dumps(job)],
        env=environment(folder),
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()


def _next(process: subprocess.Popen[bytes], format: str) -> Picture | None:
    """The next frame that the child process sends, None behind the last."""
    assert process.stdout is not None
    watchdog = threading.Timer(MOST_WALL_S, process.kill)
    watchdog.daemon = True
    watchdog.start()
    try:
        line = process.stdout.readline(_LONGEST_LINE)
        if not line.endswith(b"\n"):
            raise broken(format)
        answer = json.loads(line)
        if not answer:
            return None
        pipe = process.stdout
        return from_answer(answer, lambda: _pixels(pipe, np.dtype(answer["dtype"]), answer["shape"], format))
    finally:
        watchdog.cancel()


def _pixels(pipe: IO[bytes], dtype: np.dtype, shape: list[int], format: str) -> np.ndarray:
    pixels = np.empty(shape, dtype)
    view = pixels.reshape(-1).view(np.uint8).data
    at = 0
    while at < len(view):
        count = pipe.readinto(view[at:])  # type: ignore[attr-defined]
        if not count:
            raise broken(format)
        at += count
    return pixels


def main() -> None:
    """The child process: read what the argument names, write each frame to the standard output."""
    job = json.loads(sys.argv[1])
    limit(job["limit"], None)
    with os.fdopen(os.dup(1), "wb") as pipe:
        os.dup2(2, 1)  # what libraries print must not come between
        try:
            _grant_time()
            for picture in _frames(Path(job["path"]), job["format"], Request(0, job["max_pixels"], partial=True)):
                _send(pipe, picture)
                _grant_time()
            last: dict[str, Any] = {}
        except (MemoryError, EmserveError) as error:
            last = error_as_answer(error)
        pipe.write(json.dumps(last).encode() + b"\n")


def _frames(path: Path, format: str, request: Request) -> Iterator[Picture]:
    if format == "tiff":
        from analysis.micrograph import tiff

        yield from tiff.pages_with_pillow(path, request)
    elif format in VIDEOS:
        from analysis.micrograph import video

        yield from video.frames(path, format, request)
    else:
        stack = formats.open_stack(path, format, request)
        for frame in range(stack.frames):
            yield stack.picture(replace(request, frame=frame))


def _send(pipe: IO[bytes], picture: Picture) -> None:
    pixels = np.ascontiguousarray(picture.pixels)
    head = {**as_answer(picture), "dtype": pixels.dtype.str, "shape": pixels.shape}
    pipe.write(json.dumps(head).encode() + b"\n")
    pipe.write(pixels.reshape(-1).view(np.uint8).data)
    pipe.flush()


def _grant_time() -> None:
    """So many seconds of a core from now on, for the next frame."""
    try:
        import resource
    except ImportError:
        return
    usage = resource.getrusage(resource.RUSAGE_SELF)
    used_s = math.ceil(usage.ru_utime + usage.ru_stime)
    resource.setrlimit(resource.RLIMIT_CPU, (used_s + MOST_CPU_S, resource.RLIM_INFINITY))
