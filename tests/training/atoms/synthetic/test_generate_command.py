"""The files that `generate atoms` writes."""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from training.atoms.synthetic import Parameters, command, multislice, render


def arguments(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return parser.parse_args(words)


def test_files_belong_together(tmp_path: Path) -> None:
    assert command.run(arguments("--count", "3", "--seed", "40", "--size", "96", "120", "--out", str(tmp_path))) == 0
    stems = sorted(path.with_suffix("") for path in tmp_path.glob("*.json"))
    assert len(stems) == 3
    for stem in stems:
        parameters = Parameters.model_validate_json(stem.with_suffix(".json").read_text(encoding="utf-8"))
        again = render(parameters)
        with tifffile.TiffFile(stem.with_suffix(".tif")) as tiff:
            assert np.array_equal(tiff.asarray().astype(np.float32), again.pixels)
            metadata = tiff.imagej_metadata
            assert metadata is not None
            assert metadata["unit"] == "nm"
            per_unit = tiff.pages[0].tags["XResolution"].value
            assert per_unit[1] / per_unit[0] == pytest.approx(parameters.frame.pixel_size_nm, rel=1e-5)
        with stem.with_suffix(".csv").open(encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == len(again.x_px)
        for row, x in zip(rows, again.x_px, strict=True):
            assert float(row["x_px"]) == pytest.approx(x, abs=1e-4)
            assert float(row["x_nm"]) == pytest.approx(x * again.pixel_size_nm, abs=1e-4)


def test_contact_sheet_marks_the_columns(tmp_path: Path) -> None:
    words = ("--count", "2", "--lattice", "srtio3_100", "--out", str(tmp_path), "--pixel-size-nm", "0.02")
    assert command.run(arguments(*words)) == 0
    with Image.open(tmp_path / "contact_sheet.png") as sheet:
        pixels = np.asarray(sheet).astype(int)
    red = (pixels[..., 0] > 200) & (pixels[..., 1] < 60) & (pixels[..., 2] < 60)
    assert red[: 256 + 14].sum() == 0
    assert red[256 + 28 :].sum() > 500


def test_no_pictures_is_a_usage_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.run(arguments("--count", "0", "--out", str(tmp_path))) == 2
    assert "--count" in capsys.readouterr().err


def test_multislice_makes_a_unit_cell(tmp_path: Path) -> None:
    """One phonon configuration of a single layer of WS2: a few seconds, and close to the committed average."""
    pytest.importorskip("abtem")
    assert multislice.main(["--lattice", "ws2_0001", "--configurations", "1", "--out", str(tmp_path)]) == 0
    with np.load(tmp_path / "ws2_0001.npz") as new, np.load(multislice.FOLDER / "ws2_0001.npz") as committed:
        assert new["intensity"].shape == committed["intensity"].shape
        assert new["thickness_nm"] == pytest.approx(committed["thickness_nm"])
        assert np.corrcoef(new["intensity"].ravel(), committed["intensity"].ravel())[0, 1] > 0.99
