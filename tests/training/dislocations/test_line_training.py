"""Training on lines: batches are what their seed says, it learns, it resumes, it is fine-tuned on labelled frames."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError
from scipy import ndimage

from analysis.dislocations.pipeline import analyse
from analysis.micrograph import read_file
from training.checkpoints import Checkpoint
from training.dislocations import validation
from training.dislocations.checkpoints import BEST, trained_network
from training.dislocations.commands import FINE_TUNING_RATE, add_training, run_training
from training.dislocations.dataset import FIRST_TRAINING_SEED, Batch, Pictures, batches, collated
from training.dislocations.examples import Example, labelled_examples, synthetic_example, window
from training.dislocations.labels import LabelError, LabelledFrame, write_frame
from training.dislocations.loop import Training, network_to_train, train
from training.dislocations.serving import TorchNetwork, input_spec
from training.dislocations.settings import Settings
from training.dislocations.validation import FIRST_SEED, SYNTHETIC_PICTURES, HeldOutPictures, true_paths


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def few_held_out_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validation, "SYNTHETIC_PICTURES", 3)


SMALL = Settings(steps=3, batch=2, size_px=64, masks=4, precision="fp32")


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    """Two labelled frames of 80 × 128 px with one vertical and two horizontal lines."""
    folder = tmp_path / "frames"
    folder.mkdir()
    random = np.random.default_rng(0)
    lines = [np.array([[30.0, 10.0], [30.0, 70.0]])]
    lines += [np.array([[50.0, y], [120.0, y]]) for y in (25.0, 55.0)]
    for name in ("a.png", "b.png"):
        pixels = random.normal(150, 4, (80, 128))
        pixels[10:71, 29:32] = pixels[24:27, 50:121] = pixels[54:57, 50:121] = 80
        Image.fromarray(pixels.astype(np.uint8)).save(folder / name)
        write_frame(LabelledFrame(name, 80, 128, tuple(lines)), (folder / name).with_suffix(".json"))
    return folder


def stream(settings: Settings, *, first: int, count: int) -> list[Batch]:
    source = batches(settings, first_step=first, workers=0)
    return [next(source) for _ in range(count)]


def test_the_batch_of_a_step_depends_on_the_seed_and_the_step_alone() -> None:
    settings = SMALL.model_copy(update={"reuse": 2})
    whole, late = stream(settings, first=0, count=5), stream(settings, first=3, count=2)
    for expected, found in zip(whole[3:], late, strict=True):
        assert torch.equal(expected.pictures, found.pictures)
        assert torch.equal(expected.lines, found.lines)
    other = stream(settings.model_copy(update={"seed": 2}), first=0, count=1)[0]
    assert not torch.equal(other.pictures, whole[0].pictures)


def test_a_reused_picture_is_changed_anew_and_keeps_its_lines() -> None:
    uses = Pictures(SMALL.model_copy(update={"reuse": 3}))[0]
    assert len(uses) == 3
    assert not torch.equal(uses[0].pictures, uses[1].pictures)
    assert len({tuple(use.lines.sum(dim=(2, 3)).flatten().tolist()) for use in uses}) == 1


def test_synthetic_lines_are_darker_than_what_is_beside_them() -> None:
    darker = []
    for seed in range(8):
        example = synthetic_example(seed, SMALL.model_copy(update={"size_px": 160}))
        assert example.picture.shape == (160, 160)
        lines = example.lines.any(axis=0)
        beside = ndimage.binary_dilation(lines, iterations=6) & ~ndimage.binary_dilation(lines, iterations=3)
        if beside.any():
            darker.append(example.picture[lines].mean() < example.picture[beside].mean())
    assert len(darker) > 4
    assert all(darker)


def test_both_microstructures_are_drawn_and_a_run_can_keep_to_one() -> None:
    both = [synthetic_example(seed, SMALL).picture for seed in range(8)]
    one = [synthetic_example(seed, SMALL.model_copy(update={"microstructures": ("M1",)})).picture for seed in range(8)]
    same = [np.array_equal(first, second) for first, second in zip(both, one, strict=True)]
    assert any(same)
    assert not all(same)


def test_no_picture_of_the_training_is_held_out() -> None:
    assert FIRST_SEED + SYNTHETIC_PICTURES < FIRST_TRAINING_SEED


def test_lines_come_from_left_to_right_however_the_picture_was_turned() -> None:
    for use in Pictures(SMALL.model_copy(update={"reuse": 4, "size_px": 128}))[0]:
        for lines in use.lines.numpy():
            middles = [np.nonzero(line)[1].mean() for line in lines if line.any()]
            assert middles == sorted(middles)


def test_pictures_with_different_numbers_of_lines_make_a_batch() -> None:
    picture = np.zeros((8, 8), np.float32)
    one, none = np.eye(8, dtype=bool)[None], np.zeros((0, 8, 8), bool)
    batch = collated([Example(picture, one), Example(picture, none)])
    assert batch.pictures.shape == (2, 1, 8, 8)
    assert batch.lines.shape == (2, 1, 8, 8)
    assert batch.lines.sum(dim=(2, 3)).tolist() == [[8], [0]]
    assert collated([Example(picture, none)]).lines.shape == (1, 0, 8, 8)


def test_labelled_lines_are_drawn_where_the_frame_is_dark(frames: Path) -> None:
    example = labelled_examples(frames)["a.png"]
    assert example.lines.shape == (3, 80, 128)
    for line in example.lines:
        assert example.picture[line].mean() < example.picture[~example.lines.any(axis=0)].mean() - 0.3
    lengths = sorted(len(path) for path in true_paths(example))
    assert lengths == pytest.approx([61, 71, 71], abs=5)


def test_a_picture_of_another_size_than_its_labels_is_refused(frames: Path) -> None:
    Image.linear_gradient("L").save(frames / "a.png")
    with pytest.raises(LabelError, match=r"a\.png"):
        labelled_examples(frames)


@pytest.mark.parametrize("size", [64, 100, 160])
def test_windows_of_a_frame_keep_lines_at_their_place(frames: Path, size: int) -> None:
    example = labelled_examples(frames)["b.png"]
    for seed in range(8):
        part = window(example, size, np.random.default_rng(seed))
        assert part.picture.shape == part.lines.shape[1:] == (size, size)
        for line in part.lines:
            assert line.any()
            assert part.picture[line].mean() < 0.4
    whole = window(example, 160, np.random.default_rng(0))
    assert len(whole.lines) == 3
    assert (whole.picture[80:, :128] == whole.picture[79, :128]).all()
    assert not whole.lines[:, 80:].any()


def test_a_few_steps_lower_the_loss_on_the_pictures_they_were_made_with(tmp_path: Path) -> None:
    training = Training(SMALL.model_copy(update={"steps": 100}), tmp_path, device=torch.device("cpu"))
    picture, lines = np.full((64, 64), 0.8, np.float32), np.zeros((2, 64, 64), bool)
    lines[0, 10:50, 14:18] = lines[1, 30:34, 26:60] = True
    picture[lines.any(axis=0)] = 0.2
    batch = collated([Example(picture, lines), Example(picture.T.copy(), lines.transpose(0, 2, 1).copy())])
    before = [weight.clone() for weight in training.averaged.network.parameters()]
    losses = [training.update(batch)["dice"] for _ in range(15)]
    assert losses[-1] < 0.9 * losses[0]
    assert any(
        not torch.equal(old, new) for old, new in zip(before, training.averaged.network.parameters(), strict=True)
    )


def test_perfect_masks_score_one_and_empty_ones_nothing(frames: Path) -> None:
    held_out = HeldOutPictures(Settings(steps=1, frames=str(frames), left_out=("a.png",), synthetic=0.5))
    (example,) = held_out.examples
    network = network_to_train(SMALL).eval()
    network.forward = lambda _: torch.from_numpy(example.lines[None]).float()  # type: ignore[method-assign]
    perfect = held_out.validate(network)
    assert (perfect.length_score, perfect.recall, perfect.precision) == pytest.approx((1, 1, 1), abs=1e-6)
    network.forward = lambda _: torch.zeros(1, 4, 80, 128)  # type: ignore[method-assign]
    assert held_out.validate(network).length_score == 0


def test_an_interrupted_run_ends_with_the_weights_of_an_uninterrupted_one(tmp_path: Path) -> None:
    train(SMALL, tmp_path / "whole", workers=0, progress_bar=False)
    broken = Training(SMALL, tmp_path / "broken", device=torch.device("cpu"))
    (tmp_path / "broken").mkdir()
    SMALL.write(tmp_path / "broken")
    broken.network.train()
    for batch in stream(SMALL, first=0, count=2):
        broken.update(batch)
    broken.save()
    train(SMALL, tmp_path / "broken", resume=True, workers=0, progress_bar=False)
    whole, resumed = Checkpoint.read(tmp_path / "whole"), Checkpoint.read(tmp_path / "broken")
    assert whole.step == resumed.step == 3
    for name, tensor in whole.averaged.items():
        assert torch.allclose(tensor.float(), resumed.averaged[name].float(), atol=1e-6), name


def test_the_weights_that_did_best_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    training = Training(SMALL, tmp_path, device=torch.device("cpu"))
    SMALL.write(tmp_path)
    figures = iter([0.2, 0.6, 0.4])
    monkeypatch.setattr(Training, "_figures", lambda _: {"length_score": next(figures)})
    bias = training.averaged.network.head.bias
    assert bias is not None
    for mark in (1.0, 2.0, 3.0):
        torch.nn.init.constant_(bias, mark)
        training.log.append(dict(training.validate()))
    assert trained_network(tmp_path).head.bias is not None
    assert (trained_network(tmp_path).head.bias == 2.0).all()  # type: ignore[union-attr]


def command(*arguments: str) -> int:
    """What `python -m training dislocations` does with these arguments."""
    import argparse

    parser = argparse.ArgumentParser()
    add_training(parser)
    return run_training(parser.parse_args(arguments))


def test_the_command_trains_and_another_fine_tunes_on_labelled_frames(tmp_path: Path, frames: Path, capsys) -> None:
    base, tuned = tmp_path / "base", tmp_path / "tuned"
    common = ("--steps", "2", "--workers", "0", "--precision", "fp32")
    assert command("--out", str(base), "--size", "64", "--batch", "2", "--masks", "3", *common) == 0
    assert (base / BEST).is_file()
    (row,) = csv.DictReader((base / "log.csv").open())
    assert 0 <= float(row["length_score"]) <= 1
    assert (base / "loss.png").read_bytes().startswith(b"\x89PNG")
    assert command("--out", str(base), "--size", "64", *common) == 2
    assert "--resume" in capsys.readouterr().err

    fine = ("--out", str(tuned), "--start", str(base), "--frames", str(frames), "--leave-out", "b.png")
    assert command(*fine, *common) == 0
    settings = Settings.read(tuned)
    assert (settings.masks, settings.size_px, settings.batch) == (3, 64, 2)
    assert (settings.synthetic, settings.peak_learning_rate) == (0.5, FINE_TUNING_RATE)
    before, after = trained_network(base).state_dict(), trained_network(tuned).state_dict()
    assert after["head.weight"].shape[0] == 3
    # Two steps from the same weights stay near them; new ones would be far away.
    assert (before["head.weight"] - after["head.weight"]).abs().max() < 0.01

    assert command("--out", str(tmp_path / "other"), "--start", str(base), "--masks", "5", *common) == 2
    assert "--masks" in capsys.readouterr().err
    assert command("--out", str(tmp_path / "nowhere"), "--resume") == 2


def test_a_microstructure_or_backgrounds_that_are_not_there_are_refused(tmp_path: Path, capsys) -> None:
    common = ("--out", str(tmp_path / "run"), "--steps", "1", "--size", "64", "--workers", "0")
    assert command(*common, "--microstructures", "M7") == 2
    assert "M7" in capsys.readouterr().err
    assert command(*common, "--backgrounds", "real") == 2
    assert "background_folder" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert command(*common, "--backgrounds", "real", "--background-folder", str(tmp_path / "empty")) == 2
    assert "no picture" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_real_micrographs_can_be_the_background(tmp_path: Path) -> None:
    rough = np.random.default_rng(0).normal(120, 20, (160, 160)).clip(0, 255).astype(np.uint8)
    Image.fromarray(rough).save(tmp_path / "real.png")
    settings = SMALL.model_copy(update={"backgrounds": ("real",), "background_folder": str(tmp_path)})
    assert not np.array_equal(synthetic_example(3, settings).picture, synthetic_example(3, SMALL).picture)


def test_a_network_with_fewer_masks_is_shown_no_more_lines() -> None:
    counts = [len(synthetic_example(seed, SMALL.model_copy(update={"size_px": 256})).lines) for seed in range(8)]
    assert max(counts) == SMALL.masks


@pytest.mark.parametrize(
    "wrong",
    [
        {"steps": None},
        {"network": "unet"},
        {"masks": 0},
        {"microstructures": ()},
        {"backgrounds": ("real",)},
        {"synthetic": 0.5},
        {"left_out": ("a.png",)},
        {"frames": "frames"},
        {"matching": "closest"},
        {"empty_weight": -1.0},
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Settings.model_validate({**SMALL.model_dump(), **wrong})


def test_a_network_of_a_run_answers_in_the_analysis_pictures_of_any_size(frames: Path) -> None:
    network = network_to_train(SMALL).eval()
    served, spec = TorchNetwork(network), input_spec(network, SMALL)
    assert (spec.most_lines, spec.tile_px, spec.multiple_of) == (4, 64, 32)
    batch = np.random.default_rng(0).random((2, 1, 40, 56), dtype=np.float32)
    with torch.no_grad():
        expected = network(torch.from_numpy(batch)).numpy()
    np.testing.assert_allclose(served.run(batch), expected, atol=1e-4)
    analysis = analyse(read_file(frames / "a.png"), served, spec)
    assert analysis.model.family == "dislocations"
