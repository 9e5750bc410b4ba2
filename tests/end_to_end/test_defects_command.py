"""`emserve defects` and `Client.defects` against a real service, whose network finds what is dark."""

from __future__ import annotations

import csv
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emserve import Client, DefectsResult, InvalidParameter

Image = pytest.importorskip("PIL.Image")

DISCS = {"loop_111": [(60, 60, 44), (190, 70, 50)], "black_dot": [(130, 150, 12)]}  # x, y, diameter in px


@pytest.fixture(scope="module")
def server(start_server: Callable[..., Any], dark_store: Path) -> Any:
    with start_server(EMSERVE_STORE=str(dark_store), EMSERVE_RUNTIME="fake") as server:
        yield server


@pytest.fixture
def micrograph(tmp_path: Path) -> Path:
    y, x = np.mgrid[:200, :256]
    pixels = np.full((200, 256), 200, np.uint8)
    for x_px, y_px, diameter in (disc for kind in DISCS.values() for disc in kind):
        pixels[np.hypot(x - x_px, y - y_px) <= diameter / 2] = 20
    Image.fromarray(pixels).save(tmp_path / "foil.png")
    return tmp_path / "foil.png"


def test_from_a_file_to_tables_and_pictures(server: Any, micrograph: Path) -> None:
    words = (
        f"defects foil.png foil.png --url {server.url} --pixel-size-nm 0.5 --thickness-nm 100 "
        "--barrier-strength loop_111=0.2 --csv all.csv --summary summary.csv --json out/ --overlay out/ --masks out/"
    )
    done = subprocess.run(
        [sys.executable, "-m", "emserve", *words.split()],
        capture_output=True,
        text=True,
        cwd=micrograph.parent,
        env={"PYTHONPATH": str(Path(__file__).parents[2] / "clients"), "PYTHONIOENCODING": "utf-8"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "⟨111⟩ loop 2, ⟨100⟩ loop 0, black dot 1" in done.stdout
    out = micrograph.parent / "out"
    result = DefectsResult.from_json(out / "foil.png.json")
    assert result.counts == {"loop_111": 2, "loop_100": 0, "black_dot": 1}
    with (micrograph.parent / "summary.csv").open(newline="") as stream:
        first, second = csv.DictReader(stream)
    assert {name: value for name, value in first.items() if name != "micrograph"} == {
        name: value for name, value in second.items() if name != "micrograph"
    }
    volume = 256 * 200 * 0.25 * 100
    sizes = [defect.size_nm or 0 for defect in result.of_class("loop_111")]
    by_hand = 3.06 * 0.2 * 82_000 * 0.249 * math.sqrt(sum(sizes) / volume)
    assert float(first["loop_111_hardening_mpa"]) == pytest.approx(by_hand, rel=1e-3)
    with Image.open(out / "foil.png_masks.png") as masks:
        np.testing.assert_array_equal(np.asarray(masks), result.label_picture())
        assert np.asarray(masks)[60, 60] in (1, 2)
    with Image.open(out / "foil.png.png") as overlay:
        assert overlay.width == 256 * 3


def test_what_the_service_refuses_is_the_same_exception_here(server: Any, micrograph: Path) -> None:
    with Client(server.url) as client:
        result = client.defects(micrograph)
        assert {notice.code for notice in result.warnings} == {"pixel_size_unknown"}
        assert result.statistics.hardening is None
        for field, options in {
            "thickness_nm": {"thickness_nm": -1},
            "score": {"score": 2},
            "barrier_strengths": {"barrier_strengths": {"void": 0.1}},
        }.items():
            with pytest.raises(InvalidParameter) as caught:
                client.defects(micrograph, **options)
            assert caught.value.field == field
