"""Tables of defects: a row for each, a row for each picture, units in the headings."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from emserve import DefectsResult
from emserve.results import Defect
from emserve.tables import CsvWriter, SummaryWriter
from emserve.testing import defects_result

GOLDEN = Path(__file__).parent / "golden" / "defects_1.1.json"
WITHOUT_UNIT = {"class_name", "score", "heywood", "touches_edge"}


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_one_row_a_defect(tmp_path: Path) -> None:
    result = DefectsResult.from_json(GOLDEN)
    text = result.to_csv(tmp_path / "defects.csv")
    assert (tmp_path / "defects.csv").read_bytes().decode() == text
    table = rows(text)
    assert list(table[0]) == [name for name in Defect.model_fields if name != "mask"]
    assert all(name in WITHOUT_UNIT or name.endswith(("_px", "_nm", "_nm2", "_deg")) for name in table[0])
    assert [row["class_name"] for row in table] == ["loop_111", "loop_100", "black_dot", "void"]
    assert [row["touches_edge"] for row in table] == ["false", "true", "false", "false"]
    for row, defect in zip(table, result.defects, strict=True):
        assert float(row["size_nm"]) == defect.size_nm
        assert float(row["area_nm2"]) == defect.area_nm2


def test_several_micrographs_in_one_table() -> None:
    stream = io.StringIO()
    writer = CsvWriter(stream, named=True)
    writer.write(defects_result(defects=0), "none.tif")
    writer.write(defects_result(defects=2), "two.tif")
    assert [row["micrograph"] for row in rows(stream.getvalue())] == ["two.tif"] * 2


def test_without_pixel_size_what_is_in_nm_is_empty() -> None:
    for row in rows(defects_result(pixel_size_nm=None).to_csv()):
        assert {row[name] for name in row if name.endswith(("_nm", "_nm2"))} == {""}
        assert float(row["size_px"]) == 8


def test_data_frame() -> None:
    pandas = pytest.importorskip("pandas")
    result = DefectsResult.from_json(GOLDEN)
    frame = result.to_dataframe()
    assert frame["touches_edge"].dtype == "bool"
    assert frame["area_px"].dtype == "int64"
    assert frame["size_nm"].tolist() == [defect.size_nm for defect in result.defects]
    pandas.testing.assert_frame_equal(frame, pandas.read_csv(io.StringIO(result.to_csv())), check_dtype=False)
    empty = defects_result(defects=0, pixel_size_nm=None).to_dataframe()
    assert (len(empty), empty["touches_edge"].dtype, empty["size_nm"].dtype) == (0, "bool", "float64")


def test_a_pictures_numbers_in_one_row() -> None:
    result = DefectsResult.from_json(GOLDEN)
    summary = result.summary()
    s = result.statistics
    assert s.hardening is not None
    assert s.all.size_nm is not None
    assert summary["count"] == 4
    assert summary["density_per_nm2"] == pytest.approx(4 / (96 * 64 * 0.478516**2))
    assert summary["size_mean_nm"] == s.all.size_nm.mean
    assert summary["thickness_nm"] == 110
    assert summary["hardening_linear_mpa"] == s.hardening.linear_mpa
    assert summary["hardening_quadrature_mpa"] == s.hardening.quadrature_mpa
    assert summary["loop_100_hardening_mpa"] == s.hardening.by_class_mpa["loop_100"]
    assert summary["loop_100_density_per_nm2"] == s.classes[1].density_per_nm2
    assert summary["void_hardening_mpa"] is None, "its strength is not known"


def test_a_summary_of_several_micrographs() -> None:
    stream = io.StringIO()
    writer = SummaryWriter(stream)
    writer.write(defects_result(defects=0), "none, empty.tif")
    writer.write(defects_result(defects=4, pixel_size_nm=None), "unknown.tif")
    none, unknown = rows(stream.getvalue())
    assert next(iter(none)) == "micrograph"
    assert (none["micrograph"], none["count"], none["density_per_nm2"]) == ("none, empty.tif", "0", "0.0")
    assert (none["size_mean_nm"], none["loop_111_hardening_mpa"]) == ("", "0.0")
    assert (unknown["count"], unknown["loop_111_count"], unknown["black_dot_count"]) == ("4", "2", "1")
    assert (unknown["density_per_nm2"], unknown["hardening_linear_mpa"], unknown["size_mean_px"]) == ("", "", "8.0")
