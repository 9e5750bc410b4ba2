"""`emserve defects`, in this process, against a fake server."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from emserve import DefectsResult
from emserve.cli import main
from emserve.testing import FakeServer, defects_result

Image = pytest.importorskip("PIL.Image", reason="the extra `plot` is not installed")
pytest.importorskip("contourpy", reason="the extra `plot` is not installed")

Connect = Callable[..., FakeServer]
GOLDEN = Path(__file__).parent / "golden" / "defects_1.1.json"


def run(*words: object) -> int:
    return main([str(word) for word in words])


def test_one_micrograph(connect: Connect, pictures: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    server = connect(DefectsResult.from_json(GOLDEN))
    assert run("defects", pictures[0]) == 0
    assert [(request.path, request.fields) for request in server.requests] == [("/v1/defects", {})]
    captured = capsys.readouterr()
    assert captured.err == ""
    heading, rule, row, warning = captured.out.splitlines()
    assert heading.split()[:2] == ["micrograph", "defects"]
    for figure in ("478.5 pm", "0.00284 / nm²", "7.67 ± 4.18 nm", "⟨111⟩ loop 1, ⟨100⟩ loop 1, black dot 1, void 1"):
        assert figure in row
        assert rule[row.index(figure) - 1] == " ", "figures stand below their headings"
        assert rule[row.index(figure)] == "-"
    hardening = DefectsResult.from_json(GOLDEN).statistics.hardening
    assert hardening is not None
    assert f"{hardening.linear_mpa:.0f}, {hardening.quadrature_mpa:.0f} MPa" in row
    assert warning.startswith("  warning: Defects of the class void are not counted in the hardening")


def test_what_is_not_known(connect: Connect, pictures: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    connect(defects_result(defects=0, pixel_size_nm=None))
    assert run("defects", pictures[0]) == 0
    row = capsys.readouterr().out.splitlines()[-1]
    assert row.split()[:6] == ["a.png", "0", "unknown", "unknown", "none", "unknown"]


def test_parameters_reach_the_server(connect: Connect, pictures: list[Path]) -> None:
    server = connect()
    words = (
        "--pixel-size-nm 0.5 --thickness-nm 110 --score 0.4 --model m --frame 1 --taylor-factor 3 "
        "--shear-modulus-gpa 76 --burgers-vector-nm 0.25 "
        "--barrier-strength loop_111=0.2 --barrier-strength black_dot=0.1"
    )
    assert run("defects", pictures[0], *words.split()) == 0
    assert server.requests[0].fields == {
        "pixel_size_nm": "0.5",
        "thickness_nm": "110.0",
        "score": "0.4",
        "model": "m",
        "frame": "1",
        "taylor_factor": "3.0",
        "shear_modulus_gpa": "76.0",
        "burgers_vector_nm": "0.25",
        "barrier_strengths": "loop_111=0.2,black_dot=0.1",
    }


@pytest.mark.parametrize(
    "words",
    [
        ["--thickness-nm", "0"],
        ["--score", "1"],
        ["--score", "half"],
        ["--taylor-factor", "-3"],
        ["--barrier-strength", "0.1"],
        ["--barrier-strength", "=0.1"],
        ["--barrier-strength", "a,b=0.1"],
        ["--barrier-strength", "loop_111=0"],
        ["--threshold", "0.5"],
        ["--masks", "-"],
        ["--masks", "x.tif"],
        ["--overlay", "x.png", "--masks", "x.png"],
        ["--summary", "-", "--csv", "-"],
        ["--summary", "x.csv", "--csv", "x.csv"],
        ["--masks", "{}/a.png"],
    ],
    ids=" ".join,
)
def test_usage(
    words: list[str], connect: Connect, pictures: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server = connect()
    assert run("defects", pictures[0], *(word.format(tmp_path) for word in words)) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "emserve" in captured.err
    assert server.requests == []


def test_every_output_of_many_micrographs(connect: Connect, pictures: list[Path], tmp_path: Path) -> None:
    connect(defects_result(defects=5), preview=pictures[0].read_bytes())
    out = tmp_path / "out"
    words = ["--csv", out / "all.csv", "--json", out / "all.jsonl", "--summary", out / "summary.csv"]
    assert run("defects", *pictures, *words, "--overlay", f"{out}/pictures/", "--masks", f"{out}/pictures/") == 0
    with (out / "all.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["micrograph"] for row in rows] == ["a.png"] * 5 + ["b.npy"] * 5 + ["c.dm4"] * 5
    with (out / "summary.csv").open(newline="") as stream:
        summary = list(csv.DictReader(stream))
    assert [(row["micrograph"], row["count"], row["loop_111_count"]) for row in summary] == [
        ("a.png", "5", "2"),
        ("b.npy", "5", "2"),
        ("c.dm4", "5", "2"),
    ]
    assert [json.loads(line)["file"] for line in (out / "all.jsonl").read_text().splitlines()] == [
        "a.png",
        "b.npy",
        "c.dm4",
    ]
    assert sorted(path.name for path in (out / "pictures").iterdir()) == sorted(
        f"{stem}{ending}" for stem in "abc" for ending in (".png", "_masks.png")
    )
    with Image.open(out / "pictures" / "c_masks.png") as masks:
        assert np.unique(np.asarray(masks)).tolist() == [0, 1, 2, 3, 4, 5]


def test_everything_into_one_folder(connect: Connect, pictures: list[Path], tmp_path: Path) -> None:
    connect()
    folder = f"{tmp_path}/out/"
    words = [word for option in ("--csv", "--summary", "--json", "--masks") for word in (option, folder)]
    assert run("defects", *pictures[:2], *words) == 0
    endings = (".csv", "_summary.csv", ".json", "_masks.png")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(
        stem + ending for stem in "ab" for ending in endings
    )
    assert (tmp_path / "out" / "b_summary.csv").read_text().startswith("micrograph,")


def test_one_into_files(connect: Connect, pictures: list[Path], tmp_path: Path) -> None:
    connect()
    out = {name: tmp_path / name for name in ("d.csv", "d.json", "d.png", "m.png", "s.csv")}
    assert (
        run(
            *("defects", pictures[1], "--csv", out["d.csv"], "--json", out["d.json"], "--overlay", out["d.png"]),
            *("--masks", out["m.png"], "--summary", out["s.csv"]),
        )
        == 0
    )
    result = DefectsResult.from_json(out["d.json"])
    assert out["d.csv"].read_text() == result.to_csv()
    with Image.open(out["m.png"]) as masks:
        np.testing.assert_array_equal(np.asarray(masks), result.label_picture())
    with Image.open(out["d.png"]) as overlay:
        assert overlay.mode == "RGB"
    assert out["s.csv"].read_text().splitlines()[1].startswith("b.npy,0.5,0.5,")


def test_a_summary_on_the_standard_output(
    connect: Connect, pictures: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    connect()
    assert run("defects", *pictures, "--summary", "-") == 0
    captured = capsys.readouterr()
    assert [line.split(",")[0] for line in captured.out.splitlines()] == ["micrograph", "a.png", "b.npy", "c.dm4"]
    assert "black dot 1" in captured.err


@pytest.mark.parametrize("missing", ["PIL", "contourpy"])
def test_pictures_without_the_extra_are_refused_at_once(
    connect: Connect,
    pictures: list[Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    missing: str,
) -> None:
    server = connect()
    for module in [name for name in sys.modules if name.split(".")[0] == missing]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, missing, None)
    assert run("defects", pictures[0], "--overlay", tmp_path / "x.png") == 2
    assert "pip install matplotlib pillow" in capsys.readouterr().err
    assert server.requests == []
