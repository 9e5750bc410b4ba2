"""From the command line to the folder: file after file, an answer each, as the service would give it."""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Event
from typing import Any, TextIO, cast

from analysis.micrograph import read, read_frames
from bentos import settings
from bentos.analyse import options as command_line
from bentos.analyse import provenance
from bentos.analyse.folder import ANSWERS, Folder, file_name, names, whole, write_text
from bentos.analyse.provenance import Failure, Input
from bentos.families import FAMILIES
from bentos.family import AnyFamily
from bentos.models import Models
from bentos.parameters import FamilyForm, StackForm, parse
from emserve import movie, overlay
from emserve._uploads import upload
from emserve.cli.batch import FAMILIES as PRINTED
from emserve.cli.report import warning_lines
from emserve.exceptions import EmserveError, InternalError
from emserve.frame_files import frame_files
from emserve.results import DefectsResult, DislocationsFrame, DislocationsResult, DislocationsTracks, Result, StackError
from emserve.results.stack import ErrorDetail
from emserve.tables import CsvWriter, FrameWriter, SummaryWriter


class Course:
    """One command line on its way.

    Raises what is wrong with it before the first file: InvalidParameter, UnknownModel, UsageError; StoreError.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self._limits = settings.from_environment()
        self._options = options
        self._family: AnyFamily = next(family for family in FAMILIES if family.name == options.command)
        self._form = cast(FamilyForm, parse(self._family.form, command_line.fields(options)))
        parameters = self._form.model_dump(mode="json")
        self._video: StackForm | None = None
        if options.command == "dislocations":
            self._video = parse(StackForm, command_line.fields_of_video(options))
            parameters |= self._video.model_dump(mode="json", exclude={"pictures"})
        self._models = Models(self._limits.families)
        self._names = names(options.files)
        model = self._models.get(self._form.model, self._family.name)
        self._family.spec_of(model.manifest)
        about = model.info.model_dump(mode="json") | {"licence": model.manifest.licence}
        parameters["model"] = model.manifest.name
        self._folder = Folder(options.out, provenance.maker(self._family.name, about, parameters))

    def run(self) -> int:
        """Analyses, prints, writes. Returns 0 where everything was done, else 1."""
        printed = PRINTED[self._family.name]
        table = printed.table(self._names)
        failed = kept = 0
        for line in table.lines():
            print(line, flush=True)
        for path, name in zip(self._options.files, self._names, strict=True):
            try:
                result = self._analyse(path, name)
            except Exception as error:
                known = _known(error)
                self._folder.fail(Failure(micrograph=name, error=_detail(known)))
                print(f"analyse: {path}: {known}", file=sys.stderr, flush=True)
                failed += 1
                continue
            if result is None:
                kept += 1
                continue
            if isinstance(result, Input):
                print(f"{name}: {result.findings:,} lines in {result.frames:,} frames", flush=True)
                if result.error is not None:
                    print(f"analyse: {path}: {result.error.message} {result.error.remedy}", file=sys.stderr, flush=True)
                    failed += 1
                continue
            for line in [table.line(printed.row(name, result)), *warning_lines(result)]:
                print(line, flush=True)
        rows = self._folder.finish()
        if kept:
            print(f"{kept} of {len(self._names)} were there already and are kept.")
        for file, count in rows.items():
            print(f"{self._folder.path / file}: {count:,} row{'s' * (count != 1)}")
        return 1 if failed else 0

    def _analyse(self, path: Path, name: str) -> Result | Input | None:
        """The answer for a picture, the entry for a video, None where the folder holds it already."""
        source = path if path.is_dir() else upload(path).content
        assert isinstance(source, Path)
        sha256 = _checksum(source)
        wanted = [word for word in ("overlay", "masks") if getattr(self._options, word, False)]
        if self._folder.holds(name, sha256, ["answer", *wanted]) is not None:
            return None
        if self._video is not None and self._options.frame is None and self._is_video(source):
            return self._follow(source, name, sha256, self._video)
        data = source.read_bytes()
        result = self._family.answer(
            data, self._form, self._models, max_pixels=self._limits.max_pixels, request_id=name[-128:], gone=Event()
        )
        files = self._write(result, file_name(name))
        if self._options.overlay:
            picture = read(data, frame=result.micrograph.frame, max_pixels=self._limits.max_pixels)
            with whole(self._folder.place("overlays", f"{file_name(name)}.png")) as part:
                overlay.draw(result, picture.pixels).save(part, format="PNG", compress_level=3)
            files["overlay"] = f"overlays/{file_name(name)}.png"
        self._folder.add(_entry(name, sha256, result, files))
        return result

    def _is_video(self, source: Path) -> bool:
        if source.is_dir():
            return True
        with closing(read_frames(source, max_pixels=self._limits.max_pixels)) as frames:
            return next(frames).frames != 1

    def _write(self, result: Result, stem: str) -> dict[str, str]:
        """The files of a picture, by what they are."""
        folder, files = self._folder, {"answer": f"{ANSWERS}/{stem}.json", ".csv": f"{ANSWERS}/{stem}.csv"}
        write_text(folder.place(ANSWERS, f"{stem}.csv"), lambda stream: _rows(result, stream))
        if isinstance(result, DefectsResult):
            write_text(
                folder.place(ANSWERS, f"{stem}.summary.csv"), lambda stream: SummaryWriter(stream).write(result, stem)
            )
            files[".summary.csv"] = f"{ANSWERS}/{stem}.summary.csv"
            if self._options.masks:
                with whole(folder.place("masks", f"{stem}.png")) as part:
                    result.to_masks(part)
                files["masks"] = f"masks/{stem}.png"
        with whole(folder.place(ANSWERS, f"{stem}.json")) as part:
            result.to_json(part, indent=2)
        return files

    def _follow(self, source: Path, name: str, sha256: str, form: StackForm) -> Input:
        """The entry for a video; raises what is wrong with it before its first frame."""
        from bentos import stacks  # brings the server's packages along

        stem, folder = file_name(name), self._folder
        course = stacks.messages(source, form, self._models, limits=self._limits, request_id=name[-128:], gone=Event())
        findings, tracks, error = 0, None, None
        files = {"answer": f"{ANSWERS}/{stem}.jsonl", ".csv": f"{ANSWERS}/{stem}.csv"}
        film = folder.place("overlays", f"{stem}.gif") if form.pictures else None
        with (
            closing(course),
            whole(folder.place(ANSWERS, f"{stem}.jsonl")) as answers,
            whole(folder.place(ANSWERS, f"{stem}.csv")) as table,
            answers.open("w", encoding="utf-8") as lines,
            table.open("w", encoding="utf-8", newline="") as rows,
        ):
            writer = FrameWriter(rows)
            with _film(film) as add:
                for message in course:
                    if isinstance(message, DislocationsFrame):
                        findings += len(message.lines)
                        writer.write(message)
                        add(message)
                        message = message.model_copy(update={"picture": None})
                    elif isinstance(message, DislocationsTracks):
                        tracks = message
                    elif isinstance(message, StackError):
                        error = message.error
                    lines.write(message.model_dump_json() + "\n")
        if tracks is None:
            raise InternalError(f"{name} ended without tracks.", remedy="Report it with the file.")
        if film is not None:
            files["overlay"] = f"overlays/{film.name}"
        told: DislocationsTracks = tracks
        write_text(
            folder.place(ANSWERS, f"{stem}.tracks.csv"), lambda stream: CsvWriter(stream, named=False).write(told)
        )
        files[".tracks.csv"] = f"{ANSWERS}/{stem}.tracks.csv"
        entry = _entry(name, sha256, tracks, files).model_copy(
            update={"findings": findings, "frames": tracks.frames, "error": error}
        )
        folder.add(entry)
        return entry


@contextmanager
def _film(path: Path | None) -> Iterator[Callable[[DislocationsFrame], None]]:
    """Takes frames with their pictures for a GIF; without a path it does nothing with them."""
    if path is None:
        yield lambda _: None
        return
    with whole(path) as part, movie.Movie(part) as film:
        yield film.add


def _rows(result: Result, stream: TextIO) -> None:
    """The findings of a picture; of dislocations under the headings of a video, so that both go into one table."""
    if isinstance(result, DislocationsResult):
        FrameWriter(stream).write(
            cast(Any, DislocationsFrame).model_construct(
                number=result.micrograph.frame, time_s=None, lines=result.lines
            )
        )
    else:
        CsvWriter(stream, named=False).write(result)


def _entry(name: str, sha256: str, result: Result, files: dict[str, str]) -> Input:
    info = result.micrograph
    return Input(
        micrograph=name,
        sha256=sha256,
        format=info.format,
        width_px=info.width_px,
        height_px=info.height_px,
        frames=info.frames,
        pixel_size_x_nm=info.pixel_size_x_nm,
        pixel_size_y_nm=info.pixel_size_y_nm,
        pixel_size_source=info.pixel_size_source,
        parameters=cast(Any, result).parameters.model_dump(mode="json"),
        findings=len(result.findings),
        files=files,
        warnings=result.warnings,
    )


def _checksum(path: Path) -> str:
    """SHA-256 of a file; of a folder of frames, of the list of their names and checksums."""
    if not path.is_dir():
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    listed = "".join(f"{_checksum(file)}  {file.name}\n" for file in frame_files(path))
    return hashlib.sha256(listed.encode()).hexdigest()


def _known(error: Exception) -> EmserveError:
    """What is said of an error of one file; nothing that a file does ends the run."""
    if isinstance(error, EmserveError):
        return error
    if isinstance(error, OSError) and not isinstance(error, TimeoutError):
        return InternalError(f"{error.strerror or error}.", remedy="Check the path and the rights.")
    return InternalError(f"{type(error).__name__}: {error}.", remedy="Report it with the file.")


def _detail(error: EmserveError) -> ErrorDetail:
    return ErrorDetail.model_validate(error.to_dict()["error"])
