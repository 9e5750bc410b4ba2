"""What a manifest says of a training run and its evaluation."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from export.dislocations.records import training_record
from export.dislocations.scores import (
    collected,
    film_table,
    matrix_table,
    read_matrix,
    read_scores,
    score_table,
    table_by_lines,
)
from model_store.manifest import Training
from tests.export.dislocations.narrow_lines import ROW, SETS, write_run
from training.__main__ import parser


def test_the_command_makes_the_run_again(tmp_path: Path) -> None:
    first = write_run(tmp_path / "first", microstructures=("M2",), minutes=3, steps=None, reuse=2, batch=8)
    second = write_run(
        tmp_path / "second",
        start=str(first),
        frames=str(tmp_path / "frames"),
        left_out=("a.png",),
        synthetic=0.25,
        backgrounds=("perlin", "real"),
        background_folder=str(tmp_path / "backgrounds"),
    )
    record = training_record(second)
    for one, folder in ((record, second), (training_record(first), first)):
        options = parser().parse_args(one.command.split()[3:])
        assert options.out == folder
    assert record.command.endswith(f"--frames {tmp_path / 'frames'} --synthetic 0.25 --leave-out a.png")
    assert "25 % of them synthetic pile-ups of M1 and M2 on Perlin noise and on real micrographs" in record.data
    earlier = Training.model_validate(record.model_dump()["earlier"])
    assert earlier.command == training_record(first).command
    assert earlier.data.startswith("28 pictures of 128² px, each seen 2 times, synthetic pile-ups of M2 on Perlin")
    assert earlier.model_dump()["other_settings"] == {"masks": 4, "reuse": 2}


def write_report(path: Path, models: dict[str, object]) -> Path:
    path.write_text(json.dumps({"models": models}), encoding="utf-8")
    return path


def test_the_exported_model_is_found_among_others(tmp_path: Path) -> None:
    path = write_report(tmp_path / "both.json", {"runs/a": SETS, "runs/b": {"M1, perlin": ROW | {"recall": 0.5}}})
    assert read_scores(path, ["runs/b"])["M1, perlin"]["recall"] == 0.5
    with pytest.raises(ValueError, match=r"runs/a, runs/b"):
        read_scores(path, ["runs/c"])
    alone = write_report(tmp_path / "one.json", {"under/another/name": SETS})
    assert set(read_scores(alone, ["runs/c"])) == set(SETS)


def test_reports_are_put_together_but_no_set_is_measured_twice(tmp_path: Path) -> None:
    first = write_report(tmp_path / "first.json", {"a": {"M1, perlin": ROW}})
    second = write_report(tmp_path / "second.json", {"a": {"labelled frames": ROW}})
    assert list(collected([first, second], ["a"])) == ["M1, perlin", "labelled frames"]
    with pytest.raises(ValueError, match="M1, perlin, which a report before it has too"):
        collected([first, first], ["a"])


@pytest.mark.parametrize(
    "content", ["{", "[]", "{}", '{"models": {}}', '{"models": {"a": {"M1": {"pictures": 3}}}}', '{"models": {"a": 3}}']
)
def test_what_is_no_report_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "evaluation.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match="no report of `python -m training evaluate dislocations`"):
        read_scores(path, ["a"])


def test_films_are_kept_beside_pictures(tmp_path: Path) -> None:
    films = {"M1, perlin": {"films": 3, "lines": 12, "links_right": 0.98765, "pair_error_median_px": None}}
    path = tmp_path / "films.json"
    path.write_text(json.dumps({"models": {}, "films": {"runs/a": films}}), encoding="utf-8")
    scores = read_scores(path, ["runs/a"])
    assert scores == {"films": {"M1, perlin": {"films": 3, "lines": 12, "links_right": 0.9877}}}
    assert film_table(scores).splitlines()[2].startswith("| M1, perlin | 3 | 12 |  | 98.8 % |")
    assert score_table(scores) == ""
    pictures = write_report(tmp_path / "pictures.json", {"runs/a": SETS})
    together = collected([pictures, path], ["runs/a"])
    assert list(together) == [*SETS, "films"]
    assert len(score_table(together).splitlines()) == 4
    assert film_table(read_scores(pictures, ["runs/a"])) == ""


def test_the_matrix_says_what_each_network_was_trained_on(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / kind, microstructures=(kind,)) for kind in ("M1", "M2")]
    path = write_report(tmp_path / "matrix.json", {str(run): SETS for run in runs})
    scores = read_matrix(path)
    assert scores["matrix"]["M2, perlin, 1 minutes"] == {"M1, perlin": 0.8766, "M2, perlin": 0.7}
    assert matrix_table(scores).splitlines()[2:] == [
        "| M1, perlin, 1 minutes | 0.877 | 0.700 |",
        "| M2, perlin, 1 minutes | 0.877 | 0.700 |",
    ]
    assert score_table(scores) == matrix_table({}) == ""
    with pytest.raises(ValueError, match="on runs"):
        read_matrix(write_report(tmp_path / "store.json", {"dislocations_unetplusplus": SETS}))


def test_tables_leave_out_what_is_not_known(tmp_path: Path) -> None:
    scores = read_scores(write_report(tmp_path / "one.json", {"a": SETS}), ["a"])
    rows = score_table(scores).splitlines()
    assert rows[2] == "| M1, perlin | 40 | 300 | 0.877 | 0.900 | 0.800 | 0.75 px |"
    assert rows[3].endswith("| 0.800 |  |")
    assert table_by_lines(scores).splitlines()[0] == "| lines in the picture | 1 to 5 | 11 to 15 |"
    assert table_by_lines({"a": {"length_score_by_lines": {}}}) == ""
