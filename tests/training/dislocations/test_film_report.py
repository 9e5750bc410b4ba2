"""`evaluate dislocations --films`: figures of films in the JSON, a row a film in the CSV, the plots."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from training.__main__ import main
from training.dislocations.checkpoints import write_best
from training.dislocations.film_report import draw, table
from training.dislocations.films import FIRST_SEED, Film, FilmScore, films
from training.dislocations.networks import build
from training.dislocations.settings import Settings


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_the_command_follows_films(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, out = tmp_path / "run", tmp_path / "out"
    run.mkdir()
    Settings(steps=1, size_px=256, masks=3).write(run)
    write_best(build("unetplusplus_compact", masks=3), run)
    arguments = ["evaluate", "dislocations", "--model", str(run), "--out", str(out), "--pictures", "0"]
    assert main([*arguments, "--films", "1", "--film-frames", "2", "--size", "96"]) == 0
    content = json.loads((out / "evaluation.json").read_text())
    assert content["models"] == {}
    assert content["films_of_each_kind"] == 1
    assert list(content["films"][str(run)]) == ["M1, perlin", "M2, perlin"]
    with (out / "films.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["kind"] for row in rows] == ["M1, perlin", "M2, perlin"]
    assert all(int(row["seed"]) >= FIRST_SEED for row in rows)
    assert (out / "films.png").read_bytes().startswith(b"\x89PNG")
    assert not (out / "matrix.png").exists()
    assert "M2, perlin" in capsys.readouterr().out


def test_the_table_says_what_was_measured(tmp_path: Path) -> None:
    (film,) = films(1, "M1", size_px=96, length=2)
    score = FilmScore(
        lines=4, true=40, found=38, invented=2, links=34, right_links=17, pair_errors_px=[0.5, 0.5, 3.0, 0.5],
        velocities=[(2.0, 2.02), (2.0, 3.0)], drift_errors_px=[0.1, 0.1, 0.1], drift_unsure=1,
    )  # fmt: skip
    report: dict[str, dict[str, list[tuple[Film, FilmScore]]]] = {"runs/one": {"M1, perlin": [(film, score)]}}
    text = table(report)
    for part in ("found 95.0 %", "links right 50.0 % of 34", "pairs within 1 px 75.0 % (median 0.50)",
                 "velocities within 5 % 50.0 % of 2", "drift rms 0.10 px, sure 75.0 %"):  # fmt: skip
        assert part in text
    draw({**report, "runs/none": {"M1, perlin": [(film, FilmScore())]}}, tmp_path / "films.png")
    assert (tmp_path / "films.png").stat().st_size > 10_000
