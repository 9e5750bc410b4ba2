"""Where the answers of `emserve track` go, as they arrive."""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Self, TextIO

from emserve.cli.outputs import STDOUT
from emserve.cli.usage import UsageError
from emserve.exceptions import EmserveError
from emserve.motion import Motion
from emserve.movie import Movie
from emserve.results import DislocationsFrame, DislocationsTracks, StackError, StackMessage
from emserve.tables import CsvWriter, FrameWriter

_PLOTS = (".png", ".pdf", ".svg")


class TrackOutputs:
    """Writes frames when they come and tracks at the end; a context manager. Raises UsageError for what cannot be."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._csv: str | None = options.csv
        self._tracks: str | None = options.tracks
        self._json: str | None = options.json
        self._plot: str | None = options.plot
        self._movie: str | None = options.movie
        self._check(options.video)
        self._stack = ExitStack()
        self._frame_rows: FrameWriter | None = None
        self._lines: TextIO | None = None
        self._film: Movie | None = None
        self._motion = Motion() if self._plot else None

    @property
    def uses_stdout(self) -> bool:
        """Whether the standard output carries data."""
        return STDOUT in (self._csv, self._tracks, self._json)

    @property
    def films(self) -> bool:
        """Whether frames are needed with their pictures."""
        return self._movie is not None

    @property
    def drawing(self) -> list[str]:
        """Modules that the pictures need."""
        return ["matplotlib.figure"] * bool(self._plot) + ["PIL.Image"] * bool(self._movie)

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for path in (self._csv, self._tracks, self._json, self._plot, self._movie):
                if path and path != STDOUT:
                    Path(path).parent.mkdir(parents=True, exist_ok=True)
            if self._csv:
                self._frame_rows = FrameWriter(_open(self._csv, stack))
            if self._json:
                self._lines = _open(self._json, stack)
            if self._movie:
                self._film = stack.enter_context(Movie(self._movie))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def frame(self, frame: DislocationsFrame) -> None:
        """Write one frame."""
        if self._frame_rows is not None:
            self._frame_rows.write(frame)
        if self._film is not None:
            self._film.add(frame)
        if self._motion is not None:
            self._motion.add(frame)
        self._message(frame.model_copy(update={"picture": None}))

    def tracks(self, tracks: DislocationsTracks) -> None:
        """Write what is known of the whole video."""
        self._message(tracks)
        if self._tracks:
            with ExitStack() as stack:
                CsvWriter(_open(self._tracks, stack), named=False).write(tracks)
        if self._motion is not None and self._plot:
            self._motion.plot(tracks).savefig(self._plot, dpi=150)

    def error(self, error: EmserveError) -> None:
        """Write why there are no more frames."""
        self._message(StackError.of(error))

    def _message(self, message: StackMessage) -> None:
        if self._lines is not None:
            self._lines.write(message.model_dump_json() + "\n")
            self._lines.flush()

    def _check(self, video: Path) -> None:
        texts = {"--csv": self._csv, "--tracks": self._tracks, "--json": self._json}
        mixed = [option for option, path in texts.items() if path == STDOUT]
        if len(mixed) > 1:
            raise UsageError(
                f"{mixed[0]} - and {mixed[1]} - would mix on the standard output. Give one of them a file."
            )
        pictures = {"--plot": self._plot, "--movie": self._movie}
        for option, path in pictures.items():
            if path == STDOUT:
                raise UsageError(f"{option} cannot go to the standard output. Give it a file.")
        if self._plot and Path(self._plot).suffix.lower() not in _PLOTS:
            raise UsageError(f"--plot {self._plot}: end it with {', '.join(_PLOTS[:-1])} or {_PLOTS[-1]}.")
        into_folder = self._movie and (self._movie.endswith(("/", "\\")) or Path(self._movie).is_dir())
        if self._movie and not into_folder and Path(self._movie).suffix.lower() != ".gif":
            raise UsageError(f"--movie {self._movie}: end it with .gif, or with / for PNGs in a folder.")
        places = [path for path in (*texts.values(), *pictures.values()) if path and path != STDOUT]
        resolved = [str(Path(path).resolve()).casefold() for path in places]
        source = str(video.resolve()).casefold()
        for path, place in zip(places, resolved, strict=True):
            if place == source:
                raise UsageError(f"{path} is the video and would be overwritten. Choose another place.")
            # a picture among the frames would be a frame the next time
            if video.is_dir() and Path(path).suffix.lower() == ".png" and str(Path(place).parent) == source:
                raise UsageError(f"{path} lies among the frames of the video. Choose another place.")
            if resolved.count(place) > 1:
                raise UsageError(f"{path} would be written twice. Give each output a place of its own.")


def _open(path: str, stack: ExitStack) -> TextIO:
    if path == STDOUT:
        return sys.stdout
    return stack.enter_context(Path(path).open("w", encoding="utf-8", newline=""))
