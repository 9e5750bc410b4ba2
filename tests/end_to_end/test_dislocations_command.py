"""`emserve dislocations`, `emserve track` and the client's calls against a real service that finds dark lines."""

from __future__ import annotations

import asyncio
import csv
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from emserve import AsyncClient, Client, DislocationsResult, InvalidParameter, UnreadableMicrograph, UnsupportedFormat

Image = pytest.importorskip("PIL.Image")

FRAMES, LINES, STEP_PX, NM_PER_PX, FRAME_TIME_S = 6, 3, 2.0, 0.5, 0.04
HEIGHT, WIDTH = 128, 192


def line_pixels(frame: int) -> np.ndarray:
    """(HEIGHT, WIDTH) uint8: bowed dark lines, `STEP_PX` further right in each frame."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    bow = 12 * np.sin(np.pi * y / HEIGHT)
    across = [np.abs(x - bow - 24 - 48 * k - STEP_PX * frame) for k in range(LINES)]
    lines = (np.min(across, axis=0) < 2) & (y > 15) & (y < HEIGHT - 16)
    return np.clip(np.where(lines, 40, 200) + np.random.default_rng(frame).normal(0, 3, lines.shape), 0, 255).astype(
        np.uint8
    )


@pytest.fixture(scope="module")
def server(start_server: Callable[..., Any], line_store: Path) -> Any:
    with start_server(EMSERVE_STORE=str(line_store), EMSERVE_RUNTIME="fake") as server:
        yield server
        assert "Traceback" not in server.log()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Frames as PNG, in a folder `frames`."""
    folder = tmp_path_factory.mktemp("film")
    (folder / "frames").mkdir()
    for k in range(FRAMES):
        Image.fromarray(line_pixels(k)).save(folder / "frames" / f"frame_{k + 8}.png")
    return folder


def emserve(cwd: Path, words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "emserve", *words.split()],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={"PYTHONPATH": str(Path(__file__).parents[2] / "clients"), "PYTHONIOENCODING": "utf-8", "HOME": str(cwd)},
        check=False,
    )


def test_from_a_picture_to_tables_and_overlay(server: Any, folder: Path) -> None:
    words = (
        f"dislocations frames/frame_8.png --url {server.url} --pixel-size-nm {NM_PER_PX} --shear-modulus-gpa 43.6 "
        "--burgers-vector-nm 0.29 --csv lines.csv --json lines.json --overlay lines.png"
    )
    done = emserve(folder, words)
    assert done.returncode == 0, done.stderr
    result = DislocationsResult.from_json(folder / "lines.json")
    assert result.statistics.count == LINES
    with (folder / "lines.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [float(row["length_nm"]) for row in rows] == [line.length_nm for line in result.lines]
    assert all(float(row["stress_mpa"]) > 0 for row in rows)
    with Image.open(folder / "lines.png") as overlay:
        assert overlay.width % WIDTH == 0


def test_a_film_is_followed_from_a_file_to_tables_figure_and_movie(server: Any, folder: Path, tmp_path: Path) -> None:
    words = (
        f"track {folder / 'frames'} --url {server.url} --pixel-size-nm {NM_PER_PX} --frame-time-s {FRAME_TIME_S} "
        "--no-drift --csv lines.csv --tracks tracks.csv --json film.jsonl --plot motion.png --movie film.gif"
    )
    done = emserve(tmp_path, words)
    assert done.returncode == 0, done.stderr
    assert f"{LINES} lines in {FRAMES} frames" in done.stdout
    with (tmp_path / "tracks.csv").open(newline="") as stream:
        tracks = list(csv.DictReader(stream))
    assert len(tracks) == LINES
    for track in tracks:
        assert int(track["finds"]) == FRAMES
        assert float(track["velocity_nm_per_s"]) == pytest.approx(STEP_PX * NM_PER_PX / FRAME_TIME_S, rel=0.05)
    with (tmp_path / "lines.csv").open(newline="") as stream:
        assert len(list(csv.DictReader(stream))) == LINES * FRAMES
    kinds = [json.loads(line)["kind"] for line in (tmp_path / "film.jsonl").read_text().splitlines()]
    assert kinds == ["frame"] * FRAMES + ["tracks"]
    with Image.open(tmp_path / "film.gif") as movie:
        assert movie.n_frames == FRAMES
    assert (tmp_path / "motion.png").stat().st_size > 1000


def video(path: Path, frames: int) -> Path:
    """A film as a video, every frame by itself so that any of them may be the last."""
    av = pytest.importorskip("av")
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuvj420p"
        for k in range(frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(line_pixels(k % FRAMES), format="gray")))
        container.mux(stream.encode())
    return path


def test_a_video_and_one_that_is_cut_off_in_the_middle(server: Any, tmp_path: Path) -> None:
    whole = video(tmp_path / "film.avi", FRAMES)
    done = emserve(tmp_path, f"track film.avi --url {server.url} --json whole.jsonl")
    assert done.returncode == 0, done.stderr
    assert f"{LINES} lines in {FRAMES} frames" in done.stdout
    (tmp_path / "cut.avi").write_bytes(whole.read_bytes()[: whole.stat().st_size * 2 // 3])
    done = emserve(tmp_path, f"track cut.avi --url {server.url} --csv cut.csv --json cut.jsonl --tracks tracks.csv")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    messages = [json.loads(line) for line in (tmp_path / "cut.jsonl").read_text().splitlines()]
    *frames, tracks, error = messages
    assert 1 < len(frames) < FRAMES
    assert tracks["frames"] == len(frames)
    assert error["error"]["code"] == "unreadable_micrograph"
    assert error["error"]["message"] in done.stderr
    with (tmp_path / "cut.csv").open(newline="") as stream:
        assert {int(row["frame"]) for row in csv.DictReader(stream)} == set(range(len(frames)))
    with (tmp_path / "tracks.csv").open(newline="") as stream:
        assert len(list(csv.DictReader(stream))) == LINES


def test_what_the_service_refuses_is_the_same_exception_here(server: Any, folder: Path, tmp_path: Path) -> None:
    notes = tmp_path / "notes.mp4"
    notes.write_text("what was seen at the microscope")
    with Client(server.url) as client:
        with pytest.raises(InvalidParameter) as caught:
            client.dislocations(folder / "frames" / "frame_8.png", shear_modulus_gpa=43.6)
        assert caught.value.field == "burgers_vector_nm"
        with pytest.raises(UnsupportedFormat):
            client.dislocations_stack(notes)
        small = tmp_path / "small.png"
        Image.fromarray(line_pixels(2)[:96]).save(small)
        paths = [*sorted((folder / "frames").iterdir(), key=lambda path: len(path.name))[:2], small]
        frames = client.dislocations_stack(paths)
        with pytest.raises(UnreadableMicrograph, match="96"):
            list(frames)
        assert frames.tracks is not None
        assert frames.tracks.frames == 2


def test_the_order_of_frames_is_that_of_the_numbers_in_their_names(server: Any, folder: Path, tmp_path: Path) -> None:
    """Packed by the client, or by any program in any order."""
    packed = shutil.make_archive(str(tmp_path / "film"), "zip", folder / "frames")
    with Client(server.url) as client:
        for source in (folder / "frames", Path(packed)):
            frames = client.dislocations_stack(source, correct_drift=False)
            places = [min(line.start_x_px for line in frame.lines) for frame in frames]
            np.testing.assert_allclose(np.diff(places), STEP_PX, atol=0.5)


def test_both_clients_take_frames_as_they_are_made(server: Any, folder: Path) -> None:
    with Client(server.url) as client, client.dislocations_stack(folder / "frames", pictures=True) as frames:
        first = next(frames)
        assert first.png is not None
        assert frames.tracks is None
        assert [frame.number for frame in frames] == list(range(1, FRAMES))
        assert frames.tracks is not None

    async def all_frames() -> int:
        async with AsyncClient(server.url) as client:
            stream = await client.dislocations_stack(folder / "frames")
            return len([frame async for frame in stream])

    assert asyncio.run(all_frames()) == FRAMES


def test_a_client_that_closes_stops_the_service(server: Any) -> None:
    film = np.stack([line_pixels(k % FRAMES) for k in range(400)])

    def metric(name: str) -> float:
        rows = httpx.get(f"{server.url}/metrics", trust_env=False).text.splitlines()
        return sum(float(row.split()[-1]) for row in rows if row.startswith(name))

    done = metric("emserve_pixels_total")
    with Client(server.url) as client:
        with client.dislocations_stack(film) as frames:
            next(frames)
        begin = time.monotonic()
        while metric("emserve_queue_running") + metric("emserve_queue_waiting"):
            assert time.monotonic() - begin < 60
            time.sleep(0.05)
        assert metric("emserve_pixels_total") - done < film.size / 2
        assert client.dislocations(film[0]).statistics.count == LINES
