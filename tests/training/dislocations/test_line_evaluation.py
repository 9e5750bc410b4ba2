"""What models are judged by: the truth scores full marks, faults cost what they should, and the matrix is written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

from analysis.dislocations.preprocess import InputSpec
from emserve.results import ModelInfo
from training.__main__ import main
from training.dislocations.checkpoints import write_best
from training.dislocations.dataset import FIRST_TRAINING_SEED
from training.dislocations.evaluation import FIRST_SEED, PictureSet, by_number_of_lines, evaluate, figures
from training.dislocations.examples import Example
from training.dislocations.networks import build
from training.dislocations.settings import Settings
from training.dislocations.validation import FIRST_SEED as VALIDATION_SEED

SPEC = InputSpec(tile_px=256)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


class Oracle:
    """A network that knows the lines (n, H, W) of the one picture that it is given."""

    info = ModelInfo(name="oracle", family="dislocations", version="1", sha256="", runtime="fake", precision="fp32")

    def __init__(self, lines: npt.NDArray[np.bool_]) -> None:
        self.masks = np.zeros((20, *lines.shape[1:]), np.float32)
        self.masks[: len(lines)] = lines

    def run(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        assert batch.shape == (1, 1, *self.masks.shape[1:])
        return self.masks[None]


def arcs(count: int) -> Example:
    """A picture of 160² px with that many arcs side by side, each 121 px high."""
    rows = np.arange(20, 141)
    lines = np.zeros((count, 160, 160), bool)
    for number, line in enumerate(lines):
        middles = 20 + 22 * number + np.round(12 * np.sin((rows - 20) / 120 * np.pi)).astype(int)
        for shift in (-2, -1, 0, 1, 2):
            line[rows, middles + shift] = True
    picture = np.random.default_rng(count).normal(0.6, 0.05, (160, 160)).astype(np.float32)
    picture[lines.any(axis=0)] -= 0.4
    return Example(picture, lines)


def test_the_truth_scores_full_marks_and_faults_cost_what_they_should() -> None:
    example = arcs(4)
    (perfect,) = evaluate(Oracle(example.lines), SPEC, [example])
    assert figures([perfect])["length_score"] == 1
    assert (perfect.place.recall, perfect.place.precision) == (1, 1)

    (missed,) = evaluate(Oracle(example.lines[:3]), SPEC, [example])
    assert missed.length.mean == pytest.approx(3 / 4)
    assert (missed.place.recall, missed.place.precision) == (3 / 4, 1)

    elsewhere = example.lines.copy()
    elsewhere[3] = np.roll(elsewhere[3], 9, axis=1)
    (invented,) = evaluate(Oracle(np.concatenate([example.lines, elsewhere[3:]])), SPEC, [example])
    assert invented.length.mean == 1
    assert (invented.place.recall, invented.place.precision) == (1, 4 / 5)

    half = example.lines.copy()
    half[:, 80:] = False
    (short,) = evaluate(Oracle(half), SPEC, [example])
    assert short.length.mean == pytest.approx(0.5, abs=0.06)


def test_figures_are_means_over_lines_and_pictures_are_told_apart_by_their_number_of_lines() -> None:
    one, three = arcs(1), arcs(3)
    scores = [
        *evaluate(Oracle(one.lines[:0]), SPEC, [one]),
        *evaluate(Oracle(three.lines), SPEC, [three]),
    ]
    together = figures(scores)
    assert (together["pictures"], together["lines"]) == (2, 4)
    assert together["length_score"] == pytest.approx(3 / 4)
    numbers = by_number_of_lines(scores)
    assert list(numbers) == [1, 3]
    assert numbers[1]["length_score"] == 0
    assert numbers[1]["distance_px"] is None
    assert numbers[3]["length_score"] == 1


def test_test_pictures_are_the_same_every_time_and_none_of_the_validation_or_training() -> None:
    kind = PictureSet("M1", "M1", size_px=96)
    first, again = (list(kind.examples(2)) for _ in range(2))
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.picture, other.picture)
        np.testing.assert_array_equal(one.lines, other.lines)
    assert FIRST_SEED + 100_000 < VALIDATION_SEED < FIRST_TRAINING_SEED - 100_000


def test_the_command_writes_the_matrix(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("first", "second"):
        run = tmp_path / name
        run.mkdir()
        Settings(steps=1, size_px=256, masks=3).write(run)
        write_best(build("unetplusplus_compact", masks=3), run)
    models = [str(tmp_path / "first"), str(tmp_path / "second")]
    out = tmp_path / "out"
    common = ["evaluate", "dislocations", "--out", str(out), "--pictures", "2", "--size", "128"]
    assert main([*common, "--model", *models]) == 0
    report = json.loads((out / "evaluation.json").read_text())["models"]
    assert list(report) == models
    for sets in report.values():
        assert list(sets) == ["M1, perlin", "M2, perlin"]
        for row in sets.values():
            assert row["pictures"] == 2
            assert 0 <= row["length_score"] <= 1
    assert "M2, perlin" in capsys.readouterr().out
    for plot in ("matrix.png", "by_number_of_lines.png"):
        assert (out / plot).read_bytes().startswith(b"\x89PNG")
    for stranger in ("no_such_model", "atoms_segresnet"):
        assert main([*common, "--model", stranger]) == 2
        assert stranger in capsys.readouterr().err
    assert main([*common, "--model", models[0], "--backgrounds", "real"]) == 2
