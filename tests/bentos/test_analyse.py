"""`analyse`: files in, one table and one provenance out, without a server; the codes of the client's command."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bentos.analyse import options as command_line
from bentos.analyse.__main__ import DONE, FAILED, USAGE, main
from emserve import cli
from emserve.results import AtomsResult, DefectsResult, DislocationsResult, stack_message


@pytest.fixture(autouse=True)
def three_families(family_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMSERVE_STORE", str(family_store))
    monkeypatch.setenv("EMSERVE_RUNTIME", "fake")
    monkeypatch.delenv("EMSERVE_IMAGE", raising=False)


def columns_picture(pitch_px: int = 16) -> np.ndarray:
    y, x = np.mgrid[:128, :160]
    return (200 * np.exp(-(((x % pitch_px) - 8) ** 2 + ((y % pitch_px) - 8) ** 2) / 8)).astype(np.uint8)


def discs_picture() -> np.ndarray:
    y, x = np.mgrid[:256, :256]
    return np.where(((x % 64) - 32) ** 2 + ((y % 64) - 32) ** 2 < 100, 60, 180).astype(np.uint8)


def line_picture(x_px: float = 100.0) -> np.ndarray:
    y, x = np.mgrid[:256, :256]
    return np.where(np.abs(x - x_px - 12 * np.sin(np.pi * y / 256)) < 2.5, 60, 180).astype(np.uint8)


def saved(path: Path, pixels: np.ndarray) -> Path:
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def lattice(tmp_path: Path) -> Path:
    return saved(tmp_path / "lattice.png", columns_picture())


@pytest.fixture
def film(tmp_path: Path) -> Path:
    frames = [Image.fromarray(line_picture(80 + 4 * k)) for k in range(4)]
    frames[0].save(tmp_path / "film.tif", save_all=True, append_images=frames[1:])
    return tmp_path / "film.tif"


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def provenance(folder: Path) -> dict:
    return json.loads((folder / "provenance.json").read_text())


def test_one_row_per_column_under_the_name_of_its_micrograph(tmp_path: Path, lattice: Path) -> None:
    other = saved(tmp_path / "other.png", columns_picture(20))
    out = tmp_path / "out"
    assert main(["atoms", str(lattice), str(other), "--pixel-size-nm", "0.016", "--out", str(out)]) == DONE
    rows = table(out / "atoms.csv")
    answers = {name: AtomsResult.from_json(out / "answers" / f"{name}.json") for name in ("lattice.png", "other.png")}
    for name, answer in answers.items():
        assert len(answer.columns) > 20
        assert [float(row["x_px"]) for row in rows if row["micrograph"] == name] == [c.x_px for c in answer.columns]
    assert {row["micrograph"] for row in rows} == set(answers)


def test_the_answer_is_the_services(tmp_path: Path, lattice: Path) -> None:
    from threading import Event

    from bentos.atoms import FAMILY
    from bentos.models import Models
    from bentos.parameters import AtomsForm

    form = AtomsForm(threshold=0.3, refine=False, pixel_size_nm=(0.016, 0.017))
    served = FAMILY.answer(lattice.read_bytes(), form, Models(), max_pixels=10**6, request_id="r", gone=Event())
    told = ["--threshold", "0.3", "--no-refine", "--pixel-size-nm", "0.016,0.017"]
    assert main(["atoms", str(lattice), "--out", str(tmp_path / "out"), *told]) == DONE
    answer = AtomsResult.from_json(tmp_path / "out" / "answers" / "lattice.png.json")
    assert answer.columns == served.columns
    assert answer.parameters == served.parameters
    assert answer.micrograph == served.micrograph


def test_provenance_names_image_model_parameters_and_inputs(
    tmp_path: Path, lattice: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMSERVE_IMAGE", "emserve_atoms@sha256:0123")
    out = tmp_path / "out"
    assert main(["atoms", str(lattice), "--threshold", "0.4", "--out", str(out)]) == DONE
    record = provenance(out)
    made_by = record["made_by"]
    assert made_by["image"]["reference"] == "emserve_atoms@sha256:0123"
    assert made_by["model"]["name"] == "atoms_blobs"
    assert made_by["model"]["version"] == "1.0.0"
    assert len(made_by["model"]["sha256"]) == 64
    assert made_by["parameters"]["threshold"] == 0.4
    assert made_by["parameters"]["refine"] is True
    (entry,) = record["inputs"]
    assert entry["sha256"] == hashlib.sha256(lattice.read_bytes()).hexdigest()
    assert entry["findings"] == len(table(out / "atoms.csv")) == record["tables"]["atoms.csv"]["rows"]
    assert record["tables"]["atoms.csv"]["sha256"] == hashlib.sha256((out / "atoms.csv").read_bytes()).hexdigest()
    assert record["finished"]


def test_bad_files_cost_only_themselves(tmp_path: Path, lattice: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(lattice.read_bytes()[:200])
    out = tmp_path / "out"
    files = [str(broken), str(tmp_path / "absent.png"), str(lattice)]
    assert main(["atoms", *files, "--out", str(out)]) == FAILED
    told = capsys.readouterr().err
    assert "broken.png" in told
    assert "absent.png" in told
    assert {row["micrograph"] for row in table(out / "atoms.csv")} == {"lattice.png"}
    failures = {failure["micrograph"]: failure["error"] for failure in provenance(out)["failures"]}
    assert set(failures) == {"broken.png", "absent.png"}
    assert all(error["message"] and error["remedy"] for error in failures.values())


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["atoms", "FILE"], "--out"),
        (["atoms", "FILE", "--out", "DIR", "--threshold", "2"], "not between 0 and 1"),
        (["atoms", "FILE", "--out", "DIR", "--model", "atoms_of_tomorrow"], "atoms_blobs"),
        (["atoms", "FILE", "FILE", "--out", "DIR"], "given twice"),
        (["defects", "FILE", "--out", "DIR", "--taylor-factor", "1000"], "taylor_factor"),
        (["defects", "FILE", "--out", "DIR", "--barrier-strength", "loop_111=7"], "barrier_strengths"),
        (["dislocations", "FILE", "--out", "DIR", "--shear-modulus-gpa", "80"], "belong together"),
        (["atoms", "FILE", "--out", "FILE"], "lattice.png"),
        (["grains", "FILE", "--out", "DIR"], "grains"),
        (["collect", "DIR", "--out", "DIR2"], "provenance.json"),
    ],
)
def test_wrong_usage_is_told_before_anything_is_written(
    arguments: list[str], word: str, tmp_path: Path, lattice: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = {"FILE": str(lattice), "DIR": str(tmp_path / "out"), "DIR2": str(tmp_path / "out2")}
    assert main([places.get(word, word) for word in arguments]) == USAGE
    assert word in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_same_command_again_goes_on_where_it_was(
    tmp_path: Path, lattice: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from bentos.family import Family

    other = saved(tmp_path / "other.png", columns_picture(20))
    out = tmp_path / "out"
    assert main(["atoms", str(lattice), "--out", str(out)]) == DONE
    asked: list[int] = []
    answer = Family.answer
    monkeypatch.setattr(
        Family, "answer", lambda self, data, *a, **k: asked.append(len(data)) or answer(self, data, *a, **k)
    )
    assert main(["atoms", str(lattice), str(other), "--out", str(out)]) == DONE
    assert asked == [other.stat().st_size]
    assert {row["micrograph"] for row in table(out / "atoms.csv")} == {"lattice.png", "other.png"}
    saved(lattice, columns_picture(24))  # another picture under the same name
    before = len(table(out / "atoms.csv"))
    assert main(["atoms", str(lattice), str(other), "--out", str(out)]) == DONE
    assert asked[1:] == [lattice.stat().st_size]
    assert len(table(out / "atoms.csv")) < before
    assert "1 of 2 were there already" in capsys.readouterr().out


def test_answers_of_other_parameters_are_not_mixed_in(
    tmp_path: Path, lattice: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["atoms", str(lattice), "--out", str(out)]) == DONE
    written = (out / "atoms.csv").read_bytes()
    assert main(["atoms", str(lattice), "--out", str(out), "--threshold", "0.9"]) == USAGE
    assert "parameters.threshold" in capsys.readouterr().err
    assert (out / "atoms.csv").read_bytes() == written


def test_an_overlay_that_is_wanted_later_is_made(tmp_path: Path, lattice: Path) -> None:
    out = tmp_path / "out"
    assert main(["atoms", str(lattice), "--out", str(out)]) == DONE
    assert not (out / "overlays").exists()
    assert main(["atoms", str(lattice), "--out", str(out), "--overlay"]) == DONE
    assert Image.open(out / "overlays" / "lattice.png.png").convert("RGB").getcolors(10**6)


def test_files_of_one_name_in_two_folders_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, pitch in (("a", 16), ("b", 20)):
        Path(name).mkdir()
        saved(Path(name) / "x.png", columns_picture(pitch))
    assert main(["atoms", "a/x.png", "b/x.png", "--out", "out"]) == DONE
    rows = table(Path("out/atoms.csv"))
    assert {row["micrograph"] for row in rows} == {"a/x.png", "b/x.png"}
    assert len(list(Path("out/answers").glob("*.json"))) == 2


def test_defects_have_a_summary_masks_and_hardening(tmp_path: Path) -> None:
    picture = saved(tmp_path / "discs.png", discs_picture())
    out = tmp_path / "out"
    told = ["--pixel-size-nm", "0.3", "--thickness-nm", "100", "--masks", "--overlay", "--barrier-strength"]
    assert main(["defects", str(picture), "--out", str(out), *told, "loop_111=0.2"]) == DONE
    answer = DefectsResult.from_json(out / "answers" / "discs.png.json")
    assert len(table(out / "defects.csv")) == len(answer.defects) > 0
    (row,) = table(out / "summary.csv")
    assert row["micrograph"] == "discs.png"
    assert int(row["count"]) == len(answer.defects)
    assert float(row["hardening_linear_mpa"]) > 0
    assert np.asarray(Image.open(out / "masks" / "discs.png.png")).max() == len(answer.defects)
    assert provenance(out)["made_by"]["parameters"]["barrier_strengths"] == {"loop_111": 0.2}


def test_pictures_and_videos_of_lines_make_one_table(tmp_path: Path, film: Path) -> None:
    picture = saved(tmp_path / "still.png", line_picture())
    frames = tmp_path / "frames"
    frames.mkdir()
    for k in range(3):
        saved(frames / f"f_{k}.png", line_picture(90 + 5 * k))
    out = tmp_path / "out"
    told = ["--pixel-size-nm", "1", "--frame-time-s", "0.5"]
    assert main(["dislocations", str(picture), str(film), str(frames), "--out", str(out), *told]) == DONE
    rows = table(out / "dislocations.csv")
    answer = DislocationsResult.from_json(out / "answers" / "still.png.json")
    of_picture = [row for row in rows if row["micrograph"] == "still.png"]
    assert [float(row["length_nm"]) for row in of_picture] == [line.length_nm for line in answer.lines]
    assert {row["track"] for row in of_picture} == {""}
    of_film = [row for row in rows if row["micrograph"] == "film.tif"]
    assert [(row["frame"], row["time_s"]) for row in of_film] == [
        ("0", "0.0"),
        ("1", "0.5"),
        ("2", "1.0"),
        ("3", "1.5"),
    ]
    assert {row["track"] for row in of_film} == {"1"}
    assert {row["frame"] for row in rows if row["micrograph"] == "frames"} == {"0", "1", "2"}
    tracks = table(out / "tracks.csv")
    assert [row["micrograph"] for row in tracks] == ["film.tif", "frames"]
    assert float(tracks[0]["velocity_nm_per_s"]) == pytest.approx(8, rel=0.1)
    lines = (out / "answers" / "film.tif.jsonl").read_text().splitlines()
    assert [stack_message(line).kind for line in lines] == ["frame"] * 4 + ["tracks"]


def test_one_frame_of_a_stack_is_a_picture(tmp_path: Path, film: Path) -> None:
    out = tmp_path / "out"
    assert main(["dislocations", str(film), "--frame", "2", "--out", str(out)]) == DONE
    (row,) = table(out / "dislocations.csv")
    assert row["frame"] == "2"
    assert not (out / "tracks.csv").exists()


def test_a_video_that_breaks_off_keeps_its_frames_and_is_a_failure(
    tmp_path: Path, film: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frames = tmp_path / "frames"
    frames.mkdir()
    for k in range(3):
        saved(frames / f"f_{k}.png", line_picture(90 + 5 * k))
    (frames / "f_3.png").write_bytes((frames / "f_2.png").read_bytes()[:80])
    out = tmp_path / "out"
    assert main(["dislocations", str(frames), "--out", str(out)]) == FAILED
    assert "f_3.png" in capsys.readouterr().err
    assert {row["frame"] for row in table(out / "dislocations.csv")} == {"0", "1", "2"}
    (entry,) = provenance(out)["inputs"]
    assert "f_3.png" in entry["error"]["message"]
    saved(frames / "f_3.png", line_picture(105))
    assert main(["dislocations", str(frames), "--out", str(out)]) == DONE
    assert {row["frame"] for row in table(out / "dislocations.csv")} == {"0", "1", "2", "3"}


def test_the_overlay_of_a_video_is_a_film(tmp_path: Path, film: Path) -> None:
    out = tmp_path / "out"
    assert main(["dislocations", str(film), "--out", str(out), "--overlay"]) == DONE
    assert Image.open(out / "overlays" / "film.tif.gif").n_frames == 4


def test_several_runs_are_collected_into_one(tmp_path: Path, lattice: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = saved(tmp_path / "other.png", columns_picture(20))
    for path in (lattice, other):
        assert main(["atoms", str(path), "--out", str(tmp_path / "jobs" / path.stem)]) == DONE
    assert main(["atoms", str(lattice), str(other), "--out", str(tmp_path / "at_once")]) == DONE
    jobs = [str(tmp_path / "jobs" / path.stem) for path in (lattice, other)]
    assert main(["collect", *jobs, "--out", str(tmp_path / "out")]) == DONE
    assert (tmp_path / "out/atoms.csv").read_text() == (tmp_path / "at_once/atoms.csv").read_text()
    record, at_once = provenance(tmp_path / "out"), provenance(tmp_path / "at_once")
    assert record["inputs"] == at_once["inputs"]
    assert record["tables"] == at_once["tables"]
    main(["atoms", str(lattice), "--threshold", "0.9", "--out", str(tmp_path / "strict")])
    assert main(["collect", jobs[1], str(tmp_path / "strict"), "--out", str(tmp_path / "mixed")]) == USAGE
    assert "parameters.threshold" in capsys.readouterr().err
    assert main(["collect", jobs[0], jobs[0], "--out", str(tmp_path / "twice")]) == USAGE
    before = provenance(tmp_path / "jobs" / lattice.stem)
    assert main(["collect", *jobs, "--out", jobs[0]]) == USAGE
    assert provenance(tmp_path / "jobs" / lattice.stem) == before, "what is collected is not written over"


def test_collecting_failures_is_a_failure(tmp_path: Path, lattice: Path) -> None:
    assert main(["atoms", str(lattice), str(tmp_path / "no.png"), "--out", str(tmp_path / "job")]) == FAILED
    assert main(["collect", str(tmp_path / "job"), "--out", str(tmp_path / "out")]) == FAILED
    assert [failure["micrograph"] for failure in provenance(tmp_path / "out")["failures"]] == ["no.png"]


@pytest.mark.parametrize("family", ["atoms", "defects", "dislocations"])
def test_options_are_the_clients(family: str) -> None:
    own, client = (
        {option for action in command_line._commands(parser)[family]._actions for option in action.option_strings}
        for parser in (command_line.parser(), cli.parser())
    )
    of_the_client_only = {"--url", "--api-key", "--timeout", "--concurrency", "--json", "--csv", "--summary"}
    of_videos = {"--frame-time-s", "--gate-px", "--memory", "--no-drift"} if family == "dislocations" else set()
    assert own == client - of_the_client_only | {"--out"} | of_videos


def test_told_to_stop_it_stops_and_the_next_run_goes_on(
    tmp_path: Path, root: Path, wait_for: Callable[[Callable[[], bool]], None]
) -> None:
    files = [str(saved(tmp_path / f"p_{k:02d}.png", columns_picture(12 + k % 5))) for k in range(40)]
    out = tmp_path / "out"
    command = [sys.executable, "-m", "bentos.analyse", "atoms", *files, "--out", str(out)]
    environment = os.environ | {"PYTHONPATH": f"{root}{os.pathsep}{root / 'clients'}"}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    wait_for(lambda: len(list((out / "answers").glob("*.json"))) >= 2)
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate(timeout=60)
    assert process.returncode in (130, 0)  # it may have been too fast
    done = {entry["micrograph"] for entry in provenance(out)["inputs"]}
    assert len(done) >= 2
    assert b"interrupted" in told or len(done) == len(files)
    assert not list(out.rglob("*.part*"))
    assert main(["atoms", *files, "--out", str(out)]) == DONE
    assert {row["micrograph"] for row in table(out / "atoms.csv")} == {Path(file).name for file in files}


@pytest.fixture
def wait_for() -> Callable[[Callable[[], bool]], None]:
    def wait(condition: Callable[[], bool], limit_s: float = 120) -> None:
        begin = time.monotonic()
        while not condition():
            assert time.monotonic() - begin < limit_s
            time.sleep(0.02)

    return wait
