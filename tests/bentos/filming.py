"""Films of dark lines that move as is known, and what the service answers for them."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import numpy as np

from emserve.results import DislocationsFrame, DislocationsTracks, StackError, StackMessage, stack_message
from tests.bentos.asking import png

STACK = "/v1/dislocations/stack"
HEIGHT, WIDTH = 128, 160
LINES, SPACING_PX, STEP_PX = 3, 40.0, 2.0


def line_pixels(frame: int = 0, *, height: int = HEIGHT) -> np.ndarray:
    """(height, WIDTH) uint8: bowed lines from top to bottom, 4 px wide, `STEP_PX` further right in each frame."""
    y, x = np.mgrid[:height, :WIDTH]
    bow = 12 * np.sin(np.pi * y / HEIGHT)
    across = [np.abs(x - bow - 20 - SPACING_PX * k - STEP_PX * frame) for k in range(LINES)]
    inside = (y > 15) & (y < HEIGHT - 16)
    noise = np.random.default_rng(frame).normal(0, 3, (height, WIDTH))
    return np.clip(np.where((np.min(across, axis=0) < 2) & inside, 40, 200) + noise, 0, 255).astype(np.uint8)


def film(frames: int) -> np.ndarray:
    """(frames, HEIGHT, WIDTH) uint8."""
    return np.stack([line_pixels(k) for k in range(frames)])


def zipped(*members: bytes, suffix: str = "png") -> bytes:
    """A ZIP as the client packs a folder."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for k, member in enumerate(members):
            archive.writestr(f"{k:06d}_frame.{suffix}", member)
    return stream.getvalue()


def zipped_film(frames: int) -> bytes:
    """A film as a ZIP of PNGs."""
    return zipped(*[png(picture) for picture in film(frames)])


def messages(answer: Any) -> list[StackMessage]:
    """The messages of an answer in lines."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert answer.text.endswith("\n")
    made = [stack_message(line) for line in answer.text.splitlines()]
    assert all(message is not None for message in made)
    return [message for message in made if message is not None]


def parts(answer: Any) -> tuple[list[DislocationsFrame], DislocationsTracks, StackError | None]:
    """Frames, tracks and error of an answer, which come in that order."""
    told = messages(answer)
    error = told.pop() if isinstance(told[-1], StackError) else None
    *frames, tracks = told
    assert all(isinstance(frame, DislocationsFrame) for frame in frames)
    assert isinstance(tracks, DislocationsTracks)
    assert tracks.frames == len(frames)
    assert [frame.number for frame in frames] == list(range(len(frames)))
    return frames, tracks, error  # type: ignore[return-value]


def kinds(text: str) -> list[str]:
    """What the lines of an answer are."""
    return [json.loads(line)["kind"] for line in text.splitlines()]
