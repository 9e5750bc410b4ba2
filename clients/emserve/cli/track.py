"""`emserve track`: the lines of a video, frame by frame as they are analysed."""

from __future__ import annotations

import argparse
import sys

from emserve._extras import require
from emserve.cli.progress import FrameProgress
from emserve.cli.report import Table, shortened, warning_lines
from emserve.cli.track_outputs import TrackOutputs
from emserve.cli.usage import UsageError
from emserve.client import Client
from emserve.exceptions import EmserveError, InvalidParameter, MissingDependency
from emserve.results import DislocationsTracks, DislocationTrack
from emserve.retries import Retries

_HEADINGS = ("line", "frames", "found in", "length", "way", "velocity", "direction")

# A video has more patience with a busy server than a single call.
_RETRIES = Retries(attempts=30, total_s=600.0)


def run(options: argparse.Namespace) -> int:
    """Follow, write, print. Returns 0 where the whole video was followed, else 1."""
    outputs = TrackOutputs(options)
    for module in outputs.drawing:
        try:
            require(module, extra="plot", purpose="A picture")
        except MissingDependency as error:
            raise UsageError(str(error)) from error
    stream = sys.stderr if outputs.uses_stdout else sys.stdout
    failure: EmserveError | OSError | None = None
    tracks: DislocationsTracks | None = None
    try:
        with outputs, Client(options.url, options.api_key, options.timeout, retries=_RETRIES) as client:
            failure, tracks = _follow(client, options, outputs)
            if tracks is not None:
                outputs.tracks(tracks)
            if isinstance(failure, EmserveError):
                outputs.error(failure)
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        raise UsageError(f"{error.filename or 'output'}: {error.strerror or error}") from error
    if tracks is not None:
        table = Table(_HEADINGS, [_row(track) for track in tracks.tracks])
        print(f"{shortened(options.video.name)}: {_counted(tracks)}", file=stream)
        for line in [*table.lines(), *warning_lines(tracks)]:
            print(line, file=stream)
    if failure is None:
        return 0
    if isinstance(failure, InvalidParameter) and tracks is None:
        raise failure
    text = (failure.strerror or str(failure)) if isinstance(failure, OSError) else str(failure)
    print(f"emserve: {options.video}: {text}", file=sys.stderr)
    return 1


def _follow(
    client: Client, options: argparse.Namespace, outputs: TrackOutputs
) -> tuple[EmserveError | OSError | None, DislocationsTracks | None]:
    """What ended the video before its end, if anything did, and the tracks so far."""
    with FrameProgress(sys.stderr) as progress:
        try:
            frames = client.dislocations_stack(
                options.video,
                pixel_size_nm=options.pixel_size_nm,
                frame_time_s=options.frame_time_s,
                model=options.model,
                threshold=options.threshold,
                gate_px=options.gate_px,
                memory=options.memory,
                correct_drift=False if options.no_drift else None,
                shear_modulus_gpa=options.shear_modulus_gpa,
                burgers_vector_nm=options.burgers_vector_nm,
                pictures=outputs.films,
            )
        except (EmserveError, OSError) as error:
            return error, None
        with frames:
            while True:
                try:
                    frame = next(frames, None)
                except EmserveError as error:
                    return error, frames.tracks
                if frame is None:
                    return None, frames.tracks
                outputs.frame(frame)
                progress.advance(frame.micrograph.frames)


def _counted(tracks: DislocationsTracks) -> str:
    many, count = len(tracks.tracks), tracks.frames
    return f"{many:,} line{'s' * (many != 1)} in {count:,} frame{'s' * (count != 1)}"


def _row(track: DislocationTrack) -> tuple[str, ...]:
    per_frame, error = track.velocity_px_per_frame, track.velocity_std_px_per_frame
    unit = "px/frame"
    if track.velocity_nm_per_s is not None:
        per_frame, error, unit = track.velocity_nm_per_s, track.velocity_std_nm_per_s, "nm/s"
    velocity = "unknown" if per_frame is None else f"{per_frame:.3g}" + (f" ± {error:.2g}" if error is not None else "")
    return (
        str(track.number),
        f"{track.first_frame}-{track.last_frame}",
        str(track.finds),
        _length(track.length_nm, track.length_px),
        _length(track.displacement_nm, track.displacement_px),
        velocity if per_frame is None else f"{velocity} {unit}",
        "none" if track.glide_angle_deg is None else f"{track.glide_angle_deg:.0f}°",
    )


def _length(in_nm: float | None, in_px: float) -> str:
    return f"{in_px:.4g} px" if in_nm is None else f"{in_nm:.4g} nm"
