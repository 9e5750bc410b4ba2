"""`make demo` without its installation: a real service, the store's samples, files on the disk."""

from __future__ import annotations

import csv
import json
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from bentos import demo
from emserve import AtomsResult, DefectsResult, DislocationsResult
from model_store import manifest
from model_store.store import Store


def test_demo_answers_every_sample(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "demo"
    assert demo.main(["--out", str(out)]) == 0
    store = Store()
    pictures = demo.samples(store, "atoms")
    assert pictures
    for picture in pictures:
        result = AtomsResult.from_json((out / "atoms" / f"{picture.stem}.json").read_text())
        truth = json.loads(picture.with_suffix(".json").read_text())
        assert result.micrograph.pixel_size_x_nm == pytest.approx(truth["frame"]["pixel_size_nm"], rel=1e-3)
        assert result.micrograph.pixel_size_source == "file"
        with (out / "atoms" / f"{picture.stem}.csv").open() as stream:
            rows = list(csv.DictReader(stream))
        assert len(rows) == result.statistics.count > 100
        assert float(rows[0]["x_nm"]) == pytest.approx(result.columns[0].x_nm)
        assert Image.open(out / "atoms" / f"{picture.stem}.png").width >= result.micrograph.width_px
    printed = capfd.readouterr()
    assert pictures[0].name in printed.out
    assert "make serve" in printed.out
    check_defects(out, demo.samples(store, "defects"))
    check_lines(out, demo.samples(store, "dislocations"))
    for family in ("defects", "dislocations"):
        assert (f"There is no {family} model" in printed.err) == (not store.manifests(family))


def check_lines(out: Path, pictures: list[Path]) -> None:
    for picture in pictures:
        result = DislocationsResult.from_json((out / "dislocations" / f"{picture.stem}.json").read_text())
        assert result.micrograph.pixel_size_source == "file"
        assert result.statistics.count > 0
        assert result.statistics.density_per_nm is not None
        with (out / "dislocations" / f"{picture.stem}.csv").open() as stream:
            assert len(list(csv.DictReader(stream))) == result.statistics.count
        assert Image.open(out / "dislocations" / f"{picture.stem}.png").width >= result.micrograph.width_px


def check_defects(out: Path, pictures: list[Path]) -> None:
    for picture in pictures:
        result = DefectsResult.from_json((out / "defects" / f"{picture.stem}.json").read_text())
        assert result.micrograph.pixel_size_source == "file"
        assert result.statistics.count > 0
        assert result.statistics.hardening is not None
        assert result.parameters.thickness_nm == 100
        with (out / "defects" / f"{picture.stem}.csv").open() as stream:
            assert len(list(csv.DictReader(stream))) == result.statistics.count
        assert Image.open(out / "defects" / f"{picture.stem}.png").width >= result.micrograph.width_px
    if pictures:
        with (out / "defects" / "summary.csv").open() as stream:
            assert [row["micrograph"] for row in csv.DictReader(stream)] == [picture.name for picture in pictures]


def test_demo_shows_all_families(
    family_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """On a store whose models have samples of one name."""
    store = shutil.copytree(family_store, tmp_path / "store")
    y, x = np.mgrid[:256, :256]
    disc = np.where((x % 64 - 32) ** 2 + (y % 64 - 32) ** 2 < 14**2, 20, 200).astype(np.uint8)
    bowed = x + 12 * np.sin(np.pi * y / 256) - 32
    lines = np.where((np.abs(bowed % 64 - 32) < 2) & (np.abs(y - 128) < 100), 20, 200).astype(np.uint8)
    for name, pixel_size_nm, pixels in (
        ("atoms_blobs", 0.016, 255 - disc),
        ("defects_dark", 0.5, disc),
        ("dislocations_dark", 1.0, lines),
    ):
        entry = manifest.load(store / name)
        sample = entry.sample.model_copy(update={"micrographs": ["sample/micrograph.tif"]})
        manifest.write(entry.model_copy(update={"sample": sample}), store / name)
        (store / name / "sample").mkdir(exist_ok=True)
        tifffile.imwrite(
            store / name / "sample" / "micrograph.tif",
            pixels,
            imagej=True,
            resolution=(1 / pixel_size_nm, 1 / pixel_size_nm),
            metadata={"unit": "nm"},
        )
    monkeypatch.setenv("EMSERVE_STORE", str(store))
    monkeypatch.setenv("EMSERVE_RUNTIME", "fake")
    out = tmp_path / "demo"
    assert demo.main(["--out", str(out)]) == 0
    printed = capfd.readouterr().out
    titles = ("Atom columns: emserve atoms micrograph.tif", "Irradiation defects: ", "Dislocation lines: ")
    assert sorted(titles, key=printed.index) == list(titles)
    assert AtomsResult.from_json((out / "atoms" / "micrograph.json").read_text()).model.name == "atoms_blobs"
    check_defects(out, demo.samples(Store(), "defects"))
    result = DefectsResult.from_json((out / "defects" / "micrograph.json").read_text())
    assert result.statistics.count == 16
    assert ".venv/bin/emserve defects" in printed
    check_lines(out, demo.samples(Store(), "dislocations"))
    followed = DislocationsResult.from_json((out / "dislocations" / "micrograph.json").read_text())
    assert followed.statistics.count == 4


def test_demo_names_a_missing_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert demo.main(["nowhere.dm4"]) == 2
    assert "nowhere.dm4" in capsys.readouterr().err


@pytest.mark.parametrize("family", ["atoms", "defects", "dislocations"])
def test_demo_of_a_family_without_a_model(
    blob_store: Path,
    dark_store: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    family: str,
) -> None:
    monkeypatch.setenv("EMSERVE_STORE", str(dark_store if family == "atoms" else blob_store))
    assert demo.main(["--family", family, "--out", str(tmp_path)]) == 1
    assert f"There is no {family} model" in capsys.readouterr().err


def test_what_to_type_next_is_this_run_and_can_be_typed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "of_an_earlier_run.png").touch()
    pictures = [tmp_path / "my micrograph.dm4", tmp_path / "2" / "x.tif", tmp_path / "x.dm4"]
    demo.say_what_next(tmp_path, {"atoms": pictures, "defects": pictures[:1]})
    printed = capsys.readouterr().out
    names = ("atoms/my micrograph.png", "atoms/x.tif.png", "atoms/x.dm4.png", "defects/my micrograph.png")
    written = [tmp_path / name for name in names]
    assert f"Look at {', '.join(map(str, written))};" in printed
    for family, line in zip(("atoms", "defects"), printed.splitlines()[-2:], strict=True):
        command = shlex.split(line)
        assert command[1:3] == [family, str(tmp_path / "my micrograph.dm4")]
