"""Answers of released contracts are read for ever; answers of newer servers are read and kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pydantic
import pytest

from emserve import AtomsResult, DefectsResult, DislocationsResult
from emserve.results import (
    CONTRACT,
    Defect,
    DefectMask,
    DefectsParameters,
    DislocationLine,
    DislocationsFrame,
    DislocationsParameters,
    DislocationsStatistics,
    DislocationsTracks,
    DislocationTrack,
    ModelList,
    SlipTrace,
    StackError,
    StackParameters,
    TrackedLine,
    stack_message,
)

GOLDEN = Path(__file__).parent / "golden"
KINDS: dict[str, type[pydantic.BaseModel]] = {
    "atoms": AtomsResult,
    "defects": DefectsResult,
    "dislocations": DislocationsResult,
    "dislocations_frame": DislocationsFrame,
    "dislocations_tracks": DislocationsTracks,
    "models": ModelList,
}


@pytest.fixture
def golden() -> dict[str, Any]:
    return json.loads((GOLDEN / "atoms_1.0.json").read_text(encoding="utf-8"))


@pytest.fixture
def defects() -> dict[str, Any]:
    return json.loads((GOLDEN / "defects_1.1.json").read_text(encoding="utf-8"))


def test_every_released_contract_has_a_golden_answer_of_each_kind() -> None:
    kinds = set(KINDS)
    assert {path.name for path in GOLDEN.glob(f"*_{CONTRACT}.json")} == {f"{kind}_{CONTRACT}.json" for kind in kinds}


def kind_of(path: Path) -> type[pydantic.BaseModel]:
    return KINDS[path.name.rpartition("_")[0]]


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.json")), ids=lambda path: path.name)
def test_golden_answers_are_read_without_loss(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert json.loads(kind_of(path).model_validate_json(text).model_dump_json()) == json.loads(text)


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


def test_what_the_golden_defects_say(defects: dict[str, Any]) -> None:
    result = DefectsResult.from_json(json.dumps(defects))
    assert (result.contract, result.model.family) == ("1.1", "defects")
    assert result.counts == {"loop_111": 1, "loop_100": 1, "black_dot": 1, "void": 1}
    first = result.defects[0]
    assert (first.class_name, first.left_px, first.size_nm) == ("loop_111", 9.5, pytest.approx(13.133223))
    assert first.mask.decode().sum() == first.area_px
    s = result.statistics
    assert s.field_of_view_nm2 == pytest.approx(96 * 64 * 0.478516**2)
    assert s.classes[1].size_nm is not None
    assert s.classes[1].size_nm.edges == [10.0, 15.0]
    assert s.hardening is not None
    assert s.hardening.linear_mpa == pytest.approx(sum(s.hardening.by_class_mpa.values()))
    assert "void" not in s.hardening.by_class_mpa
    assert result.warnings[0].code == "no_barrier_strength"


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.json")), ids=lambda path: path.name)
def test_no_field_of_a_golden_answer_has_left_the_contract(path: Path) -> None:
    def unknown(part: Any, where: str) -> list[str]:
        if isinstance(part, list):
            return [name for item in part for name in unknown(item, where)]
        if not isinstance(part, pydantic.BaseModel):
            return []
        found = [f"{where}.{name}" for name in part.model_extra or {}]
        return found + [name for field, value in part for name in unknown(value, f"{where}.{field}")]

    assert unknown(kind_of(path).model_validate_json(path.read_bytes()), path.name) == []


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


def test_newer_defects_are_read_and_kept(defects: dict[str, Any]) -> None:
    defects["contract"] = "1.7"
    defects["defects"][0] |= {"burgers_vector": "1/2[111]", "habit_plane": [1, 1, 1]}
    defects["defects"][1]["class_name"] = "stacking_fault_tetrahedron"
    defects["defects"][2]["mask"]["confidence"] = 0.75
    defects["statistics"]["hardening"]["strain_percent"] = 0.1
    defects["statistics"]["all"]["nearest_neighbour_nm"] = {"mean": 12.5}
    result = DefectsResult.model_validate(defects)
    assert result.defects[0].model_extra == {"burgers_vector": "1/2[111]", "habit_plane": [1, 1, 1]}
    assert result.counts["stacking_fault_tetrahedron"] == 1
    assert json.loads(result.to_json()) == defects
    heading, first, *_ = result.to_csv().splitlines()
    assert heading.endswith(",touches_edge,burgers_vector"), "what is no single value is not in a table"
    assert first.endswith(",1/2[111]")


@pytest.mark.parametrize("counts", [[5], [0, 7, -7, 800], []])
def test_a_mask_whose_runs_do_not_fill_its_crop_is_refused(defects: dict[str, Any], counts: list[int]) -> None:
    defects["defects"][0]["mask"]["counts"] = counts
    with pytest.raises(pydantic.ValidationError, match="do not fill"):
        DefectsResult.model_validate(defects)


def test_every_field_of_a_finding_says_what_it_is() -> None:
    for part in (
        *(Defect, DefectsParameters, DefectMask),
        *(DislocationLine, SlipTrace, DislocationsStatistics, DislocationsParameters),
        *(TrackedLine, DislocationTrack, StackParameters),
    ):
        for name, field in part.model_fields.items():
            assert field.description or name == "mask", f"{part.__name__}.{name}"


def test_what_the_golden_lines_say() -> None:
    result = DislocationsResult.from_json(GOLDEN / "dislocations_1.2.json")
    assert (result.contract, result.model.family, result.statistics.count) == ("1.2", "dislocations", 2)
    assert [line.number for line in result.lines] == [1, 2]
    assert result.points_px.shape == (2, 50, 2)
    for line, points in zip(result.lines, result.points_px, strict=True):
        steps = np.hypot(*np.diff(points, axis=0).T)
        np.testing.assert_allclose(steps, line.length_px / 49, rtol=0.02)
        assert line.stress_mpa == pytest.approx(1000 * 43.6 * 0.29 / (line.radius_nm or np.nan), rel=1e-3)
    assert len(result.slip_traces) == 1
    assert result.points_nm is not None
    np.testing.assert_allclose(result.points_nm, result.points_px * 1.25)


def test_what_the_golden_frame_and_tracks_say() -> None:
    frame = DislocationsFrame.from_json(GOLDEN / "dislocations_frame_1.2.json")
    tracks = DislocationsTracks.from_json(GOLDEN / "dislocations_tracks_1.2.json")
    assert (frame.number, frame.time_s) == (2, 0.08)
    assert {line.track for line in frame.lines} == {track.number for track in tracks.tracks} == {1, 2}
    velocities = [track.velocity_nm_per_s for track in tracks.tracks]
    assert velocities == pytest.approx([2 * 1.25 / 0.04] * 2, rel=0.05)
    assert frame.pairs[0].distance_nm == pytest.approx(1.25 * frame.pairs[0].distance_px)
    assert frame.png is None


def test_messages_of_a_stack_are_told_by_their_kind() -> None:
    for name, kind in (("frame", DislocationsFrame), ("tracks", DislocationsTracks)):
        text = (GOLDEN / f"dislocations_{name}_1.2.json").read_bytes()
        assert isinstance(stack_message(text), kind)
    error = stack_message('{"kind": "error", "error": {"code": "busy", "message": "No.", "retry": {"after_s": 3}}}')
    assert isinstance(error, StackError)
    assert (error.error.code, error.error.remedy) == ("busy", "")
    assert stack_message('{"kind": "still", "seconds": 3}') is None, "a newer server's"


@pytest.mark.parametrize("line", ["", "[]", "frame", "{}", '{"kind": 3}', '{"kind": "frame"}'])
def test_what_is_no_message_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        stack_message(line)


def test_models() -> None:
    models = ModelList.model_validate_json((GOLDEN / "models_1.0.json").read_bytes())
    assert models.models[0].scores["recall"] == 0.991


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
