"""`emserve dislocations` and `emserve track`, in this process, against a fake server."""

from __future__ import annotations

import csv
import io
import json
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from emserve import DislocationsResult, InvalidParameter, UnknownModel, UnreadableMicrograph
from emserve.cli import main
from emserve.results import DislocationsFrame, DislocationsTracks, StackError, StackMessage, stack_message
from emserve.testing import FakeServer, dislocations_result, stack_answer

Image = pytest.importorskip("PIL.Image", reason="the extra `plot` is not installed")

Connect = Callable[..., FakeServer]
GOLDEN = Path(__file__).parent / "golden" / "dislocations_1.2.json"
CUT = StackError.of(UnreadableMicrograph("The video breaks off in frame 3.", remedy="Record it again."))


def run(*words: object) -> int:
    return main([str(word) for word in words])


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """Bytes that a fake server takes for a video."""
    path = tmp_path / "glide.mp4"
    path.write_bytes(b"moving pictures")
    return path


def filmed(messages: list[StackMessage]) -> list[StackMessage]:
    """The frames with pictures, all grey."""
    stream = io.BytesIO()
    Image.fromarray(np.full((64, 64), 120, np.uint8)).save(stream, "PNG")
    picture = b64encode(stream.getvalue()).decode()
    return [
        message.model_copy(update={"picture": picture}) if isinstance(message, DislocationsFrame) else message
        for message in messages
    ]


def test_one_micrograph(connect: Connect, pictures: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    server = connect(DislocationsResult.from_json(GOLDEN))
    assert run("dislocations", pictures[0]) == 0
    assert [(request.path, request.fields) for request in server.requests] == [("/v1/dislocations", {})]
    captured = capsys.readouterr()
    assert captured.err == ""
    s = DislocationsResult.from_json(GOLDEN).statistics
    assert s.length_nm is not None
    _, rule, row, *_ = captured.out.splitlines()
    for figure in ("1250 pm", f"{s.density_per_nm:.3g} / nm", f"{s.length_nm.mean:.4g} ± 0 nm", "5.43 MPa"):
        assert figure in row
        assert rule[row.index(figure)] == "-", "figures stand below their headings"
        assert rule[row.index(figure) - 1] == " "


def test_what_is_not_known(connect: Connect, pictures: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    connect(dislocations_result(lines=0, pixel_size_nm=None))
    assert run("dislocations", pictures[0]) == 0
    row = capsys.readouterr().out.splitlines()[-1]
    assert row.split() == ["a.png", "0", "unknown", "none", "none", "none", "unknown"]


def test_parameters_reach_the_server(connect: Connect, pictures: list[Path], video: Path) -> None:
    server = connect()
    words = "--pixel-size-nm 0.5 --model m --threshold 0.4 --shear-modulus-gpa 43.6 --burgers-vector-nm 0.29"
    words_of_video = "--frame-time-s 0.04 --gate-px 12 --memory 0 --no-drift"
    both = words.split()
    assert run("dislocations", pictures[0], *both, "--frame", 1) == 0
    assert run("track", video, *both, *words_of_video.split()) == 0
    of_both = {
        "pixel_size_nm": "0.5",
        "model": "m",
        "threshold": "0.4",
        "shear_modulus_gpa": "43.6",
        "burgers_vector_nm": "0.29",
    }
    of_video = {"frame_time_s": "0.04", "gate_px": "12.0", "memory": "0", "correct_drift": "false"}
    assert [request.fields for request in server.requests] == [of_both | {"frame": "1"}, of_both | of_video]


def test_several_micrographs(connect: Connect, pictures: list[Path], tmp_path: Path) -> None:
    connect(dislocations_result(lines=4), preview=pictures[0].read_bytes())
    out = tmp_path / "out"
    words = ["--csv", out / "all.csv", "--json", out / "all.jsonl", "--overlay", f"{out}/pictures/"]
    assert run("dislocations", *pictures, *words) == 0
    with (out / "all.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["micrograph"], row["number"]) for row in rows] == [
        (name, str(k)) for name in ("a.png", "b.npy", "c.dm4") for k in (1, 2, 3, 4)
    ]
    assert not {"points_px", "curvature_per_px", "curvature_per_nm"} & set(rows[0])
    assert len((out / "all.jsonl").read_text().splitlines()) == 3
    assert sorted(path.name for path in (out / "pictures").iterdir()) == ["a.png", "b.png", "c.png"]


@pytest.mark.parametrize("command", ["dislocations", "track"])
def test_a_server_without_such_a_model(
    command: str, connect: Connect, video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    connect(errors=[UnknownModel("This server has no model of the family dislocations.", remedy="Add one.")])
    assert run(command, video, "--csv", tmp_path / "x.csv") == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.strip() == (f"emserve: {video}: This server has no model of the family dislocations. Add one.")


def test_a_video(connect: Connect, video: Path, capsys: pytest.CaptureFixture[str]) -> None:
    server = connect(stack=stack_answer(12, lines=2))
    assert run("track", video) == 0
    assert (server.requests[0].path, server.requests[0].fields) == ("/v1/dislocations/stack", {})
    assert server.requests[0].file == b"moving pictures"
    captured = capsys.readouterr()
    assert captured.err == ""
    title, heading, rule, *rows = captured.out.splitlines()
    assert title == "glide.mp4: 2 lines in 12 frames"
    assert heading.split()[:3] == ["line", "frames", "found"]
    assert [row.split()[:3] for row in rows] == [["1", "0-11", "12"], ["2", "0-11", "12"]]
    for figure in ("8.25 nm", "18.8 ± 0 nm/s", "0°"):
        assert rule[rows[0].index(figure)] == "-"


def test_a_stack_of_one_without_units(connect: Connect, video: Path, capsys: pytest.CaptureFixture[str]) -> None:
    connect(stack=stack_answer(1, lines=1, pixel_size_nm=None, frame_time_s=None))
    assert run("track", video) == 0
    row = capsys.readouterr().out.splitlines()[-1]
    assert row.split()[-4:] == ["0", "px", "unknown", "none"]


def test_everything_of_a_video(connect: Connect, video: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="the extra `plot` is not installed")
    messages = filmed(stack_answer(6, lines=3))
    server = connect(stack=messages)
    out = tmp_path / "out"
    texts = ["--csv", out / "lines.csv", "--tracks", out / "tracks.csv", "--json", out / "all.jsonl"]
    assert run("track", video, *texts, "--plot", out / "motion.png", "--movie", out / "lines.gif") == 0
    assert server.requests[0].fields == {"pictures": "true"}
    with (out / "lines.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["frame"], row["track"]) for row in rows] == [(str(k), str(n)) for k in range(6) for n in (1, 2, 3)]
    assert [float(row["dx_px"]) for row in rows[::3]] == [1.5 * k for k in range(6)]
    with (out / "tracks.csv").open(newline="") as stream:
        assert [float(row["velocity_nm_per_s"]) for row in csv.DictReader(stream)] == [18.75] * 3
    read = [stack_message(line) for line in (out / "all.jsonl").read_text().splitlines()]
    assert [type(message) for message in read] == [DislocationsFrame] * 6 + [DislocationsTracks]
    assert all(message.picture is None for message in read if isinstance(message, DislocationsFrame))
    with Image.open(out / "lines.gif") as gif:
        assert gif.n_frames == 6
        assert min(gif.size) >= 64
    with Image.open(out / "motion.png") as plot:
        assert min(plot.size) > 500


def test_a_movie_in_a_folder(connect: Connect, video: Path, tmp_path: Path) -> None:
    connect(stack=filmed(stack_answer(2)))
    assert run("track", video, "--movie", f"{tmp_path}/movie/") == 0
    assert sorted(path.name for path in (tmp_path / "movie").iterdir()) == ["frame_000000.png", "frame_000001.png"]


def test_a_video_that_breaks_off(
    connect: Connect, video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    connect(stack=stack_answer(3, lines=2, error=CUT))
    paths = {name: tmp_path / name for name in ("l.csv", "t.csv", "a.jsonl", "p.svg")}
    words = ["--csv", paths["l.csv"], "--tracks", paths["t.csv"], "--json", paths["a.jsonl"], "--plot", paths["p.svg"]]
    assert run("track", video, *words) == 1
    captured = capsys.readouterr()
    assert captured.out.startswith("glide.mp4: 2 lines in 3 frames\n")
    assert captured.err == f"emserve: {video}: The video breaks off in frame 3. Record it again.\n"
    assert len(paths["l.csv"].read_text().splitlines()) == 1 + 3 * 2
    assert len(paths["t.csv"].read_text().splitlines()) == 1 + 2
    kinds = [json.loads(line)["kind"] for line in paths["a.jsonl"].read_text().splitlines()]
    assert kinds == ["frame", "frame", "frame", "tracks", "error"]
    assert paths["p.svg"].stat().st_size > 0


def test_data_on_the_standard_output(connect: Connect, video: Path, capsys: pytest.CaptureFixture[str]) -> None:
    connect(stack=stack_answer(2, lines=1))
    assert run("track", video, "--csv", "-") == 0
    captured = capsys.readouterr()
    assert [line.split(",")[0] for line in captured.out.splitlines()] == ["frame", "0", "1"]
    assert captured.err.startswith("glide.mp4: 1 line in 2 frames")


def test_a_parameter_that_the_server_refuses(connect: Connect, video: Path, capsys: pytest.CaptureFixture[str]) -> None:
    connect(errors=[InvalidParameter("1e9 is not a gate_px.", remedy="Pass less.", field="gate_px")])
    assert run("track", video, "--gate-px", "1e9") == 2
    assert capsys.readouterr().err == "emserve: 1e9 is not a gate_px. Pass less.\n"


def test_a_video_that_is_not_there(connect: Connect, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    server = connect()
    assert run("track", tmp_path / "gone.mp4") == 1
    assert "No such file" in capsys.readouterr().err
    assert server.requests == []


@pytest.mark.parametrize(
    "words",
    [
        ["dislocations", "{}/a.png", "--shear-modulus-gpa", "50"],
        ["dislocations", "{}/a.png", "--threshold", "1"],
        ["track", "{}/glide.mp4", "--burgers-vector-nm", "0.3"],
        ["track", "{}/glide.mp4", "--frame-time-s", "0"],
        ["track", "{}/glide.mp4", "--memory", "-1"],
        ["track", "{}/glide.mp4", "--csv", "-", "--json", "-"],
        ["track", "{}/glide.mp4", "--plot", "-"],
        ["track", "{}/glide.mp4", "--plot", "x.gif"],
        ["track", "{}/glide.mp4", "--movie", "x.mp4"],
        ["track", "{}/glide.mp4", "--csv", "{}/glide.mp4"],
        ["track", "{}/glide.mp4", "--csv", "{}/x", "--tracks", "{}/x"],
        ["track", "{}", "--plot", "{}/x.png"],
        ["track", "{}", "--movie", "{}/"],
    ],
    ids=" ".join,
)
def test_usage(
    words: list[str], connect: Connect, pictures: list[Path], video: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server = connect()
    assert run(*(word.format(video.parent) for word in words)) == 2
    assert capsys.readouterr().err
    assert server.requests == []
