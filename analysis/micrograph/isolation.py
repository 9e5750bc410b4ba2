"""Reading in a process of its own, for formats whose readers cannot be trusted with broken files.

HDF5 and some readers of RosettaSciIO crash, loop or take all memory on a file that was made or damaged so. The file is
read in a child process with limits of memory and time; when it dies, the server answers and goes on. Costs about
0.5 s a file.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from analysis.micrograph.picture import Picture, Request, Scale, broken
from emserve import exceptions
from emserve.exceptions import EmserveError, InternalError, TooLarge
from emserve.results import Notice

MOST_CPU_S = 30
MOST_WALL_S = 120  # more, because a busy server gives a child little of a core
_BASE_BYTES = 1_500_000_000  # address space of Python with numpy, h5py and dask, threads' stacks included
_BYTES_PER_PIXEL = 24  # as stored (up to 8), with a copy
_BYTES_PER_FILE_BYTE = 6


def read(data: bytes, request: Request, format: str) -> Picture:
    """Read with `formats.open_file` in a child process.

    Raises
    ------
    EmserveError: what the reader raised there, or `UnreadableMicrograph` where it crashed or did not come to an end.
    InternalError: no temporary folder or no process can be made.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="emserve-", ignore_cleanup_errors=True) as folder:
            return _read_in(Path(folder), data, request, format)
    except OSError as error:
        raise InternalError(
            "The server could not read the file in a process of its own.",
            remedy="Give the server a temporary folder that it can write to (TMPDIR), with room for the file.",
        ) from error


def _read_in(folder: Path, data: bytes, request: Request, format: str) -> Picture:
    path = folder / f"micrograph.{format}"
    path.write_bytes(data)
    limit = most_memory(request.max_pixels) + _BYTES_PER_FILE_BYTE * len(data)
    job = {
        "path": str(path), "format": format, "frame": request.frame, "max_pixels": request.max_pixels, "limit": limit
    }  # fmt: skip
    try:
        subprocess.run(
            [sys.executable, "-c", "from analysis.micrograph.isolation import main; main()", json.dumps(job)],
            env=environment(folder),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=MOST_WALL_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise broken(format) from None
    return _unpacked(json.loads((folder / "answer.json").read_text(encoding="utf-8")), folder)


def environment(folder: Path) -> dict[str, str]:
    """The environment of a child process that works in a folder."""
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(str(Path(entry).resolve()) for entry in sys.path),
        "OPENBLAS_NUM_THREADS": "1",  # its threads would reserve the address space that is limited
        "HDF5_PLUGIN_PATH": str(folder / "none"),
    }


def most_memory(max_pixels: int) -> int:
    """Bytes of address space that a child process may take to read a picture, beside what the file itself takes."""
    return _BASE_BYTES + _BYTES_PER_PIXEL * max_pixels


def _unpacked(answer: dict[str, Any], folder: Path) -> Picture:
    return from_answer(answer, lambda: np.load(folder / "pixels.npy", allow_pickle=False))


def from_answer(answer: dict[str, Any], pixels: Callable[[], np.ndarray]) -> Picture:
    """What a child process says, as `as_answer` and `error_as_answer` wrote it: a picture, or the error is raised."""
    if "error" in answer:
        kind = getattr(exceptions, answer["class"])
        raise kind(answer["error"]["message"], remedy=answer["error"]["remedy"], field=answer["error"]["field"])
    return Picture(
        pixels=pixels(),
        frames=answer["frames"],
        scale_x=Scale(*answer["scale_x"]) if answer["scale_x"] else None,
        scale_y=Scale(*answer["scale_y"]) if answer["scale_y"] else None,
        notices=tuple(Notice(**notice) for notice in answer["notices"]),
        format=answer["format"],
        frame_time_s=answer["frame_time_s"],
    )


def as_answer(picture: Picture) -> dict[str, Any]:
    """A picture without its pixels, to travel as JSON."""
    return {
        "frames": picture.frames,
        "scale_x": picture.scale_x,
        "scale_y": picture.scale_y,
        "notices": [notice.model_dump() for notice in picture.notices],
        "format": picture.format,
        "frame_time_s": picture.frame_time_s,
    }


def main() -> None:
    """The child process: read what the argument names, leave `answer.json` and `pixels.npy` beside the file."""
    job = json.loads(sys.argv[1])
    limit(job["limit"], MOST_CPU_S)
    from analysis.micrograph import formats

    path = Path(job["path"])
    answer_path = path.with_name("answer.json")
    answer_path.write_text(json.dumps(error_as_answer(broken(job["format"]))), encoding="utf-8")  # if this process dies
    try:
        picture = formats.open_file(path, job["format"], Request(job["frame"], job["max_pixels"]))
        np.save(path.with_name("pixels.npy"), picture.pixels, allow_pickle=False)
        answer = as_answer(picture)
    except (MemoryError, EmserveError) as error:
        answer = error_as_answer(error)
    answer_path.write_text(json.dumps(answer), encoding="utf-8")


def error_as_answer(error: MemoryError | EmserveError) -> dict[str, Any]:
    """An error, to travel as JSON."""
    if isinstance(error, MemoryError):
        error = TooLarge("The file needs more memory than it may take.", remedy="Crop it or bin it.")
    return {"class": type(error).__name__, **error.to_dict()}


def limit(address_space: int, cpu_s: int | None) -> None:
    """Limit this process: bytes of memory and of what it writes, and seconds of a core."""
    try:
        import resource
    except ImportError:  # Windows has only the timeout
        return
    for what, most in (
        (resource.RLIMIT_AS, address_space),
        (resource.RLIMIT_CPU, cpu_s),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, address_space),
    ):
        if most is not None:
            resource.setrlimit(what, (most, most))
