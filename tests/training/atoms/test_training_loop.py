"""Training: it learns, it is what its seed says, and an interrupted run goes on as if nothing had been."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from training.__main__ import main
from training.atoms.checkpoints import trained_network
from training.atoms.dataset import FIRST_TRAINING_SEED, Batch, Pictures, augment, batches
from training.atoms.evaluation import FIRST_SEED as EVALUATION_SEED
from training.atoms.loop import Training, train
from training.atoms.losses import map_loss
from training.atoms.overlays import draw_batch
from training.atoms.settings import Settings
from training.atoms.synthetic import LATTICES
from training.atoms.validation import FIRST_SEED as VALIDATION_SEED
from training.checkpoints import Checkpoint
from training.schedule import learning_rate


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Threads that wait for each other cost more than they bring on pictures this small, most on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


SMALL = Settings(steps=6, batch=2, size_px=64, lattices=("srtio3_100",), precision="fp32")


def stream(settings: Settings, *, first: int, count: int, workers: int = 0) -> list[Batch]:
    source = batches(settings, first_step=first, workers=workers)
    return [next(source) for _ in range(count)]


def test_the_picture_of_a_step_depends_on_the_seed_and_the_step_alone() -> None:
    settings = SMALL.model_copy(update={"reuse": 2})
    whole = stream(settings, first=0, count=5)
    late = stream(settings, first=3, count=2)
    for expected, found in zip(whole[3:], late, strict=True):
        assert torch.equal(expected.pictures, found.pictures)
        assert torch.equal(expected.maps, found.maps)
    other = stream(settings.model_copy(update={"seed": 2}), first=0, count=1)[0]
    assert not torch.equal(other.pictures, whole[0].pictures)


def test_a_reused_picture_is_turned_or_scaled_anew() -> None:
    group = Pictures(SMALL.model_copy(update={"reuse": 3}))[0]
    assert len(group) == 3
    for batch in group:
        assert batch.pictures.shape == batch.maps.shape == batch.judged.shape == (2, 1, 64, 64)
        assert torch.allclose(batch.maps.sum(dim=(1, 2, 3)), group[0].maps.sum(dim=(1, 2, 3)), rtol=1e-4)
    assert not torch.equal(group[0].pictures, group[1].pictures)


def test_turning_and_mirroring_keep_columns_under_their_peaks() -> None:
    rows, columns = np.mgrid[:48, :48].astype(np.float32)
    spot = np.exp(-((rows - 12) ** 2 + (columns - 33) ** 2) / 8).astype(np.float32)
    for seed in range(12):
        picture, target = augment(spot, np.stack((spot, 1 - spot)), np.random.default_rng(seed))
        place = np.unravel_index(picture.argmax(), picture.shape)
        assert place == np.unravel_index(target[0].argmax(), picture.shape)
        assert place == np.unravel_index(target[1].argmin(), picture.shape)


def test_no_picture_of_the_training_is_one_of_the_validation_or_the_evaluation() -> None:
    assert max(VALIDATION_SEED, EVALUATION_SEED) + 100_000 < FIRST_TRAINING_SEED
    assert abs(VALIDATION_SEED - EVALUATION_SEED) > 100_000


def test_a_few_steps_lower_the_loss_on_the_pictures_they_were_made_with(tmp_path: Path) -> None:
    training = Training(SMALL.model_copy(update={"steps": 60}), tmp_path, device=torch.device("cpu"))
    batch = stream(SMALL, first=0, count=1)[0]
    losses = [training.update(batch)["loss"] for _ in range(40)]
    assert losses[-1] < 0.6 * losses[0]
    training.averaged.network.eval()
    with torch.no_grad():
        logits = training.averaged.network.logits(batch.pictures)
        assert float(map_loss(logits, batch.maps, batch.judged)) < losses[0]


def test_an_interrupted_run_ends_with_the_weights_of_an_uninterrupted_one(tmp_path: Path) -> None:
    train(SMALL, tmp_path / "whole", workers=0, progress_bar=False)
    broken = Training(SMALL, tmp_path / "broken", device=torch.device("cpu"))
    (tmp_path / "broken").mkdir()
    SMALL.write(tmp_path / "broken")
    broken.network.train()
    for batch in stream(SMALL, first=0, count=3):
        broken.update(batch)
    broken.save()
    train(SMALL, tmp_path / "broken", resume=True, workers=0, progress_bar=False)
    whole, resumed = Checkpoint.read(tmp_path / "whole"), Checkpoint.read(tmp_path / "broken")
    assert whole.step == resumed.step == 6
    assert whole.finished
    assert resumed.finished
    for name, tensor in whole.averaged.items():
        assert torch.allclose(tensor.float(), resumed.averaged[name].float(), atol=1e-6), name


def test_the_command_leaves_a_run_that_can_be_used_and_is_not_overwritten(tmp_path: Path, capsys) -> None:
    out = tmp_path / "run"
    arguments = ["atoms", "--out", str(out), "--steps", "2", "--batch", "2", "--size", "64", "--workers", "0"]
    assert main([*arguments, "--leave-out", "si_110"]) == 0
    assert Settings.read(out).left_out == ("si_110",)
    assert trained_network(out).name == "segresnet"
    rows = list(csv.DictReader((out / "log.csv").open()))
    assert [row["step"] for row in rows] == ["2"]
    assert 0 <= float(rows[0]["recall"]) <= 1
    assert json.loads((out / "log.json").read_text())[0]["step"] == 2
    assert (out / "loss.png").read_bytes().startswith(b"\x89PNG")
    assert main(arguments) == 2
    assert "--resume" in capsys.readouterr().err
    assert main(["atoms", "--out", str(tmp_path / "nowhere"), "--resume"]) == 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"steps": None},
        {"minutes": 3.0},
        {"network": "unet"},
        {"lattices": ()},
        {"lattices": ("gold",)},
        {"size_px": 100},
        {"steps": 0},
        {"random_share": 1.5},
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Settings.model_validate(SMALL.model_dump() | wrong)


def test_the_learning_rate_rises_and_falls_once() -> None:
    rates = np.array([learning_rate(progress, 1.0) for progress in np.linspace(0, 1, 201)])
    top = rates.argmax()
    assert rates.max() == pytest.approx(1.0, abs=0.01)
    assert (np.diff(rates[: top + 1]) >= 0).all()
    assert (np.diff(rates[top:]) <= 0).all()
    assert rates[-1] < 0.02


def test_a_batch_can_be_looked_at(tmp_path: Path) -> None:
    settings = SMALL.model_copy(update={"lattices": LATTICES, "batch": 3})
    draw_batch(stream(settings, first=0, count=1)[0], tmp_path / "batch.png")
    assert (tmp_path / "batch.png").stat().st_size > 1000
