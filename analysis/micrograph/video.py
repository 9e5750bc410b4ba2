"""MP4, MOV, AVI, MKV and WebM, decoded by PyAV.

PyAV (`av`, BSD-3-Clause) brings FFmpeg's libraries in one wheel of 35 MB: LGPL, and the encoders x264 and x265 beside
them, GPL, of which none is used here. So it is optional, and this is the one module that imports it. Of its peers,
OpenCV gives 8 bit in three colours and neither times nor errors, and imageio-ffmpeg starts the program `ffmpeg`.

FFmpeg is only let at a file in a child process with limits (`isolation`, `streaming`). The format is the one that the
first bytes say, the codecs are those below, and the file is handed over as a stream of bytes: no playlist or reference
inside it makes FFmpeg open another file or an address.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.micrograph import isolation
from analysis.micrograph.containers import is_cut_off
from analysis.micrograph.picture import Picture, Request, broken, check_frame, check_size, not_a_picture
from emserve.exceptions import MissingDependency, UnreadableMicrograph, UnsupportedFormat
from emserve.results import Notice

if TYPE_CHECKING:
    from av import VideoFrame, VideoStream
    from av.container import InputContainer

_DEMUXERS = {"mp4": "mov", "avi": "avi", "mkv": "matroska"}
# What cameras and converters write, and what keeps every grey value.
_CODECS = (
    "h264", "hevc", "av1", "libdav1d", "vp8", "vp9", "mpeg4", "msmpeg4v2", "msmpeg4v3", "mpeg1video", "mpeg2video",
    "mjpeg", "jpeg2000", "png", "rawvideo", "ffv1", "huffyuv", "ffvhuff", "utvideo", "magicyuv", "lagarith", "prores",
    "dnxhd", "cfhd", "dvvideo", "cinepak", "msvideo1", "qtrle", "svq3"
)  # fmt: skip
_UNEVEN = 0.01  # the mean and the smallest time between frames differ by more: the times vary
_LATE = 0.25  # of the time between frames; some containers round times to 1 ms
_GAP = 1.5  # times the time between frames: more than this and a frame is missing
_TIMES_VARY = Notice(
    code="frame_times_vary",
    message="The times between the frames of the video vary, or frames are missing.",
    remedy="Trust no velocity per second, or convert the video to a constant rate.",
)


def check_installed() -> None:
    """Raises MissingDependency where PyAV is not there."""
    if find_spec("av") is None:
        raise MissingDependency("Videos are read by PyAV, which is not installed.", remedy="Run: pip install av")


def read(data: bytes, request: Request, format: str) -> Picture:
    """One frame of a video, in a child process.

    Raises
    ------
    MissingDependency: PyAV is not installed. UnreadableMicrograph, TooLarge, InvalidParameter as everywhere.
    """
    check_installed()
    return isolation.read(data, request, format)


def read_frame(path: Path, format: str, request: Request) -> Picture:
    """The frame that is asked for; called in the child process."""
    number = 0
    for number, picture in enumerate(frames(path, format, request), 1):
        if number > request.frame:
            return picture
    check_frame(number, request)
    raise broken(format)


def frames(path: Path, format: str, request: Request) -> Iterator[Picture]:
    """Frame after frame, grey or in colours of 8 or 16 bit, as they are shown; called in the child process.

    A frame that its decoder finds damaged ends it: what it would make of one is invented. Not every codec can tell.

    Raises
    ------
    UnreadableMicrograph: no video in the file, or, behind its last whole frame, that it is broken or cut off.
    TooLarge, UnsupportedFormat: refused by the header alone.
    """
    import av

    cut = is_cut_off(path, format)
    options = {"codec_whitelist": ",".join(_CODECS)}
    try:
        with path.open("rb") as file, av.open(file, "r", format=_DEMUXERS[format], options=options) as container:
            stream = _stream(container)
            check_size(stream.codec_context.width, stream.codec_context.height, request)
            stream.codec_context.thread_count = 1
            stream.codec_context.options = {"max_pixels": str(request.max_pixels), "err_detect": "crccheck+explode"}
            about = _about(container, stream)
            last: float | None = None
            for number, frame in enumerate(_decoded(container, stream, cut), 1):
                check_size(frame.width, frame.height, request)
                time_s = float(frame.pts * stream.time_base) if frame.pts is not None and stream.time_base else None
                if about.frame_time_s and not _follows(last, time_s, about.frame_time_s):
                    about = replace(about, frame_time_s=None, notices=(*about.notices, _TIMES_VARY))
                last = time_s
                yield replace(about, pixels=_pixels(frame), frames=max(about.frames, number))
    except av.FFmpegError as error:
        raise _cut_off(format) if cut else broken(format) from error
    if cut:
        raise _cut_off(format)


def _stream(container: InputContainer) -> VideoStream:
    streams = [one for one in container.streams.video if not one.disposition & one.disposition.attached_pic]
    if not streams:
        raise not_a_picture("sound" if container.streams.audio else "no frames")
    name = streams[0].codec_context.name if streams[0].codec_context else "unknown"
    if name not in _CODECS:
        raise UnsupportedFormat(
            f"The video is encoded with {name}, which is not read.",
            remedy="Convert it, for example: ffmpeg -i VIDEO -c:v ffv1 video.mkv",
        )
    return streams[0]


def _about(container: InputContainer, stream: VideoStream) -> Picture:
    """What the header says of all frames; their pixels are still to come."""
    rate, smallest = stream.average_rate, stream.base_rate
    count = stream.frames
    if not count and rate and container.duration:
        count = round(container.duration * 1e-6 * rate)
    if not count:  # a stream that was recorded live: at least one more may follow
        count = 2
    notices = []
    even = rate and smallest and abs(float(rate / smallest) - 1) < _UNEVEN
    if rate and not even:
        notices.append(_TIMES_VARY)
    aspect = stream.sample_aspect_ratio
    if aspect and aspect != 1:
        message = f"The pixels of the video are {aspect.numerator} × {aspect.denominator}, not square, as it says."
        remedy = "Pass pixel_size_nm for x and y, in that ratio."
        notices.append(Notice(code="pixels_not_square", message=message, remedy=remedy))
    time_s = float(1 / rate) if rate and even else None
    return Picture(np.empty(0), count, notices=tuple(notices), frame_time_s=time_s)


def _follows(last_s: float | None, time_s: float | None, step_s: float) -> bool:
    return last_s is None or time_s is None or abs(time_s - last_s - step_s) <= _LATE * step_s


def _decoded(container: InputContainer, stream: VideoStream, cut: bool) -> Iterator[VideoFrame]:
    """The frames in the order in which they are shown, up to the first that is not whole.

    A decoder holds frames back to bring them into that order. Where the file breaks off, some of those before the
    last ones are missing; their times tell.
    """
    import av

    last: Any = None
    step: Any = None
    problem: Exception | None = None
    frame: Any
    try:
        for packet in container.demux(stream):
            if packet.is_corrupt:
                raise av.InvalidDataError(0, "cut off", None)
            if not packet.size:  # behind the last one
                break
            for frame in packet.decode():
                if frame.is_corrupt:
                    raise av.InvalidDataError(0, "damaged", None)
                if last is not None and frame.pts is not None and frame.pts > last:
                    step = min(step or frame.pts - last, frame.pts - last)
                last = frame.pts
                yield frame
    except av.FFmpegError as error:
        problem = error
    held: list[Any] = []
    try:
        held = stream.codec_context.decode(None)
    except av.FFmpegError as error:
        problem = problem or error
    for frame in held:
        in_order = last is None or not step or (frame.pts is not None and frame.pts - last <= _GAP * step)
        if (cut or problem) and (frame.is_corrupt or not in_order):
            break
        last = frame.pts
        yield frame
    if problem:
        raise problem


def _pixels(frame: VideoFrame) -> np.ndarray:
    """As shown: 0 to 255 or to 65535 over the range of the video, turned as it says."""
    deep = any(component.bits > 8 for component in frame.format.components)
    colours = frame.format.is_rgb or frame.format.has_palette or frame.format.is_bayer
    names = {(False, False): "gray", (False, True): "gray16le", (True, False): "rgb24", (True, True): "rgb48le"}
    pixels = frame.to_ndarray(format=names[bool(colours), deep])
    return np.rot90(pixels, round(frame.rotation / 90))


def _cut_off(format: str) -> UnreadableMicrograph:
    return UnreadableMicrograph(
        f"The {format} file is cut off.",
        remedy="Send the whole file. An MP4 that was not closed by its recorder has no index and cannot be read.",
    )
