"""The commands: frames, masks, labels and parameters as files that read back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from analysis.micrograph import read_file
from training.__main__ import main
from training.dislocations.labels import read_frames
from training.dislocations.synthetic import Parameters, PictureFolder, microstructure, render
from training.dislocations.synthetic.command import colour


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    options = ["--microstructure", "M1", "--count", "3", "--seed", "5", "--out", str(folder)]
    assert main(["generate", "dislocations", *options]) == 0
    return folder


def test_parameters_make_the_same_pixels_and_masks(made: Path) -> None:
    names = sorted(path.stem for path in (made / "parameters").iterdir())
    assert names == ["m1_000005", "m1_000006", "m1_000007"]
    for name in names:
        text = (made / "parameters" / f"{name}.json").read_text(encoding="utf-8")
        frame = render(Parameters.model_validate_json(text))
        np.testing.assert_array_equal(read_file(made / f"{name}.png").pixels, frame.pixels)
        masks = tifffile.imread(made / "masks" / f"{name}.tif")
        np.testing.assert_array_equal(masks.reshape(-1, 512, 512) == 255, frame.masks())


def test_labels_lie_beside_the_frames_as_labelme_has_them(made: Path) -> None:
    frames = read_frames(made)
    assert [frame.image for frame in frames] == [f"m1_00000{seed}.png" for seed in (5, 6, 7)]
    for frame in frames:
        text = (made / "parameters" / frame.image).with_suffix(".json").read_text(encoding="utf-8")
        assert len(frame.lines) == len(Parameters.model_validate_json(text).lines)
        assert frame.slip_traces


def test_the_contact_sheet_shows_every_line_in_its_colour(made: Path) -> None:
    with Image.open(made / "contact_sheet.png") as picture:
        sheet = np.asarray(picture.convert("RGB"))
    for number in (0, 1):
        assert (sheet == colour(number)).all(axis=2).sum() > 100


def test_twins_backgrounds_and_microstructures_from_labels(made: Path, tmp_path: Path) -> None:
    twins, clean, measured = tmp_path / "twins", tmp_path / "clean", tmp_path / "m.json"
    assert main(["generate", "dislocations", "--count", "3", "--out", str(twins), "--twins-of", str(made)]) == 0
    originals = read_frames(made)
    for number, frame in enumerate(read_frames(twins)):
        assert len(frame.lines) == len(originals[number].lines)

    assert main(["generate", "dislocation-backgrounds", "--labels", str(made), "--out", str(clean)]) == 0
    assert len(PictureFolder(clean).names) == 3
    out = tmp_path / "real"
    options = ["--count", "2", "--size", "96", "128", "--backgrounds", str(clean), "--out", str(out)]
    assert main(["generate", "dislocations", *options]) == 0
    for path in (out / "parameters").iterdir():
        parameters = Parameters.model_validate_json(path.read_text(encoding="utf-8"))
        assert {layer.file for layer in parameters.background.layers} <= set(PictureFolder(clean).names)

    # what the generator labels are the pieces of its traces; a person labels two
    for path in made.glob("*.json"):
        _two_traces(path, twins)
    options = ["--labels", str(twins), "--images", str(made), "--name", "mine", "--out", str(measured)]
    assert main(["generate", "dislocation-microstructure", *options]) == 0
    assert microstructure(measured).name == "mine"
    options = ["--microstructure", str(measured), "--count", "1", "--out", str(tmp_path / "mine")]
    assert main(["generate", "dislocations", *options]) == 0
    assert (tmp_path / "mine" / "mine_000000.png").is_file()


def _two_traces(path: Path, out: Path) -> None:
    from training.dislocations.labels import LabelledFrame, read_frame, write_frame

    for old in out.glob("m2_*.json"):
        old.unlink()
    frame = read_frame(path)
    half = len(frame.slip_traces) // 2
    sides = frame.slip_traces[:half], frame.slip_traces[half:]
    traces = tuple(np.concatenate([side[0][:1], side[-1][-1:]]) for side in sides)
    write_frame(LabelledFrame(frame.image, 512, 512, frame.lines, traces), out / path.name)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--count", "0"], "--count"),
        (["--size", "20", "20"], "--size"),
        (["--microstructure", "M9"], "M1, M2"),
        (["--backgrounds", "nowhere"], "no picture"),
        (["--twins-of", "nowhere"], "no JSON"),
    ],
)
def test_wrong_arguments_are_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], says: str
) -> None:
    assert main(["generate", "dislocations", "--out", str(tmp_path / "out"), *options]) == 2
    assert says in capsys.readouterr().err


def test_a_file_that_is_no_microstructure_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "m.json").write_text('{"name": "half"}')
    options = ["--microstructure", str(tmp_path / "m.json"), "--out", str(tmp_path / "out")]
    assert main(["generate", "dislocations", *options]) == 2
    assert "no microstructure" in capsys.readouterr().err
    for command in ("dislocation-backgrounds", "dislocation-microstructure"):
        name = ["--name", "x"] if "micro" in command else []
        options = ["--labels", str(tmp_path / "none"), "--out", str(tmp_path / "x"), *name]
        assert main(["generate", command, *options]) == 2
        assert "no JSON" in capsys.readouterr().err
