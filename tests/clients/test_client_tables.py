"""Answers as tables: nothing lost, nothing rounded."""

from __future__ import annotations

import csv
import io
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emserve import AtomsResult, MissingDependency
from emserve.tables import CsvWriter
from emserve.testing import atoms_result

GOLDEN = Path(__file__).parent / "golden" / "atoms_1.0.json"
HEADINGS = [
    *("x_px", "y_px", "x_nm", "y_nm", "score"),
    *("intensity", "background", "sigma_major_px", "sigma_minor_px", "angle_deg", "fit_quality", "refined"),
]


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_one_row_a_column_with_the_fits_figures(tmp_path: Path) -> None:
    text = AtomsResult.from_json(GOLDEN).to_csv(tmp_path / "columns.csv")
    assert (tmp_path / "columns.csv").read_bytes().decode() == text
    table = rows(text)
    assert list(table[0]) == HEADINGS
    assert len(table) == 3
    assert table[0]["x_nm"] == "0.12265556"
    assert table[0]["intensity"] == "1843.25"
    assert [row["refined"] for row in table] == ["true", "true", "false"]
    assert table[2]["sigma_major_px"] == table[2]["fit_quality"] == ""


@given(st.lists(st.tuples(st.floats(0, 1e5), st.floats(0, 1e5)), max_size=20))
def test_positions_survive_to_the_last_digit(positions: list[tuple[float, float]]) -> None:
    result = atoms_result(positions, pixel_size_nm=None)
    back = [(float(row["x_px"]), float(row["y_px"])) for row in rows(result.to_csv())]
    assert back == positions
    assert all(row["x_nm"] == "" for row in rows(result.to_csv()))


def test_no_column_is_a_table_with_headings() -> None:
    assert atoms_result([]).to_csv().strip().split(",") == HEADINGS


def test_several_micrographs_in_one_table() -> None:
    stream = io.StringIO()
    writer = CsvWriter(stream, named=True)
    writer.write(atoms_result(columns=2), "a, b.dm4")
    writer.write(atoms_result(columns=1), "c.tif")
    table = rows(stream.getvalue())
    assert list(table[0]) == ["micrograph", *HEADINGS]
    assert [row["micrograph"] for row in table] == ["a, b.dm4", "a, b.dm4", "c.tif"]


def test_fields_of_a_newer_server_come_last() -> None:
    result = AtomsResult.from_json(GOLDEN)
    column = result.columns[1].model_validate({**result.columns[1].model_dump(), "element": "Sr", "charge": 2})
    result = result.model_copy(update={"columns": [result.columns[0], column]})
    table = rows(result.to_csv())
    assert list(table[0]) == [*HEADINGS, "charge", "element"]
    assert [row["element"] for row in table] == ["", "Sr"]
    frame = result.to_dataframe()
    assert list(frame.columns) == [*HEADINGS, "charge", "element"]


def test_data_frame() -> None:
    pandas = pytest.importorskip("pandas")
    frame = AtomsResult.from_json(GOLDEN).to_dataframe()
    assert list(frame.columns) == HEADINGS
    assert frame["refined"].tolist() == [True, True, False]
    assert np.isnan(frame["sigma_major_px"].iloc[2])
    assert (frame.drop(columns="refined").dtypes == "float64").all()
    pandas.testing.assert_frame_equal(frame, pandas.read_csv(io.StringIO(AtomsResult.from_json(GOLDEN).to_csv())))


@pytest.mark.parametrize("positions", [[], [(1.0, 2.0)]])
def test_data_frame_without_pixel_size_or_columns(positions: list[tuple[float, float]]) -> None:
    pytest.importorskip("pandas")
    frame = atoms_result(positions, pixel_size_nm=None).to_dataframe()
    assert len(frame) == len(positions)
    assert frame["x_nm"].dtype == "float64"
    assert frame["refined"].dtype == "bool"
    assert frame["x_nm"].isna().all()


def test_positions_are_arrays() -> None:
    known, unknown = atoms_result([(1, 2), (3, 4)], pixel_size_nm=0.5), atoms_result([], pixel_size_nm=None)
    np.testing.assert_array_equal(known.positions_px, [[1, 2], [3, 4]])
    np.testing.assert_array_equal(known.positions_nm, [[0.5, 1], [1.5, 2]])
    assert unknown.positions_px.shape == (0, 2)
    assert unknown.positions_nm is None
    assert atoms_result([]).positions_nm is not None, "the pixel size is known, there is just no column"


def test_without_pandas_the_remedy_is_the_pip_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingDependency) as caught:
        atoms_result().to_dataframe()
    assert caught.value.remedy == "Run: pip install pandas"
