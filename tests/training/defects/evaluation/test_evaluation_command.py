"""The command, from labelled pictures to tables, plots and overlays."""

from __future__ import annotations

import argparse
import csv
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from analysis.defects.preprocess import InputSpec
from training.__main__ import main, parser
from training.defects.commands import add_run_arguments
from training.defects.evaluation.command import add_evaluation
from training.defects.evaluation.contestants import Contestant, Networks
from training.defects.evaluation.evaluation import evaluate
from training.defects.evaluation.learners import FixedModel
from training.defects.evaluation.predictions import calibrated, load, predict, save
from training.defects.evaluation.study import StudyError
from training.defects.evaluation.tables import summary
from training.defects.labels import LabelError, read_labels
from training.defects.settings import Settings
from training.defects.sources import SourceSettings
from training.defects.synthetic import draw_parameters, render
from training.defects.synthetic.command import save as save_micrograph
from training.defects.synthetic.command import save_truth


def options(folder: Path, out: Path, *more: str) -> argparse.Namespace:
    labels = ["--labels", str(folder.parent / "defects.csv")]
    return parser().parse_args(["evaluate", "defects", "--images", str(folder), *labels, "--out", str(out), *more])


def rows(path: Path, **wanted: str) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return [row for row in csv.DictReader(file) if all(row[key] == value for key, value in wanted.items())]


def fixed(threshold: Any, spec: InputSpec, **named: float) -> dict[str, Contestant]:
    """Fixed models by name, each with the grey level below which it finds things."""
    return {name: Networks(FixedModel(threshold(level), spec), f"{level}") for name, level in named.items()}


def test_a_model_is_run_once_and_judged_at_every_threshold(
    folder: Path, tmp_path: Path, threshold: Any, spec: InputSpec, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    network = threshold()
    contestants: dict[str, Contestant] = {"threshold": Networks(FixedModel(network, spec), "")}
    report = evaluate(options(folder, out, "--overlays"), contestants)
    assert network.calls == 6
    assert len(report.pictures) == 6 * 5, "find, types and three classes"
    (find,) = rows(out / "pooled.csv", **{"class": "find"})
    assert [find[name] for name in ("true", "predicted", "right", "f1")] == ["18", "18", "18", "1"]
    # The ⟨100⟩ loop is as wide as a loop, so it was called a ⟨111⟩ one.
    (types,) = rows(out / "pooled.csv", **{"class": "types"})
    assert float(types["f1"]) == pytest.approx(2 / 3, abs=1e-5)
    (loops,) = rows(out / "pooled.csv", **{"class": "loop_111"})
    assert (loops["precision"], loops["recall"]) == ("0.5", "1")
    assert float(loops["density_true_per_nm2"]) == pytest.approx(1 / (64 * 128), rel=1e-4)
    assert float(loops["size_true_nm"]) == 20
    assert float(loops["size_predicted_nm"]) == pytest.approx((20 + 15) / 2, rel=0.03)
    assert float(loops["size_found_error_percent"]) < 3
    assert float(find["hardening_linear_mape_percent"]) > 10, "a ⟨100⟩ loop hardens three times as much"
    at = [float(row["f1"]) for row in rows(out / "by_iou.csv", **{"class": "find"})]
    assert len(at) == 9
    assert all(a >= b for a, b in pairwise(at))
    scores = rows(out / "by_score.csv", **{"class": "find"})
    assert {row["score"] for row in scores} >= {"0.65", "0.9"}
    assert [row["right"] for row in scores if row["score"] == "0.9"] == ["6"], "the first of each picture has 0.95"

    written = json.loads((out / "evaluation.json").read_text())
    assert written["command"].startswith("python -m training")
    assert written["rules"]["iou"] == 0.3
    assert written["trials"][0]["judged"] == [f"m{k}.png" for k in range(6)]
    assert written["labels"][0] == {
        "image": "m0.png",
        "defects": 3,
        "labelled": ["black_dot", "loop_100", "loop_111"],
        "pixel_size_nm": [0.5, 0.5],
        "thickness_nm": 100.0,
    }
    for name in ("f1_iou", "f1_score", "errors", "sizes", "shapes", "parity"):
        with Image.open(out / f"{name}.png") as plot:
            assert np.asarray(plot.convert("L")).std() > 5, f"{name}.png is blank"
    assert not (out / "ranking.png").exists()
    said = capsys.readouterr().out
    assert "threshold, all pictures, 6 pictures judged, IoU > 0.3" in said
    assert "find" in said


@pytest.mark.usefixtures("without_plots")
def test_overlays_show_the_truth_in_white_and_the_prediction_in_its_colour(
    folder: Path, tmp_path: Path, threshold: Any, spec: InputSpec
) -> None:
    labels = folder.parent / "defects.csv"
    moved = labels.read_text().replace("m0.png,loop_111,60.5", "m0.png,loop_111,100.5")
    labels.write_text(moved)
    only = ("--overlays", "--pictures", "m0.png")
    evaluate(options(folder, tmp_path / "out", *only), fixed(threshold, spec, plain=100))
    (path,) = (tmp_path / "out" / "overlays").rglob("*.png")
    picture = np.asarray(Image.open(path)).astype(int)
    assert picture.shape == (128, 256, 3)
    red = (picture[..., 0] > 200) & (picture[..., 1:] < 50).all(axis=-1)
    white = (picture == 255).all(axis=-1)
    # the loop at x = 60 ± 20, y = 50 ± 10 was found there, and was labelled at x = 100 ± 20
    assert red[46:55, 38:43].any()
    assert red[46:55, 77:83].any()
    assert white[46:55, 117:123].any()
    assert not white[46:55, 38:43].any()


@pytest.mark.usefixtures("without_plots")
def test_every_picture_is_judged_by_a_network_that_has_not_seen_it(
    folder: Path, tmp_path: Path, learner: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    contestants: dict[str, Contestant] = {"way": Networks(learner, "one")}
    report = evaluate(options(folder, out, "--folds", "3", "--seeds", "4", "5"), contestants)
    assert len(learner.learned_from) == 6
    assert {seed for _, seed in learner.learned_from} == {4, 5}
    trials = json.loads((out / "evaluation.json").read_text())["trials"]
    for trial, (seen, _) in zip(trials, learner.learned_from, strict=True):
        assert not set(trial["judged"]) & set(seen)
        assert len(trial["judged"]) == 2
    (pooled,) = (row for row in report.pooled if row["class"] == "find")
    assert (pooled["splits"], pooled["pictures"], pooled["f1_mean"], pooled["f1_std"]) == (6, 12, 1, 0)
    assert "6 splits: F1 1.000 ± 0.000" in capsys.readouterr().out

    # Going on learns nothing again and says the same; what was made otherwise is not taken for it.
    again: dict[str, Contestant] = {"way": Networks(type(learner)(), "one")}
    more = evaluate(options(folder, out, "--folds", "3", "--seeds", "4", "5", "--resume"), again)
    assert again["way"].learner.learned_from == []  # type: ignore[attr-defined]
    assert more == report
    with pytest.raises(StudyError, match="another identity"):
        evaluate(
            options(folder, out, "--folds", "3", "--seeds", "4", "5", "--resume"), {"way": Networks(learner, "two")}
        )
    with pytest.raises(StudyError, match="another train, test"):
        evaluate(
            options(folder, out, "--folds", "4", "--seeds", "4", "5", "--resume"), {"way": Networks(learner, "one")}
        )


@pytest.mark.usefixtures("without_plots")
def test_groups_and_shares_are_left_out(folder: Path, tmp_path: Path, learner: Any) -> None:
    contestants: dict[str, Contestant] = {"way": Networks(learner, "")}
    evaluate(options(folder, tmp_path / "alloys", "--by", "alloy"), contestants)
    odd, even = ("m1.png", "m3.png", "m5.png"), ("m0.png", "m2.png", "m4.png")
    assert [seen for seen, _ in learner.learned_from] == [odd, even]
    assert [row["split"] for row in rows(tmp_path / "alloys" / "splits.csv", **{"class": "find"})] == ["C06M2", "C35M"]
    learner.learned_from.clear()
    evaluate(options(folder, tmp_path / "percent", "--leave-out", "50", "--draws", "1"), contestants)
    assert [len(seen) for seen, _ in learner.learned_from] == [3]


def test_a_learning_curve(folder: Path, tmp_path: Path, learner: Any) -> None:
    contestants: dict[str, Contestant] = {"way": Networks(learner, "")}
    evaluate(options(folder, tmp_path / "out", "--curve", "1", "3", "5", "--draws", "2"), contestants)
    assert [len(seen) for seen, _ in learner.learned_from] == [1, 3, 5, 1, 3, 5]
    assert (tmp_path / "out" / "learning.png").exists()
    pooled = rows(tmp_path / "out" / "pooled.csv", **{"class": "find"})
    assert [(row["setting"], row["splits"]) for row in pooled] == [
        ("1 picture", "2"),
        ("3 pictures", "2"),
        ("5 pictures", "2"),
    ]


def test_models_are_ranked_and_run_once_in_all_splits(
    folder: Path, tmp_path: Path, threshold: Any, spec: InputSpec, capsys: pytest.CaptureFixture[str]
) -> None:
    models = fixed(threshold, spec, blind=20, good=100)
    report = evaluate(options(folder, tmp_path / "out", "--by", "alloy", "--seeds", "1", "2"), models)
    assert [place.model for place in report.ranking] == ["good", "blind"]
    assert report.ranking[0].norm == pytest.approx(3**0.5)
    assert all(one.learner.network.calls == 6 for one in models.values())  # type: ignore[attr-defined]
    assert (tmp_path / "out" / "ranking.png").exists()
    assert (tmp_path / "out" / "splits.png").exists()
    assert [row["model"] for row in rows(tmp_path / "out" / "ranking.csv")] == ["good", "blind"]
    assert "1. good: 1.732 (1.000, 1.000, 1.000)" in capsys.readouterr().out
    assert (tmp_path / "out" / "sizes_good.png").exists()


def test_two_passes_of_labels_are_compared(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels = folder.parent / "defects.csv"
    second = folder.parent / "second.csv"
    kept = [line for line in labels.read_text().splitlines() if "black_dot" not in line and "m5" not in line]
    second.write_text("\n".join(kept) + "\n")
    arguments = ["--images", str(folder), "--labels", str(labels), "--against", str(second)]
    assert main(["evaluate", "defects", *arguments, "--out", str(tmp_path / "out")]) == 0
    (find,) = rows(tmp_path / "out" / "pooled.csv", **{"class": "find"})
    assert (find["model"], find["pictures"], find["true"], find["right"]) == ("second", "5", "15", "10")
    assert (find["precision"], float(find["recall"])) == ("1", pytest.approx(2 / 3, abs=1e-5))
    assert float(find["size_found_error_percent"]) == 0
    assert "1 of 6 pictures were not judged" in capsys.readouterr().out
    assert not (tmp_path / "out" / "f1_score.png").exists(), "labels have no score"


@pytest.mark.usefixtures("without_plots")
def test_loops_of_unknown_kind_harden_by_a_strength_that_is_given(
    folder: Path, tmp_path: Path, threshold: Any, spec: InputSpec, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = folder.parent / "defects.csv"
    dots_left_out = [line for line in labels.read_text().splitlines() if "black_dot" not in line]
    labels.write_text("\n".join(dots_left_out).replace("loop_111", "hcloop").replace("loop_100", "hcloop") + "\n")
    meant = ("--meaning", "hcloop=loop_111,loop_100,black_dot")
    evaluate(options(folder, tmp_path / "none", *meant), fixed(threshold, spec, plain=100))
    (find,) = rows(tmp_path / "none" / "pooled.csv", **{"class": "find"})
    assert (find["true"], find["predicted"], find["right"]) == ("12", "18", "12")
    assert find["hardening_linear_true_mpa"] == ""
    assert "give --barrier hcloop=ALPHA" in capsys.readouterr().out
    evaluate(options(folder, tmp_path / "given", *meant, "--barrier", "hcloop=0.3"), fixed(threshold, spec, plain=100))
    (find,) = rows(tmp_path / "given" / "pooled.csv", **{"class": "find"})
    # two loops of 20 and 15 nm a picture of 64 by 128 nm, 100 nm thick
    expected = 3.06 * 0.3 * 82_000 * 0.249 * ((20 + 15) / (64 * 128 * 100)) ** 0.5
    assert float(find["hardening_linear_true_mpa"]) == pytest.approx(expected, rel=1e-4)


@pytest.mark.usefixtures("without_plots")
def test_a_model_of_the_store_is_run_the_way_it_is_served(folder: Path, tmp_path: Path, dark_store: Path) -> None:
    arguments = ["--images", str(folder), "--labels", str(folder.parent / "defects.csv"), "--model", "defects_dark"]
    served = ["--store", str(dark_store), "--runtime", "fake"]
    assert main(["evaluate", "defects", *arguments, *served, "--out", str(tmp_path / "out")]) == 0
    (find,) = rows(tmp_path / "out" / "pooled.csv", **{"class": "find"})
    assert float(find["recall"]) == 1
    trial = json.loads((tmp_path / "out" / "evaluation.json").read_text())["trials"][0]
    assert trial["about"]["name"] == "defects_dark"
    assert trial["about"]["runtime"] == "fake"


@pytest.mark.usefixtures("without_plots")
def test_a_network_is_trained_for_each_split_and_a_run_is_judged_on_what_it_has_not_seen(
    folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    mine = ["--images", str(folder), "--labels", str(folder.parent / "defects.csv")]
    tiny = ["--steps", "1", "--batch", "2", "--size", "64", "--synthetic", "0", "--precision", "fp32", "--workers", "0"]
    few = ["--pictures", "m0.png", "m1.png"]
    assert main(["evaluate", "defects", *mine, *few, "--learn", *tiny, "--folds", "2", "--out", str(out)]) == 0
    trials = json.loads((out / "evaluation.json").read_text())["trials"]
    runs = sorted((out / "runs").iterdir())
    left_out = [set(Settings.read(run).sources[0].left_out) for run in runs]
    for trial in trials:
        everything_else = {f"m{k}.png" for k in range(6)} - set(trial["train"])
        assert everything_else in left_out, "neither the other one nor what was not asked for was trained on"
    judged = ["--model", str(runs[0]), "--left-out-of", str(runs[0]), "--out", str(tmp_path / "run")]
    assert main(["evaluate", "defects", *mine, *judged]) == 0
    (trial,) = json.loads((tmp_path / "run" / "evaluation.json").read_text())["trials"]
    assert set(trial["judged"]) == left_out[0]
    assert len(left_out[0]) == 5


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "nothing to judge: give --model, --against or --learn"),
        (["--model", "nothing_like_it"], "no defects model 'nothing_like_it'"),
        (["--against", "nowhere.csv"], "no file of labels nowhere.csv"),
        (["--learn", "--steps", "1"], "say which pictures to learn from: --folds, --leave-out, --by or --curve"),
        (["--model", "x", "--pictures", "m9.png"], "no labelled picture is called 'm9.png'"),
        (["--model", "x", "--left-out-of", "nowhere"], "No such file"),
    ],
)
@pytest.mark.usefixtures("without_plots")
def test_wrong_arguments_are_told_with_the_remedy(
    folder: Path, tmp_path: Path, arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = ["--images", str(folder), "--labels", str(folder.parent / "defects.csv"), "--out", str(tmp_path / "out")]
    assert main(["evaluate", "defects", *mine, *arguments]) == 2
    assert told in capsys.readouterr().err


@pytest.mark.usefixtures("without_plots")
def test_a_split_that_cannot_be_made_and_a_published_set_that_is_judged_on_are_refused(
    folder: Path, tmp_path: Path, threshold: Any, spec: InputSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match="6 pictures go into 2 to 6 folds"):
        evaluate(options(folder, tmp_path / "out", "--folds", "7"), fixed(threshold, spec, plain=100))
    again = SourceSettings(images=folder, labels=folder.parent / "defects.csv")
    monkeypatch.setattr("training.defects.commands.published", lambda *_, **__: (again,))
    with pytest.raises(ValueError, match="learn from what it is judged on"):
        evaluate(options(folder, tmp_path / "out", "--folds", "2", "--learn", "--steps", "1", "--published", "x"))


@pytest.mark.usefixtures("without_plots")
def test_what_was_predicted_is_kept_to_the_last_digit(
    folder: Path, tmp_path: Path, threshold: Any, spec: InputSpec
) -> None:
    pictures = read_labels(folder.parent / "defects.csv", folder)[:2]
    made = {
        pictures[0].image: predict(pictures[0], folder, threshold(), spec),
        pictures[1].image: predict(pictures[1], folder, threshold(10), spec),
    }
    assert [len(prediction.table) for prediction in made.values()] == [3, 0]
    save(tmp_path / "kept.json", {"model": "x"}, made)
    head, kept = load(tmp_path / "kept.json")
    assert head == {"model": "x"}
    for image, prediction in made.items():
        before, after = prediction.table, kept[image].table
        assert after.masks == before.masks
        assert after.field_nm2 == before.field_nm2
        for name in ("class_names", "boxes", "size_px", "size_nm", "heywood"):
            np.testing.assert_array_equal(getattr(after, name), getattr(before, name))
        np.testing.assert_array_equal(kept[image].scores, prediction.scores)


@pytest.mark.usefixtures("without_plots")
def test_a_pixel_size_in_the_file_holds_for_the_labels_too(tmp_path: Path, folder: Path) -> None:
    images = tmp_path / "tiff"
    images.mkdir()
    tifffile.imwrite(
        images / "a.tif", np.eye(128, 256, dtype=np.uint8), imagej=True, resolution=(4, 4), metadata={"unit": "nm"}
    )
    (tmp_path / "a.csv").write_text("image,class,x,y,major,minor,angle\na.tif,loop_111,50,50,20,10,0\n")
    (picture,) = (calibrated(one, images) for one in read_labels(tmp_path / "a.csv", images))
    assert picture.pixel_size_nm == pytest.approx((0.25, 0.25))
    table = picture.table()
    assert table.size_nm is not None
    assert table.size_nm.tolist() == pytest.approx([5.0])


@pytest.mark.usefixtures("without_plots")
def test_labels_for_a_picture_of_another_size_are_refused(
    folder: Path, tmp_path: Path, threshold: Any, spec: InputSpec
) -> None:
    Image.fromarray(np.eye(100, 256, dtype=np.uint8)).save(folder / "m2.png")
    with pytest.raises(LabelError, match=r"m2.png has 256×100 px, but its labels are for 256×128 px"):
        evaluate(options(folder, tmp_path / "out"), fixed(threshold, spec, plain=100))


@pytest.mark.usefixtures("without_plots")
def test_synthetic_micrographs_agree_with_their_own_truth(tmp_path: Path) -> None:
    made = {f"s{seed}.tif": render(draw_parameters(seed, size=(192, 192), pixel_size_nm=0.5)) for seed in (1, 2)}
    for name, micrograph in made.items():
        save_micrograph(micrograph, tmp_path / Path(name).stem)
    save_truth(made, tmp_path)
    arguments = ["--images", str(tmp_path), "--labels", str(tmp_path / "coco.json"), "--thickness-nm", "100"]
    against = ["--against", str(tmp_path / "coco.json"), "--out", str(tmp_path / "out")]
    assert main(["evaluate", "defects", *arguments, *against]) == 0
    (find,) = rows(tmp_path / "out" / "pooled.csv", **{"class": "find"})
    assert int(find["true"]) == sum(len(micrograph.instances) for micrograph in made.values())
    assert find["f1"] == "1"
    for name in ("density", "size", "heywood"):
        assert float(find[f"{name}_error_percent"]) == pytest.approx(0, abs=1e-9)
    assert float(find["hardening_linear_mape_percent"]) == pytest.approx(0, abs=1e-9)


@pytest.mark.usefixtures("without_plots")
def test_titaniums_two_passes_agree_as_they_are_known_to(shared_data: Path, tmp_path: Path) -> None:
    titanium = shared_data / "titanium_loops"
    arguments = ["--images", str(titanium / "images"), "--labels", str(titanium / "polygons_second_pass")]
    against = ["--against", str(titanium / "polygons_first_pass"), "--class-name", "loop", "--out", str(tmp_path)]
    only = ["--pictures", "frame_1816.jpg"]
    assert main(["evaluate", "defects", *arguments, *against, *only]) == 0
    (find,) = rows(tmp_path / "pooled.csv", **{"class": "find"})
    assert (int(find["true"]), int(find["predicted"])) == (180, 147)
    assert int(find["right"]) == 119


@pytest.mark.usefixtures("without_plots")
def test_the_summary_has_a_line_for_every_class(folder: Path, tmp_path: Path, threshold: Any, spec: InputSpec) -> None:
    report = evaluate(options(folder, tmp_path / "out"), fixed(threshold, spec, plain=100))
    lines = summary(report.pooled).splitlines()
    assert [line.split()[0] for line in lines[2:]] == ["find", "types", "black_dot", "loop_100", "loop_111"]
    assert len({len(line) for line in lines[1:]}) == 1, "the columns stand below each other"


@pytest.mark.usefixtures("without_plots")
def test_the_guide_names_every_option_and_every_file(
    root: Path, folder: Path, tmp_path: Path, threshold: Any, spec: InputSpec
) -> None:
    guide = (root / "training" / "defects" / "evaluation" / "README.md").read_text(encoding="utf-8")
    of_training = argparse.ArgumentParser()
    add_run_arguments(of_training)
    shared = set(of_training._option_string_actions)
    command = argparse.ArgumentParser()
    add_evaluation(command)
    for option in set(command._option_string_actions) - shared - {"-h", "--help"}:
        assert option in guide or option in WHERE_HELP_IS_ENOUGH, f"{option} is not in the guide"
    evaluate(options(folder, tmp_path / "out", "--overlays"), fixed(threshold, spec, good=100, blind=20))
    for path in (tmp_path / "out").iterdir():
        assert path.name in guide or path.suffix == ".png", f"{path.name} is not in the guide"


WHERE_HELP_IS_ENOUGH = {"--store", "--workers"}
