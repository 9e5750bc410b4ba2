"""The command `emserve`, in this process, against a fake server."""

from __future__ import annotations

import argparse
import csv
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import emserve
from emserve import AtomsResult
from emserve.cli import listing, main, parser, report
from emserve.testing import FakeServer, atoms_result

pytest.importorskip("PIL", reason="the extra `plot` is not installed")

Connect = Callable[..., FakeServer]


def run(*words: object) -> int:
    return main([str(word) for word in words])


def options_of(command: str) -> list[argparse.Action]:
    (commands,) = [action for action in parser()._actions if isinstance(action, argparse._SubParsersAction)]
    return commands.choices[command]._actions


@pytest.mark.parametrize("command", ["atoms", "defects", "dislocations", "track", "models"])
def test_every_option_is_documented(root: Path, command: str) -> None:
    readme = (root / "clients" / "README.md").read_text(encoding="utf-8")
    assert f"emserve {command}" in readme
    for action in options_of(command):
        assert action.help, f"{action.option_strings or action.dest} has no help"
        for option in action.option_strings:
            assert option in ("-h", "--help") or f"`{option}" in readme, f"{option} is not in clients/README.md"


def test_the_readme_documents_nothing_that_is_not_there(root: Path) -> None:
    readme = (root / "clients" / "README.md").read_text(encoding="utf-8")
    documented = {line.split("`")[1].split()[0] for line in readme.splitlines() if line.startswith("| `--")}
    commands = ("atoms", "defects", "dislocations", "track")
    options = {option for command in commands for a in options_of(command) for option in a.option_strings}
    assert documented == options - {"-h", "--help"}


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--version") == 0
    assert capsys.readouterr().out == f"emserve {emserve.__version__}\n"


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["atoms"],
        ["atoms", "a.png", "--pixel-size-nm", "0"],
        ["atoms", "a.png", "--pixel-size-nm", "1,2,3"],
        ["atoms", "a.png", "--pixel-size-nm", "nan"],
        ["atoms", "a.png", "--threshold", "inf"],
        ["atoms", "a.png", "--postprocess", "guess"],
        ["atoms", "a.png", "--frame", "-1"],
        ["atoms", "a.png", "--concurrency", "0"],
        ["atoms", "a.png", "--pixel", "0.01"],
        ["loops", "a.png"],
        ["atoms", "a.png", "--threshold", "3"],
        ["atoms", "a.png", "--threshold", "0"],
        ["atoms", "a.png", "--url", "notaurl"],
        ["atoms", "a.png", "--api-key", "clé"],
        ["models", "--url", "localhost"],
        ["models", "--api-key", "clé"],
    ],
    ids=" ".join,
)
def test_usage(words: list[str], capsys: pytest.CaptureFixture[str], connect: Connect) -> None:
    server = connect()
    assert run(*words) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "emserve" in captured.err
    assert server.requests == []


@pytest.mark.parametrize("option", ["--pixel-size-nm", "--threshold", "--frame", "--concurrency", "--timeout"])
def test_a_word_for_a_number_is_named(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("atoms", "a.png", option, "abc") == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith(f"emserve atoms: error: argument {option}: 'abc' is not a")
    assert last.endswith("number")


def test_one_micrograph(connect: Connect, pictures: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    golden = AtomsResult.from_json(Path(__file__).parent / "golden" / "atoms_1.0.json")
    server = connect(golden)
    assert run("atoms", pictures[0]) == 0
    assert len(server.requests) == 1
    assert server.requests[0].fields == {}
    captured = capsys.readouterr()
    assert captured.err == ""
    heading, rule, row, warning = captured.out.splitlines()
    assert heading.split()[:3] == ["micrograph", "columns", "pixel"]
    assert set(rule) == {"-", " "}
    assert row.split("  ")[0] == "a.png"
    for figure in ("10.01 pm", "0.02854 / nm²", "201.8 ± 0.0 pm", "285.4 pm", "89.25°"):
        assert figure in row
        # Figures stand below their headings.
        assert rule[row.index(figure) - 1] == " "
        assert rule[row.index(figure)] == "-"
    assert warning == "  warning: 1 of 3 columns could not be fitted. Their positions are the network's."


def test_without_pixel_size_or_lattice(
    connect: Connect, pictures: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    connect(atoms_result(pixel_size_nm=None))
    assert run("atoms", pictures[0]) == 0
    row = capsys.readouterr().out.splitlines()[-1]
    assert row.split() == ["a.png", "4", "unknown", "unknown", "10.00", "±", "0.00", "px", "none", "none", "none"]


@pytest.mark.parametrize(
    ("lengths_pm", "text"),
    [
        ((10.0127,), "10.01 pm"),
        ((9.8, 0.5), "9.800 ± 0.500 pm"),
        ((285.36, 3.04), "285.4 ± 3.0 pm"),
        ((9999.0,), "9999 pm"),
        ((10_800.6, 4028.6), "10.80 ± 4.03 nm"),
        ((4_367_930.4, 1_176_829.8), "4.368 ± 1.177 µm"),
        ((0.0, 0.0), "0.000 ± 0.000 pm"),
    ],
)
def test_lengths_have_four_digits_and_one_unit(lengths_pm: tuple[float, ...], text: str) -> None:
    assert report.lengths(*lengths_pm, between=" ± ") == text


def test_parameters_reach_the_server(connect: Connect, pictures: list[Path]) -> None:
    server = connect()
    words = "--pixel-size-nm 0.01,0.02 --model m --threshold 0.3 --postprocess otsu --no-refine --frame 1 --api-key k"
    assert run("atoms", pictures[0], *words.split()) == 0
    assert server.requests[0].fields == {
        "pixel_size_nm": "0.01,0.02",
        "model": "m",
        "threshold": "0.3",
        "postprocess": "otsu",
        "refine": "false",
        "frame": "1",
    }
    assert server.requests[0].headers["authorization"] == "Bearer k"


def test_many_into_one_csv_one_json_and_a_folder_of_overlays(
    connect: Connect, pictures: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server = connect(preview=pictures[0].read_bytes())
    out = tmp_path / "out"
    code = run(
        "atoms", *pictures, "--csv", out / "all.csv", "--json", out / "all.json", "--overlay", f"{out}/pictures/"
    )
    assert code == 0
    with (out / "all.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["micrograph"] for row in rows] == ["a.png"] * 4 + ["b.npy"] * 4 + ["c.dm4"] * 4
    answers = json.loads((out / "all.json").read_text())
    assert [next(iter(answer.items())) for answer in answers] == [("file", p.name) for p in pictures]
    assert AtomsResult.model_validate(answers[2]).statistics.count == 4
    assert sorted(path.name for path in (out / "pictures").iterdir()) == ["a.png", "b.png", "c.png"]
    assert [r.file_name for r in server.requests if r.path == "/v1/preview"] == ["c.dm4"], "only what is not read here"
    captured = capsys.readouterr()
    assert captured.err.splitlines() == ["emserve: 1/3 a.png", "emserve: 2/3 b.npy", "emserve: 3/3 c.dm4"]
    assert [line.split()[0] for line in captured.out.splitlines()[2:]] == ["a.png", "b.npy", "c.dm4"]


def test_many_into_folders(connect: Connect, pictures: list[Path], tmp_path: Path) -> None:
    connect()
    (tmp_path / "here").mkdir()
    assert run("atoms", *pictures, "--csv", tmp_path / "here", "--json", f"{tmp_path}/there/") == 0
    assert sorted(path.name for path in (tmp_path / "here").iterdir()) == ["a.csv", "b.csv", "c.csv"]
    result = AtomsResult.from_json(tmp_path / "there" / "b.json")
    assert (tmp_path / "here" / "b.csv").read_text() == result.to_csv()


def test_json_lines(connect: Connect, pictures: list[Path], tmp_path: Path) -> None:
    connect()
    assert run("atoms", *pictures, "--json", tmp_path / "all.jsonl") == 0
    lines = (tmp_path / "all.jsonl").read_text().splitlines()
    assert [json.loads(line)["file"] for line in lines] == ["a.png", "b.npy", "c.dm4"]


def test_one_into_files_is_the_answer_itself(connect: Connect, pictures: list[Path], tmp_path: Path) -> None:
    connect()
    out = [tmp_path / name for name in ("x.csv", "x.json", "x.png")]
    assert run("atoms", pictures[1], "--csv", out[0], "--json", out[1], "--overlay", out[2]) == 0
    assert out[0].read_text() == AtomsResult.from_json(out[1]).to_csv()
    assert out[2].read_bytes().startswith(b"\x89PNG")


def test_files_of_the_same_name_keep_apart(connect: Connect, tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("1/x.dm4", "2/x.dm4", "1/X.tif", "1/y.tif")]
    for path in paths:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    connect()
    assert run("atoms", *paths, "--csv", f"{tmp_path}/out/", "--json", tmp_path / "all.json") == 0
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["X.tif.csv", "x.dm4.csv", "x.dm4_2.csv", "y.csv"]
    names = [answer["file"] for answer in json.loads((tmp_path / "all.json").read_text())]
    assert names == [str(paths[0]), str(paths[1]), "X.tif", "y.tif"]


@pytest.mark.parametrize("option", ["--csv", "--json"])
def test_data_on_the_standard_output_is_alone_there(
    connect: Connect, pictures: list[Path], capsys: pytest.CaptureFixture[str], option: str
) -> None:
    connect()
    assert run("atoms", *pictures[:2], option, "-") == 0
    captured = capsys.readouterr()
    if option == "--csv":
        assert len(list(csv.DictReader(io.StringIO(captured.out)))) == 8
    else:
        assert len(json.loads(captured.out)) == 2
    assert "nearest neighbour" in captured.err


def test_one_answer_as_json_on_the_standard_output(
    connect: Connect, pictures: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    connect()
    assert run("atoms", pictures[0], "--json", "-") == 0
    assert AtomsResult.from_json(capsys.readouterr().out).statistics.count == 4


def test_some_fail_and_the_others_are_written(
    connect: Connect, pictures: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    connect(errors=[emserve.UnreadableMicrograph("The file is cut off.", remedy="Copy it again.")])
    absent = tmp_path / "absent.tif"
    assert run("atoms", *pictures, absent, "--concurrency", 1, "--csv", tmp_path / "all.csv") == 1
    captured = capsys.readouterr()
    assert f"emserve: {pictures[0]}: The file is cut off. Copy it again." in captured.err
    assert f"emserve: {absent}: No such file or directory" in captured.err
    assert "Traceback" not in captured.err
    rows = list(csv.DictReader((tmp_path / "all.csv").open()))
    assert {row["micrograph"] for row in rows} == {"b.npy", "c.dm4"}


def test_an_overlay_that_fails_leaves_the_answer(
    connect: Connect, pictures: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    connect()  # its preview is of another size
    assert run("atoms", pictures[2], "--overlay", tmp_path / "c.png", "--csv", tmp_path / "c.csv") == 1
    captured = capsys.readouterr()
    assert "1 × 1 pixels" in captured.err
    assert "c.dm4" in captured.out
    assert (tmp_path / "c.csv").read_text().count("\n") == 5


def test_nothing_done_is_an_empty_list(connect: Connect, pictures: list[Path], tmp_path: Path) -> None:
    connect(errors=[emserve.TooLarge("Too large.")] * 3)
    assert run("atoms", *pictures, "--json", tmp_path / "all.json") == 1
    assert json.loads((tmp_path / "all.json").read_text()) == []


@pytest.mark.parametrize("error", [emserve.Unauthorized("No key."), emserve.Forbidden("Not your key.")])
def test_what_would_meet_every_file_is_said_once(
    connect: Connect, pictures: list[Path], capsys: pytest.CaptureFixture[str], error: emserve.EmserveError
) -> None:
    server = connect(errors=[error] * 99)
    assert run("atoms", *pictures * 10, "--concurrency", 2) == 1
    assert len(server.requests) <= 8
    lines = capsys.readouterr().err.splitlines()
    assert lines == [f"emserve: {pictures[0]}: {error}", "emserve: skipped the remaining 29 files."]


def test_a_busy_server_is_waited_for(connect: Connect, pictures: list[Path]) -> None:
    server = connect(errors=[emserve.Busy("Full.")] * 3)
    assert run("atoms", *pictures) == 0
    assert len(server.requests) == 6


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--csv", "-", "--json", "-"], "mix on the standard output"),
        (["--overlay", "-"], "cannot go to the standard output"),
        (["--overlay", "{}/all.png"], "End it with /"),
        (["--overlay", "{}"], "would be overwritten"),
        (["--csv", "{}/c.dm4"], "would be overwritten"),
        (["--csv", "{}/out", "--json", "{}/out"], "written twice"),
        (["--csv", "{}/a.png/x.csv"], "a.png"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_outputs_that_cannot_be(
    connect: Connect,
    pictures: list[Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    said: str,
) -> None:
    server = connect()
    assert run("atoms", *pictures, *(word.format(tmp_path) for word in words)) == 2
    assert said in capsys.readouterr().err
    assert server.requests == []
    assert (tmp_path / "c.dm4").read_bytes() == b"a microscope's own"


def test_an_overlay_of_one_is_a_png(connect: Connect, pictures: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    connect()
    assert run("atoms", pictures[0], "--overlay", "x.jpg") == 2
    assert "it is a PNG" in capsys.readouterr().err


def test_overlays_without_pillow_are_refused_at_once(
    connect: Connect,
    pictures: list[Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = connect()
    for module in [name for name in sys.modules if name.split(".")[0] == "PIL"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "PIL", None)
    assert run("atoms", pictures[0], "--overlay", tmp_path / "x.png") == 2
    assert "pip install matplotlib pillow" in capsys.readouterr().err
    assert server.requests == []


def test_a_bar_on_a_terminal(connect: Connect, pictures: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    connect()
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    assert run("atoms", *pictures) == 0
    shown = terminal.getvalue()
    assert f"[{'#' * 16}{'.' * 8}] 2/3" in shown
    assert shown.endswith("\r\x1b[K"), "nothing of it is left"


def test_models(connect: Connect, capsys: pytest.CaptureFixture[str]) -> None:
    golden = emserve.results.ModelList.model_validate_json(
        (Path(__file__).parent / "golden" / "models_1.2.json").read_text()
    )
    measured = {"recall": 0.991, "precision": 0.997, "rms_pm": 6.5, "columns": 51162}
    scores = {"held_out": measured, "held_out_by_lattice": {"si_110": measured}, "real": {"a.png": {"columns": 12}}}
    golden = golden.model_copy(update={"models": [golden.models[0].model_copy(update={"scores": scores})]})
    connect(models=golden.models)
    assert run("models") == 0
    heading, _, row = capsys.readouterr().out.splitlines()
    assert heading.split()[0] == "name"
    assert not set(row) & set("{}[]"), "what is nested is for --json"
    for word in ("atoms_segresnet", "1.0.0", "yes", "16 pm", "MIT", "recall 0.991, precision 0.997, Δd 6.5 pm"):
        assert word in row
    assert run("models", "--json") == 0
    assert json.loads(capsys.readouterr().out) == golden.model_dump()


@pytest.mark.parametrize(
    ("scores", "said"),
    [
        (
            {
                "four micrographs": {
                    "find": {"f1": 0.7231, "pictures": 4},
                    "types": {"f1": 0.61},
                    "loop_111": {"f1": 0.5},
                }
            },
            "find F1 0.72, type F1 0.61 (four micrographs)",
        ),
        ({"held_out": {"find": {"f1": 0.5}}}, "find F1 0.50 (held_out)"),
        (
            {"M1": {"length_score": 0.853, "recall": 0.97, "lines": 9}, "M2": {"length_score": 0.5}},
            "length 0.85, recall 0.97 (M1)",
        ),
        ({"a": 3, "b": {"find": {"recall": 0.9}}}, ""),
    ],
)
def test_scores_name_what_they_were_measured_on(scores: dict, said: str) -> None:
    assert listing._scores(scores) == said


def test_models_of_nobody(connect: Connect, capsys: pytest.CaptureFixture[str]) -> None:
    connect(errors=[emserve.Unauthorized("No key.", remedy="Pass one.")])
    assert run("models") == 1
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "emserve: No key. Pass one.\n")
