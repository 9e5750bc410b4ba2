"""The commands: pictures, truth and backgrounds as files that the readers of this project read back."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from analysis.micrograph import read_file
from training.defects.labels import read_labels
from training.defects.synthetic import Parameters, command, render


def parsed(add: object, *arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add(parser)  # type: ignore[operator]
    return parser.parse_args(list(arguments))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    args = parsed(
        command.add_arguments,
        "--count",
        "3",
        "--seed",
        "5",
        "--size",
        "160",
        "200",
        "--out",
        str(folder),
        "--pixel-size-nm",
        "0.8",
    )
    assert command.run(args) == 0
    return folder


def test_every_picture_has_its_pixel_size_and_the_parameters_that_make_it(made: Path) -> None:
    names = sorted(path.stem for path in made.glob("*.tif"))
    assert names == ["fecral_000005", "fecral_000006", "fecral_000007"]
    for name in names:
        micrograph = read_file(made / f"{name}.tif")
        assert micrograph.pixel_size_x_nm == pytest.approx(0.8, rel=1e-5)
        parameters = Parameters.model_validate_json((made / f"{name}.json").read_text(encoding="utf-8"))
        np.testing.assert_array_equal(micrograph.pixels, render(parameters).pixels)


def test_the_masks_of_coco_json_read_back_exactly(made: Path) -> None:
    pictures = read_labels(made / "coco.json", made)
    assert len(pictures) == 3
    for picture in pictures:
        text = (made / picture.image).with_suffix(".json").read_text(encoding="utf-8")
        truth = render(Parameters.model_validate_json(text)).instances
        assert [label.class_name for label in picture.labels] == [instance.class_name for instance in truth]
        assert [label.mask for label in picture.labels] == [instance.mask for instance in truth]
        assert picture.pixel_size_nm == (0.8, 0.8)


def test_the_ellipses_of_defects_csv_read_back(made: Path) -> None:
    count = 0
    for picture in read_labels(made / "defects.csv", made):
        text = (made / picture.image).with_suffix(".json").read_text(encoding="utf-8")
        truth = render(Parameters.model_validate_json(text)).instances
        for label, instance in zip(picture.labels, truth, strict=True):
            assert label.ellipse is not None
            assert label.ellipse.x_px == pytest.approx(instance.ellipse.x_px, abs=1e-3)
            assert label.ellipse.angle_deg == pytest.approx(instance.ellipse.angle_deg, abs=1e-3)
            count += 1
    assert count > 10


def test_the_contact_sheet_shows_the_truth_in_the_field_s_colours(made: Path) -> None:
    with Image.open(made / "contact_sheet.png") as picture:
        sheet = np.asarray(picture.convert("RGB")).reshape(-1, 3)
    colours = {tuple(int(value) for value in colour) for colour in np.unique(sheet, axis=0)}
    assert {command.COLOURS["black_dot"], command.COLOURS["loop_111"]} <= colours


def test_wrong_arguments_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.run(parsed(command.add_arguments, "--count", "0", "--out", str(tmp_path))) == 2
    assert "--count" in capsys.readouterr().err
    args = parsed(command.add_arguments, "--out", str(tmp_path / "a"), "--backgrounds", str(tmp_path / "none"))
    assert command.run(args) == 2
    assert "no picture" in capsys.readouterr().err
    args = parsed(
        command.add_background_arguments,
        "--images",
        str(tmp_path),
        "--labels",
        str(tmp_path / "x.csv"),
        "--out",
        str(tmp_path),
    )
    assert command.run_backgrounds(args) == 2


def test_backgrounds_are_cut_and_used(made: Path, tmp_path: Path) -> None:
    windows = tmp_path / "windows"
    args = parsed(
        command.add_background_arguments,
        "--images", str(made), "--labels", str(made / "coco.json"), "--out", str(windows), "--side-px", "32",
    )  # fmt: skip
    assert command.run_backgrounds(args) == 0
    cut = list(windows.glob("*.tif"))
    assert cut
    assert read_file(cut[0]).pixel_size_x_nm == pytest.approx(0.8, rel=1e-5)
    out = tmp_path / "out"
    options = ["--count", "2", "--size", "96", "96", "--backgrounds", str(windows), "--background-share", "1"]
    args = parsed(command.add_arguments, "--out", str(out), *options)
    assert command.run(args) == 0
    for path in out.glob("fecral_*.json"):
        parameters = Parameters.model_validate_json(path.read_text(encoding="utf-8"))
        assert parameters.background.patch is not None
        assert (windows / parameters.background.patch.file).is_file()
