"""`make demo` without its installation: a real service, the store's samples, files on the disk."""

from __future__ import annotations

import csv
import json
import shlex
from pathlib import Path

import pytest
from PIL import Image

from bentos import demo
from emserve import AtomsResult
from model_store.store import Store


def test_demo_answers_every_sample(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "demo"
    assert demo.main(["--out", str(out)]) == 0
    pictures = demo.samples(Store())
    assert pictures
    for picture in pictures:
        result = AtomsResult.from_json((out / f"{picture.stem}.json").read_text())
        truth = json.loads(picture.with_suffix(".json").read_text())
        assert result.micrograph.pixel_size_x_nm == pytest.approx(truth["frame"]["pixel_size_nm"], rel=1e-3)
        assert result.micrograph.pixel_size_source == "file"
        with (out / f"{picture.stem}.csv").open() as stream:
            rows = list(csv.DictReader(stream))
        assert len(rows) == result.statistics.count > 100
        assert float(rows[0]["x_nm"]) == pytest.approx(result.columns[0].x_nm)
        assert Image.open(out / f"{picture.stem}.png").width >= result.micrograph.width_px
    printed = capfd.readouterr()
    assert pictures[0].name in printed.out
    assert "make serve" in printed.out


def test_demo_names_a_missing_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert demo.main(["nowhere.dm4"]) == 2
    assert "nowhere.dm4" in capsys.readouterr().err


def test_what_to_type_next_is_this_run_and_can_be_typed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "of_an_earlier_run.png").touch()
    demo.say_what_next(tmp_path, [tmp_path / "my micrograph.dm4", tmp_path / "2" / "x.tif", tmp_path / "x.dm4"])
    printed = capsys.readouterr().out
    written = [tmp_path / name for name in ("my micrograph.png", "x.tif.png", "x.dm4.png")]
    assert f"Look at {', '.join(map(str, written))};" in printed
    command = shlex.split(printed.splitlines()[-1])
    assert command[1:3] == ["atoms", str(tmp_path / "my micrograph.dm4")]
