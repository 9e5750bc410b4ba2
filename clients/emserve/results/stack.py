"""Dislocation lines over the frames of a video: what arrives, one JSON line each.

A message for each frame as soon as it is analysed, then one with the tracks over all of them. Where the video breaks
off, the frames before it have their messages, the tracks are those over these frames, and an error comes last.
"""

from __future__ import annotations

import base64
import json
from typing import ClassVar, Literal, Self

from pydantic import Field

from emserve.exceptions import EmserveError
from emserve.results.dislocations import DislocationLine, DislocationsParameters, DislocationsStatistics, SlipTrace
from emserve.results.head import Part, Result


class TrackedLine(DislocationLine):
    """One line of a frame and how it came there; the specimen's drift is taken off its motion, not off its place."""

    track: int = Field(description="number of the track that it belongs to, from 1")
    dx_px: float = Field(description="displacement in x since the track's first frame, px")
    dy_px: float = Field(description="displacement in y since the track's first frame, px")
    dx_nm: float | None = Field(description="displacement in x since the track's first frame, nm")
    dy_nm: float | None = Field(description="displacement in y since the track's first frame, nm")
    moved_px: float = Field(description="how far it moved since it was found before, px")
    moved_nm: float | None = Field(description="how far it moved since it was found before, nm")
    frames_since: int = Field(description="how many frames ago it was found before; 0: never")


class Drift(Part):
    """Where the specimen has gone since the first frame: what was at (x, y) there is at (x + dx, y + dy) here."""

    dx_px: float
    dy_px: float
    dx_nm: float | None
    dy_nm: float | None
    sure: bool = Field(description="False where it was not seen, and the last one stands")


class PairDistance(Part):
    """Mean distance of the 50 points of two tracks in one frame."""

    first: int = Field(description="number of a track")
    second: int = Field(description="number of another track, larger than the first")
    distance_px: float
    distance_nm: float | None


class DislocationsFrame(Result):
    """Dislocation lines of one frame, each with its track."""

    finding_class: ClassVar[type[Part]] = TrackedLine

    kind: Literal["frame"] = "frame"
    number: int = Field(description="of the frame in the video, from 0")
    time_s: float | None = Field(description="since the first frame; None where the time of a frame is not known")
    parameters: DislocationsParameters
    statistics: DislocationsStatistics
    lines: list[TrackedLine]
    slip_traces: list[SlipTrace]
    drift: Drift
    pairs: list[PairDistance] = Field(description="of every two lines of the frame")
    picture: str | None = Field(None, description="the frame as a PNG, 8-bit grey, in base64; where it was asked for")

    @property
    def findings(self) -> list[TrackedLine]:
        """The lines."""
        return self.lines

    @property
    def png(self) -> bytes | None:
        """The frame as the server read it: PNG, 8-bit grey, contrast stretched; None where it was not asked for."""
        return None if self.picture is None else base64.b64decode(self.picture)


class DislocationTrack(Part):
    """One line over the frames in which it was found."""

    number: int = Field(description="of the track, from 1")
    first_frame: int = Field(description="in which it was found, from 0")
    last_frame: int = Field(description="in which it was found")
    finds: int = Field(description="in how many frames it was found")
    glide_angle_deg: float | None = Field(
        description="direction of its motion, counter-clockwise from x as seen on the screen, -180 to 180; None where "
        "it moved too little to tell"
    )
    displacement_px: float = Field(description="along the glide direction, from the first to the last find, px")
    displacement_nm: float | None = Field(description="along the glide direction, nm")
    velocity_px_per_frame: float | None = Field(
        description="slope of the straight line through its positions along the glide direction; None for a single find"
    )
    velocity_std_px_per_frame: float | None = Field(description="standard error of it; None below three finds")
    velocity_nm_per_s: float | None = Field(description="None without a pixel size or the time of a frame")
    velocity_std_nm_per_s: float | None = Field(description="standard error of it")
    length_px: float = Field(description="mean over its finds, px")
    length_nm: float | None = Field(description="mean over its finds, nm")


class StackParameters(Part):
    """The parameters that the tracks were made with, defaults filled in."""

    frame_time_s: float | None = Field(description="from one frame to the next, s")
    gate_px: float = Field(description="largest distance of a line from where its track was foretold, px")
    memory: int = Field(description="so many frames a line may be missing, and its track still goes on")
    correct_drift: bool = Field(description="the specimen's drift was taken off before lines were linked")


class DislocationsTracks(Result):
    """The tracks over all frames that there were. `micrograph` is the last of them, `timings_ms` the sums."""

    finding_class: ClassVar[type[Part]] = DislocationTrack

    kind: Literal["tracks"] = "tracks"
    frames: int = Field(description="number of frames that were analysed")
    parameters: StackParameters
    tracks: list[DislocationTrack]

    @property
    def findings(self) -> list[DislocationTrack]:
        """The tracks."""
        return self.tracks


class ErrorDetail(Part):
    """What is wrong, and what to do about it."""

    code: str
    message: str
    remedy: str = ""
    field: str | None = None


class StackError(Part):
    """Why no more frames follow."""

    kind: Literal["error"] = "error"
    error: ErrorDetail

    @classmethod
    def of(cls, error: EmserveError) -> Self:
        """The message of an exception."""
        return cls.model_validate(error.to_dict())


StackMessage = DislocationsFrame | DislocationsTracks | StackError

_KINDS: dict[str, type[StackMessage]] = {
    "frame": DislocationsFrame,
    "tracks": DislocationsTracks,
    "error": StackError,
}


def stack_message(line: str | bytes) -> StackMessage | None:
    """The message of one line of JSON; None for a kind that a newer server adds.

    Raises ValueError for what is no message.
    """
    message = json.loads(line)
    if not isinstance(message, dict) or not isinstance(message.get("kind"), str):
        raise ValueError("a message is a JSON object with a `kind`")
    kind = _KINDS.get(message["kind"])
    return None if kind is None else kind.model_validate_json(line)
