"""The plan on paper: its tables follow from what was measured and from the manifests, its words from the tables."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from threading import Event

import pytest

from bentos import atoms, defects
from bentos.family import AnyFamily
from bentos.models import Models
from k8s import scaling

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def page() -> str:
    return scaling.PAGE.read_text(encoding="utf-8")


def cells(page: str, table: str) -> list[list[str]]:
    """The rows of a table, without its head."""
    (body,) = re.findall(rf"<!-- {table} -->\n(.*?)<!-- /{table} -->", page, re.DOTALL)
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in body.splitlines()[2:]]


def test_the_tables_are_fresh(page: str) -> None:
    assert scaling.text(page) == page, "run: python k8s/scaling.py"


def test_a_changed_figure_is_noticed(page: str) -> None:
    row = next(row for row in cells(page, "together"))
    assert scaling.text(page.replace(f"| {row[0]} | {row[1]} |", f"| {row[0]} | 9.99 |")) == page


def test_the_arithmetic_by_hand(page: str) -> None:
    """Once more, from the files, without the script."""
    measured = json.loads((ROOT / "benchmarks/results/atoms.json").read_text())
    (full,) = (row["served_s"] for row in measured["served"] if row["clients"] == 16)
    core_s = full * measured["environment"]["cores"]
    name, cost, busy, paid, pods, hours = cells(page, "together")[0]
    assert name == "atoms, 1024²"
    assert float(cost) == pytest.approx(core_s, abs=0.005)
    assert float(busy) == pytest.approx(1e6 * core_s / 86400, abs=0.05)
    assert float(paid) == pytest.approx(3 * 1e6 * core_s / 86400 / 0.6, abs=0.5)
    assert float(pods) - 1 < 3 * 1e6 * core_s / 86400 / 0.6 / 2 <= float(pods)
    assert float(hours) == pytest.approx(1e6 * core_s / 3600, abs=0.5)
    way = cells(page, "traffic")[0]
    assert float(way[3]) == pytest.approx(1e6 * 2 * 1024**2 * 8 / 86400 / 1e9, abs=0.005)
    year = cells(page, "storage")[0][-1]
    assert float(year) == pytest.approx(1e6 * 2 * 1024**2 * 365 / 1e12, abs=0.5)


def test_answers_are_as_large_as_assumed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMSERVE_RUNTIME", "onnx")
    monkeypatch.setenv("EMSERVE_THREADS", "2")
    models = Models()
    cases: list[tuple[AnyFamily, str, int]] = [
        (atoms.FAMILY, "atoms_segresnet/sample/micrograph.tif", scaling.BYTES_PER_COLUMN),
        (defects.FAMILY, "defects_maskrcnn/sample/micrograph.tif", scaling.BYTES_PER_DEFECT),
    ]
    for family, picture, expected in cases:
        form = family.probe(family.spec_of(models.get(None, family.name).manifest))[1]
        form = form.model_copy(update={"pixel_size_nm": None})
        data = (ROOT / "model_store/models" / picture).read_bytes()
        result = family.answer(data, form, models, max_pixels=10**7, request_id="size", gone=Event())
        text = result.model_dump_json().encode()
        assert len(text) / len(result.findings) == pytest.approx(expected, rel=0.15)
        assert 0.18 < len(gzip.compress(text)) / len(text) < 0.33


def test_the_words_follow_from_the_tables(page: str) -> None:
    small = [row for row in cells(page, "limits") if row[0] == "1024²"]
    first_to_last = [row[1] for row in sorted(small, key=lambda row: float(row[3]))]
    words = ("maps of lines", "Tritons", "at work", "fits", "tensors")
    kinds = [next(word for word in words if word in name) for name in first_to_last]
    assert tuple(dict.fromkeys(kinds)) == words
    assert all(float(row[3]) > 1 for row in small)
    assert all(float(row[3]) < 1 for row in cells(page, "limits") if row[0] == "4096²" and "tensors" not in row[1])
    # One ordinary server; GPUs are not needed; at 4096² more pods than the scalers allow.
    assert all(float(row[3]) < 32 for row in cells(page, "together")[:2])
    for row in cells(page, "apart"):
        needed, allowed = (int(n) for n in row[4].split(" of "))
        assert (needed <= allowed) == ("4096" not in row[0])


def test_nothing_is_said_about_gpus_that_was_not_measured(page: str) -> None:
    assert {row[-1] for row in cells(page, "gpus")} == {"not measured"}
