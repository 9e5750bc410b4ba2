"""`POST /v1/defects`, and a service on a store with models of one family, of both, of none."""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from emserve.results import DefectsResult, ModelList
from tests.bentos.asking import Open, error_of, npy, post, wait_until_loaded
from tests.bentos.conftest import DEFECTS
from tests.conftest import write_dark_model

COUNTS = {name: len(ellipses) for name, ellipses in DEFECTS.items()}


def ask(client: TestClient, data: bytes, **fields: str) -> DefectsResult:
    answer = post(client, data, "/v1/defects", **fields)
    assert answer.status_code == 200, answer.text
    return DefectsResult.model_validate_json(answer.content)


def codes(result: DefectsResult) -> set[str]:
    return {warning.code for warning in result.warnings}


def test_defects_come_back_with_their_class_place_and_size(service: TestClient, defects_npy: bytes) -> None:
    answer = post(service, defects_npy, "/v1/defects", pixel_size_nm="0.5", thickness_nm="100")
    assert answer.headers["content-type"] == "application/json"
    result = DefectsResult.model_validate_json(answer.content)
    assert result.request_id == answer.headers["x-request-id"]
    assert (result.model.name, result.model.runtime) == ("defects_dark", "fake")
    assert result.warnings == []
    for name, ellipses in DEFECTS.items():
        found = sorted(result.of_class(name), key=lambda defect: defect.x_px)
        for defect, (x_px, y_px, width, height) in zip(found, sorted(ellipses), strict=True):
            assert (defect.x_px, defect.y_px) == pytest.approx((x_px, y_px), abs=0.6)
            size = math.sqrt(width * height) if name == "black_dot" else max(width, height)
            assert defect.size_px == pytest.approx(size, abs=3)  # the operator smooths before it looks
            assert defect.size_nm == pytest.approx(defect.size_px / 2, rel=1e-4)
            assert defect.mask.decode().sum() == defect.area_px
    statistics = {row.class_name: row for row in result.statistics.classes}
    assert {name: row.count for name, row in statistics.items()} == COUNTS
    assert result.statistics.field_of_view_nm2 == pytest.approx(256 * 200 / 4)
    assert statistics["loop_111"].density_per_nm2 == pytest.approx(2 / (256 * 200 / 4))
    timings = result.timings_ms
    assert min(timings.read, timings.preprocess, timings.network, timings.postprocess) > 0


def test_hardening_is_the_barrier_model_with_the_constants_that_were_sent(
    service: TestClient, defects_npy: bytes
) -> None:
    usual = ask(service, defects_npy, pixel_size_nm="0.5", thickness_nm="100")
    assert usual.parameters.taylor_factor == 3.06
    assert usual.parameters.barrier_strengths == {"loop_111": 0.11, "loop_100": 0.32, "black_dot": 0.10}
    assert usual.statistics.hardening is not None
    # One loop_100, in a volume of its own: the equation by hand.
    (loop,) = usual.of_class("loop_100")
    density = 1 / (256 * 200 * 0.25 * 100)
    stress_mpa = 3.06 * 0.32 * 82e3 * 0.249 * math.sqrt(density * loop.size_nm)
    assert usual.statistics.hardening.by_class_mpa["loop_100"] == pytest.approx(stress_mpa)
    others = ask(
        service,
        defects_npy,
        pixel_size_nm="0.5",
        thickness_nm="25",
        taylor_factor="2.5",
        shear_modulus_gpa="41",
        burgers_vector_nm="0.498",
        barrier_strengths=" loop_100 = 0.16 ",
    )
    assert others.statistics.hardening is not None
    for name, factor in (("loop_111", 1.0), ("loop_100", 0.5), ("black_dot", 1.0)):
        expected = usual.statistics.hardening.by_class_mpa[name] * 2 * (2.5 / 3.06) * factor
        assert others.statistics.hardening.by_class_mpa[name] == pytest.approx(expected)
    assert others.parameters.barrier_strengths == {"loop_111": 0.11, "loop_100": 0.16, "black_dot": 0.10}
    assert others.parameters.thickness_nm == 25


def test_what_is_missing_is_null_and_said(service: TestClient, defects_npy: bytes) -> None:
    result = ask(service, defects_npy, pixel_size_nm="0.5")
    assert result.statistics.hardening is None
    assert codes(result) == {"no_hardening_without_thickness"}
    result = ask(service, defects_npy)
    assert (result.statistics.hardening, result.statistics.field_of_view_nm2) == (None, None)
    assert result.defects[0].size_nm is None
    assert result.defects[0].size_px > 0
    assert codes(result) == {"pixel_size_unknown"}
    result = ask(service, defects_npy, pixel_size_nm="0.01")
    assert "pixel_size_outside_range" in codes(result)


def test_score_leaves_out_what_is_less_sure(service: TestClient, defects_npy: bytes) -> None:
    everything = ask(service, defects_npy, score="0.1")
    assert everything.statistics.count == sum(COUNTS.values())
    surer = ask(service, defects_npy, score="0.8")
    assert 0 < surer.statistics.count < everything.statistics.count
    assert min(defect.score for defect in surer.defects) >= 0.8


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_every_number_inside_the_ranges_gives_an_answer(
    service: TestClient, defects_npy: bytes, data: st.DataObject
) -> None:
    """Nothing overflows, however the constants are combined."""
    ranges = {
        "taylor_factor": (0.1, 10),
        "shear_modulus_gpa": (0.1, 1000),
        "burgers_vector_nm": (0.01, 10),
        "thickness_nm": (0.1, 100_000),
    }
    fields = {name: repr(data.draw(st.floats(low, high), label=name)) for name, (low, high) in ranges.items()}
    strength = data.draw(st.floats(0, 1, exclude_min=True), label="strength")
    pixel_size = data.draw(st.sampled_from(["0.005", "0.02", "0.5", "5", "20", "2,0.2"]), label="pixel size")
    result = ask(service, defects_npy, barrier_strengths=f"loop_111={strength!r}", pixel_size_nm=pixel_size, **fields)
    assert result.statistics.hardening is not None
    assert 0 <= result.statistics.hardening.quadrature_mpa <= result.statistics.hardening.linear_mpa < math.inf


def test_no_defects(service: TestClient) -> None:
    bright = np.full((65, 64), 200.0)
    bright[::2] += 100  # too fine a pattern for the operator
    result = ask(service, npy(bright), pixel_size_nm="0.5", thickness_nm="100", model="defects_dark")
    assert result.defects == []
    assert [row.density_per_nm2 for row in result.statistics.classes] == [0, 0, 0]
    assert result.statistics.all.size_nm is None
    assert result.statistics.hardening is not None
    assert result.statistics.hardening.linear_mpa == 0


def test_described_with_its_parameters(service: TestClient) -> None:
    post_defects = service.get("/openapi.json").json()["paths"]["/v1/defects"]["post"]
    schema = post_defects["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert set(schema["properties"]) == {
        "file",
        "pixel_size_nm",
        "model",
        "frame",
        "score",
        "thickness_nm",
        "taylor_factor",
        "shear_modulus_gpa",
        "burgers_vector_nm",
        "barrier_strengths",
    }
    for name, field in schema["properties"].items():
        assert field["description"], name
    assert (schema["properties"]["taylor_factor"]["default"], schema["required"]) == (3.06, ["file"])
    assert "#/components/schemas/DefectsResult" in str(post_defects["responses"]["200"])


def test_metrics_count_defects(service: TestClient, defects_npy: bytes) -> None:
    line = 'emserve_findings_total{family="defects",model="defects_dark"} '

    def value() -> float:
        found = [row for row in service.get("/metrics").text.splitlines() if row.startswith(line)]
        return float(found[0].removeprefix(line)) if found else 0

    before = value()
    ask(service, defects_npy)
    assert value() == before + sum(COUNTS.values())


# Stores


@pytest.fixture
def served(open_service: Open, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`served(store)`: a service on the models of that folder."""

    def start(store: Path) -> TestClient:
        monkeypatch.setenv("EMSERVE_STORE", str(store))
        return open_service()

    return start


@pytest.mark.parametrize(
    ("family", "other"),
    [("atoms", "defects"), ("defects", "dislocations"), ("dislocations", "atoms"), ("atoms", "dislocations/stack")],
)
def test_a_store_with_one_family(
    served: Any,
    blob_store: Path,
    dark_store: Path,
    line_store: Path,
    lattice_npy: bytes,
    family: str,
    other: str,
) -> None:
    client = served({"atoms": blob_store, "defects": dark_store, "dislocations": line_store}[family])
    assert wait_until_loaded(client).status_code == 200
    assert post(client, lattice_npy, f"/v1/{family}").status_code == 200
    for fields in ({}, {"model": "some_model"}):
        answer = post(client, lattice_npy, f"/v1/{other}", **fields)
        assert (answer.status_code, error_of(answer)["code"]) == (404, "unknown_model")
        assert other.partition("/")[0] in error_of(answer)["message"]
        assert f"It has models for: {family}." in error_of(answer)["remedy"]
    assert client.get("/").status_code == 200


def test_a_store_without_models_is_not_ready(served: Any, tmp_path: Path, lattice_npy: bytes) -> None:
    client = served(tmp_path)
    assert client.get("/livez").status_code == 200
    answer = wait_until_loaded(client)
    assert answer.status_code == 503
    assert "has no model" in error_of(answer)["message"]
    assert post(client, lattice_npy, "/v1/defects").status_code == 404


def test_several_models_without_a_default_are_served_by_name(
    served: Any, blob_store: Path, tmp_path: Path, defects_npy: bytes
) -> None:
    """A user who adds models of one's own does not stop the service."""
    store = shutil.copytree(blob_store, tmp_path / "store")
    for name in ("mine", "yours"):
        write_dark_model(store / name, default=False)
    client = served(store)
    assert wait_until_loaded(client).status_code == 200
    assert ask(client, defects_npy, model="yours").model.name == "yours"
    answer = post(client, defects_npy, "/v1/defects")
    assert (answer.status_code, error_of(answer)["code"]) == (500, "store")
    assert "default: true" in error_of(answer)["remedy"]


def test_the_default_models_of_all_families_are_warm(
    served: Any, family_store: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    client = served(family_store)
    assert wait_until_loaded(client).status_code == 200
    told = [record.getMessage() for record in caplog.records if record.getMessage().startswith("loaded: ")]
    assert [line.split()[1] for line in told] == ["atoms_blobs", "defects_dark", "dislocations_dark"]
    models = ModelList.model_validate_json(client.get("/v1/models").content).models
    assert {model.family for model in models if model.default} == {"atoms", "defects", "dislocations"}


def test_a_wrong_input_block_is_told_and_keeps_the_service_unready(
    served: Any, dark_store: Path, tmp_path: Path, defects_npy: bytes
) -> None:
    store = shutil.copytree(dark_store, tmp_path / "store")
    manifest = store / "defects_dark" / "manifest.yaml"
    manifest.write_text(manifest.read_text().replace("overlap_px: 128", "overlap_px: 400"))
    client = served(store)
    answer = wait_until_loaded(client)
    assert answer.status_code == 503
    assert "defects_dark" in error_of(answer)["message"]
    answer = post(client, defects_npy, "/v1/defects")
    assert (answer.status_code, error_of(answer)["code"]) == (500, "store")
    assert "overlap by more than half" in error_of(answer)["message"]
