"""Training of Mask R-CNN: it learns, it is what its seed says, it goes on where it stopped, and it takes own labels."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image
from pydantic import ValidationError

from training.__main__ import main
from training.checkpoints import Checkpoint
from training.defects.augmentation import augment
from training.defects.building import CONFIGS, UnknownStart, build, started_from, trained_network
from training.defects.commands import meaning_of
from training.defects.dataset import FIRST_TRAINING_SEED, STEPS_PER_GROUP, Batch, Squares, batches, real_sheet
from training.defects.labels import LabelError
from training.defects.learner import RunLearner
from training.defects.loop import Training, train
from training.defects.published import CLASSES, last_tenth, published
from training.defects.settings import Settings
from training.defects.sources import SourceSettings, read_sources
from training.defects.synthetic import draw_parameters, render
from training.defects.validation import FIRST_SEED, HeldOutPictures

SMALL = Settings(steps=6, batch=2, size_px=64, synthetic=1, precision="fp32", crops=2)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five labelled pictures, as a user has them."""
    out = tmp_path_factory.mktemp("labelled")
    with (out / "defects.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("image", "class", "x_px", "y_px", "major_px", "minor_px", "angle_deg"))
        for number in range(5):
            drawn = render(draw_parameters((79, 80, 84, 82, 76)[number], size=(128, 128), pixel_size_nm=0.5))
            Image.fromarray(drawn.pixels.astype(np.uint8)).save(out / f"p{number}.png")
            for one in drawn.instances:
                e = one.ellipse
                table.writerow((f"p{number}.png", one.class_name, e.x_px, e.y_px, e.major_px, e.minor_px, e.angle_deg))
    return out


def own(folder: Path, **more: object) -> SourceSettings:
    return SourceSettings.model_validate(
        {"images": folder, "labels": folder / "defects.csv", "pixel_size_nm": 0.5} | more
    )


def stream(settings: Settings, *, first: int = 0, count: int = 1) -> list[Batch]:
    source = batches(settings, read_sources(settings.sources)[0], first_step=first, workers=0)
    return [next(source) for _ in range(count)]


def same(one: Batch, other: Batch) -> bool:
    return torch.equal(one.pictures, other.pictures) and all(
        torch.equal(getattr(a, name), getattr(b, name))
        for a, b in zip(one.targets, other.targets, strict=True)
        for name in vars(a)
    )


def test_the_pictures_of_a_step_depend_on_the_seed_and_the_step_alone(folder: Path) -> None:
    settings = SMALL.model_copy(update={"synthetic": 0.5, "sources": (own(folder),)})
    whole = stream(settings, count=STEPS_PER_GROUP + 2)
    late = stream(settings, first=3, count=3)
    assert all(same(a, b) for a, b in zip(whole[3:], late, strict=True))
    assert not same(whole[0], stream(settings.model_copy(update={"seed": 2}))[0])


def test_shares_are_kept(folder: Path) -> None:
    settings = SMALL.model_copy(update={"synthetic": 0.0, "sources": (own(folder),), "batch": 8})
    squares = Squares(settings, read_sources(settings.sources)[0])
    assert [len(batch.pictures) for batch in squares[0]] == [8] * STEPS_PER_GROUP
    assert sum(len(target.boxes) for batch in squares[0] for target in batch.targets) > 20


def test_no_picture_of_the_training_is_one_of_the_validation() -> None:
    assert FIRST_SEED + 100_000 < FIRST_TRAINING_SEED


def test_left_out_pictures_are_left_out(folder: Path) -> None:
    trained, left_out = read_sources([own(folder, left_out=("p1.png", "p3.png"))])
    assert {picture.image for picture in trained[0].pictures} == {"p0.png", "p2.png", "p4.png"}
    assert {picture.image for picture in left_out[0].pictures} == {"p1.png", "p3.png"}
    with pytest.raises(LabelError, match="p9"):
        read_sources([own(folder, left_out=("p9.png",))])


def test_augmented_grey_levels_stay_grey_levels_and_differ() -> None:
    grey = render(draw_parameters(3, size=(64, 64))).pixels
    made = [augment(grey, np.random.default_rng(seed)) for seed in range(20)]
    assert all(one.dtype == np.float32 and one.min() >= 0 and one.max() <= 255 for one in made)
    assert len({float(one.mean()) for one in made}) > 15


def test_a_few_steps_lower_every_part_of_the_loss_on_the_pictures_they_were_made_with(tmp_path: Path) -> None:
    settings = SMALL.model_copy(update={"steps": 60, "batch": 4})
    training = Training(settings, tmp_path, device=torch.device("cpu"))
    batch = stream(settings)[0]
    course = [training.update(batch) for _ in range(40)]
    first, last = (
        {name: sum(row[name] for row in rows) / len(rows) for name in course[0]} for rows in (course[:5], course[-5:])
    )
    assert last["loss"] < 0.75 * first["loss"]
    assert last["objectness"] < first["objectness"]
    assert last["region_mask"] < first["region_mask"]


def test_an_interrupted_run_ends_with_the_weights_of_an_uninterrupted_one(tmp_path: Path) -> None:
    train(SMALL, tmp_path / "whole", workers=0, progress_bar=False)
    broken = Training(SMALL, tmp_path / "broken", device=torch.device("cpu"))
    (tmp_path / "broken").mkdir()
    SMALL.write(tmp_path / "broken")
    broken.network.train()
    for batch in stream(SMALL, count=3):
        broken.update(batch)
    broken.save()
    train(SMALL, tmp_path / "broken", resume=True, workers=0, progress_bar=False)
    whole, resumed = Checkpoint.read(tmp_path / "whole"), Checkpoint.read(tmp_path / "broken")
    assert whole.finished
    assert resumed.finished
    for name, tensor in whole.averaged.items():
        assert torch.allclose(tensor.float(), resumed.averaged[name].float(), atol=1e-6), name


def test_the_command_trains_on_own_labels_reports_and_goes_on_from_a_run(folder: Path, tmp_path: Path, capsys) -> None:
    run, more = tmp_path / "run", tmp_path / "more"
    common = ["--steps", "2", "--batch", "2", "--size", "64", "--workers", "0", "--precision", "fp32"]
    mine = ["--images", str(folder), "--labels", str(folder / "defects.csv"), "--pixel-size-nm", "0.5"]
    assert main(["defects", "--out", str(run), *mine, *common, "--held-out", "0.4"]) == 0
    settings = Settings.read(run)
    assert len(settings.sources[0].left_out) == 2
    assert set(settings.classes) == set(CLASSES)
    assert trained_network(run).config.classes == settings.classes
    report = (run / "report.md").read_text()
    assert "(2) | after | any defect |" in report
    assert (run / "loss.png").read_bytes().startswith(b"\x89PNG")
    assert main(["defects", "--out", str(run), *mine, *common]) == 2
    assert "--resume" in capsys.readouterr().err
    assert main(["defects", "--out", str(run), "--resume", "--workers", "0"]) == 0

    assert main(["defects", "--out", str(more), *mine, *common, "--start", str(run), "--left-out", "p1.png"]) == 0
    assert Settings.read(more).sources[0].left_out == ("p1.png",)
    assert "(1) | before | any defect |" in (more / "report.md").read_text()
    before, after = trained_network(run), trained_network(more)
    moved = (after.box_head.logits.weight - before.box_head.logits.weight).detach().abs().max()
    assert 0 < float(moved) < 0.05


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--labels", "nowhere.csv"], "--images and --labels go together"),
        (["--published", "nowhere"], "no published micrographs"),
        (["--start", "nowhere"], "neither the folder of a training run nor a model of the store"),
        (["--minutes", "1", "--synthetic", "0"], "synthetic=1"),
        (["--classes", "void", "--synthetic", "1"], "synthetic pictures have no void"),
        (["--resume"], "there is no run in"),
        (["--size", "100"], "size_px is 100: input should be a multiple of 32\n"),
    ],
)
def test_wrong_arguments_are_told(arguments: list[str], told: str, tmp_path: Path, capsys) -> None:
    assert main(["defects", "--out", str(tmp_path / "run"), *arguments]) == 2
    assert told in capsys.readouterr().err
    assert not (tmp_path / "run" / "checkpoint.pt").exists()


def test_labels_that_the_network_has_no_class_for_are_refused_with_the_remedy(folder: Path, tmp_path: Path) -> None:
    settings = SMALL.model_copy(update={"classes": ("loop_111",), "sources": (own(folder),)})
    with pytest.raises(LabelError, match=r"black_dot, loop_100.*--meaning"):
        Training(settings, tmp_path)
    meaning = {"loop_100": ("loop_111",), "black_dot": ("loop_111",)}
    Training(settings.model_copy(update={"sources": (own(folder, meaning=meaning),)}), tmp_path)


def test_a_network_of_one_class_learns_that_synthetic_defects_of_others_are_background() -> None:
    settings = SMALL.model_copy(update={"classes": ("black_dot",), "batch": 8})
    made = [target for batch in stream(settings, count=STEPS_PER_GROUP) for target in batch.targets]
    assert sum(len(target.boxes) for target in made) > 2
    assert all(target.possible.shape[1] == 1 for target in made)
    truths = [one.truth for one in HeldOutPictures(settings, []).synthetic]
    assert all(set(truth.class_names.tolist()) <= {"black_dot"} for truth in truths)
    assert sum(map(len, truths)) > 0


def test_pictures_are_scaled_by_the_pixel_size_that_their_files_tell_unless_labels_or_reason_say_other(
    folder: Path, tmp_path: Path
) -> None:
    def pixel_size(nm: float, **more: object) -> tuple[float, float] | None:
        with Image.open(folder / "p0.png") as picture:
            pixels = np.asarray(picture)
        tifffile.imwrite(tmp_path / "p0.tif", pixels, imagej=True, resolution=(1 / nm, 1 / nm), metadata={"unit": "nm"})
        table = (folder / "defects.csv").read_text().splitlines()
        rows = [line.replace("p0.png", "p0.tif") for line in table if line.startswith(("image", "p0"))]
        (tmp_path / "defects.csv").write_text("\n".join(rows) + "\n")
        source = SourceSettings.model_validate({"images": tmp_path, "labels": tmp_path / "defects.csv"} | more)
        (read,), _ = read_sources([source])
        return real_sheet(read, read.pictures[0]).pixel_size_nm

    assert pixel_size(0.4) == pytest.approx((0.4, 0.4), rel=1e-3)
    assert pixel_size(0.4, pixel_size_nm=0.5) == (0.5, 0.5)
    assert pixel_size(50) is None  # nobody sees loops at that


def test_boxes_in_text_files_are_trained_on(folder: Path, tmp_path: Path, capsys) -> None:
    for number in range(3):
        (tmp_path / f"p{number}.txt").write_text("30 20 60 50\n")
    asked = ["--images", str(folder), "--labels", str(tmp_path), "--columns", "y1", "x1", "y2", "x2"]
    asked += ["--class-name", "loop_111", "--synthetic", "0", "--steps", "1", "--batch", "1", "--size", "64"]
    assert main(["defects", "--out", str(tmp_path / "run"), "--workers", "0", *asked]) == 0, capsys.readouterr().err
    (picture, *_), _ = (source[0].pictures for source in read_sources(Settings.read(tmp_path / "run").sources))
    assert picture.labels[0].box == (19.5, 29.5, 49.5, 59.5)


def test_meanings_are_read() -> None:
    assert meaning_of(["loop=loop_111,loop_100"]) == {"loop": ("loop_111", "loop_100")}
    for wrong in ("loop", "loop=", "=a", "loop=a,,b"):
        with pytest.raises(ValueError, match="NAME=CLASS"):
            meaning_of([wrong])


def test_a_learner_leaves_out_what_it_was_not_given_and_does_not_train_twice(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learner = RunLearner(SMALL.model_copy(update={"steps": 1}), own(folder), tmp_path, workers=0)
    pictures = own(folder).pictures()[:3]
    network, spec = learner.fit(pictures, folder, seed=5)
    (run,) = tmp_path.iterdir()
    settings = Settings.read(run)
    assert (settings.seed, settings.sources[-1].left_out) == (5, ("p3.png", "p4.png"))
    assert spec.classes == CLASSES
    monkeypatch.setattr("training.defects.learner.train", lambda *_, **__: pytest.fail("trained again"))
    image = np.full((1, 64, 64), 128, np.float32)
    again, _ = learner.fit(pictures, folder, seed=5)
    for name, value in network.run_named({"image": image}).items():
        assert np.array_equal(value, again.run_named({"image": image})[name])
    with pytest.raises(ValueError, match="no picture"):
        learner.fit([], folder, seed=5)


def test_detectron2s_network_goes_on_with_its_first_stages_frozen(reference_folder: Path) -> None:
    start = (str(reference_folder / "config.yaml"), str(reference_folder / "model_final.pth"))
    network = build(SMALL.model_copy(update={"start": start, "frozen_stages": 2, "classes": CLASSES}))
    assert network.config.classes == CLASSES
    held = [weight.requires_grad for weight in network.backbone.bottom.stem.parameters()]
    assert held
    assert not any(held)
    assert any(weight.requires_grad for weight in network.backbone.bottom.stages[3].parameters())
    with pytest.raises(UnknownStart):
        started_from(["nowhere"])


@pytest.mark.parametrize("name", sorted(CONFIGS))
def test_every_network_has_the_classes_it_was_asked_for_and_is_made_for_grey_pictures(name: str) -> None:
    config = CONFIGS[name](("a", "b"))  # type: ignore[index]
    assert config.classes == ("a", "b")
    assert config.input_channels == 1
    assert (str(config.resnet.depth) in name) or name == "compact"


@pytest.mark.parametrize(
    "wrong",
    [
        {"steps": None},
        {"synthetic": 0.5},
        {"size_px": 100},
        {"working_range_nm": (0.5, 0.2)},
        {"classes": ()},
        {"network": "vgg"},
        {"classes": ("void",)},
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Settings.model_validate(SMALL.model_dump() | wrong)


def test_the_published_sets_keep_something_to_judge_by(shared_data: Path) -> None:
    sources = {one.labels.parent.name: one for one in published(shared_data, three_class=False)}
    assert set(sources) == {"fecral_111_boxes", "fecral_in_situ", "steel_316l_loops", "titanium_loops"}
    names = [picture.image for picture in sources["fecral_111_boxes"].pictures()]
    assert sources["fecral_111_boxes"].left_out == tuple(sorted(names)[-26:])
    assert all(one.left_out for one in sources.values())
    assert len(published(shared_data, three_class=True)) == 5


def test_the_last_tenth_is_rounded_up() -> None:
    assert last_tenth([f"{n:03}" for n in range(21)]) == ("018", "019", "020")
    assert last_tenth(["b", "a"]) == ("b",)
