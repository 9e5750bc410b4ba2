"""Answers of released contracts are read for ever; answers of newer servers are read and kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pydantic
import pytest

from emserve import AtomsResult
from emserve.results import CONTRACT, ModelList

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture
def golden() -> dict[str, Any]:
    return json.loads((GOLDEN / "atoms_1.0.json").read_text(encoding="utf-8"))


def test_every_released_contract_has_a_golden_answer_of_each_kind() -> None:
    assert (GOLDEN / f"atoms_{CONTRACT}.json").is_file()
    assert (GOLDEN / f"models_{CONTRACT}.json").is_file()


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("atoms_*.json")), ids=lambda path: path.name)
def test_golden_answers_are_read_without_loss(path: Path) -> None:
    result = AtomsResult.from_json(path)
    assert json.loads(result.to_json()) == json.loads(path.read_text(encoding="utf-8"))


def test_what_the_golden_answer_says(golden: dict[str, Any]) -> None:
    result = AtomsResult.from_json(json.dumps(golden))
    assert result.contract == "1.0"
    assert result.model.precision == "bf16"
    assert result.micrograph.pixel_size_source == "file"
    assert result.statistics.lattice is not None
    assert result.statistics.lattice.a.length_pm == pytest.approx(285.3647)
    assert [c.refined for c in result.columns] == [True, True, False]
    assert result.warnings[0].code == "fits_failed"
    np.testing.assert_array_equal(result.positions_px, [(12.25, 20.5), (40.75, 20.625), (26.5, 34.875)])
    assert result.positions_nm is not None
    np.testing.assert_allclose(result.positions_nm, result.positions_px * 0.0100127, rtol=1e-6)


def test_no_field_of_the_golden_answer_has_left_the_contract(golden: dict[str, Any]) -> None:
    def unknown(part: Any, where: str) -> list[str]:
        if isinstance(part, list):
            return [name for item in part for name in unknown(item, where)]
        if not isinstance(part, pydantic.BaseModel):
            return []
        found = [f"{where}.{name}" for name in part.model_extra or {}]
        return found + [name for field, value in part for name in unknown(value, f"{where}.{field}")]

    assert unknown(AtomsResult.model_validate(golden), "atoms") == []


def test_a_newer_answer_is_read_and_kept(golden: dict[str, Any]) -> None:
    golden["contract"] = "1.7"
    golden["dose"] = {"electrons_per_nm2": 4.0e5}
    golden["columns"][0]["element"] = "Sr"
    golden["micrograph"]["detector"] = "HAADF"
    golden["micrograph"]["pixel_size_source"] = "lattice"
    golden["parameters"]["postprocess"] = "watershed"
    golden["trust"]["verdict"] = "surprising"
    result = AtomsResult.model_validate(golden)
    assert result.contract == "1.7"
    assert result.columns[0].model_extra == {"element": "Sr"}
    assert json.loads(result.to_json()) == golden


def test_models(golden: dict[str, Any]) -> None:
    text = (GOLDEN / f"models_{CONTRACT}.json").read_text(encoding="utf-8")
    models = ModelList.model_validate_json(text)
    assert models.models[0].scores["recall"] == 0.991
    assert json.loads(models.model_dump_json()) == json.loads(text)


def test_json_goes_to_a_file_and_back(tmp_path: Path, golden: dict[str, Any]) -> None:
    result = AtomsResult.model_validate(golden)
    path = tmp_path / "answer.json"
    assert json.loads(result.to_json(path, indent=2)) == golden
    assert AtomsResult.from_json(path) == AtomsResult.from_json(str(path)) == result
    assert AtomsResult.from_json(path.read_bytes()) == AtomsResult.from_json(path.read_text()) == result


def test_answers_do_not_change(golden: dict[str, Any]) -> None:
    result = AtomsResult.model_validate(golden)
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        result.columns[0].x_px = 0.0  # type: ignore[misc]


def test_nan_does_not_travel(golden: dict[str, Any]) -> None:
    golden["columns"][0]["x_px"] = float("nan")
    with pytest.raises(pydantic.ValidationError, match="finite"):
        AtomsResult.model_validate(golden)
