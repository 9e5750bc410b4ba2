"""The service in process: what is right is answered, and what the server itself does wrong is told."""

from __future__ import annotations

import io
import re
import shutil
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from bentos import atoms, defects
from bentos.family import Abandoned
from bentos.settings import from_environment
from emserve.results import AtomsResult, ModelList
from tests.bentos.asking import Open, error_of, npy, picture, post, wait_until_loaded

# What is right


def test_a_lattice_comes_back_as_its_columns(service: TestClient, lattice_npy: bytes, lattice_columns: int) -> None:
    answer = post(service, lattice_npy, pixel_size_nm="0.016", threshold="0.4", postprocess="log", refine="true")
    assert answer.status_code == 200, answer.text
    result = AtomsResult.model_validate_json(answer.content)
    assert result.statistics.count == len(result.columns) == lattice_columns
    remainder = np.array([(column.x_px % 18, column.y_px % 18) for column in result.columns])
    np.testing.assert_allclose(np.minimum(remainder, 18 - remainder), 0, atol=0.05)
    assert result.statistics.nearest_neighbour_median_pm == pytest.approx(18 * 16, rel=0.01)
    assert result.model.runtime == "fake"
    assert result.micrograph.pixel_size_source == "argument"
    assert result.request_id == answer.headers["x-request-id"]
    timings = result.timings_ms
    assert min(timings.read, timings.preprocess, timings.network, timings.postprocess) > 0


def test_non_square_pixels(service: TestClient, lattice_npy: bytes) -> None:
    result = AtomsResult.model_validate_json(post(service, lattice_npy, pixel_size_nm="0.016,0.018").content)
    assert (result.micrograph.pixel_size_x_nm, result.micrograph.pixel_size_y_nm) == (0.016, 0.018)


def test_empty_parameters_count_as_not_sent(service: TestClient, lattice_npy: bytes) -> None:
    answer = post(service, lattice_npy, pixel_size_nm="", model="", threshold="", postprocess="", refine="", frame="")
    assert answer.status_code == 200


def test_models(service: TestClient) -> None:
    models = ModelList.model_validate_json(service.get("/v1/models").content).models
    names = ["atoms_blobs", "defects_dark", "dislocations_dark"]
    assert [(model.name, model.default) for model in models] == [(name, True) for name in names]


def test_preview_is_the_picture_as_grey(service: TestClient) -> None:
    stack = np.zeros((2, 40, 60), np.float32)
    stack[1, :, 30:] = 1e6
    answer = post(service, npy(stack), "/v1/preview", frame="1")
    assert answer.headers["content-type"] == "image/png"
    picture = np.asarray(Image.open(io.BytesIO(answer.content)))
    assert (picture.shape, picture.dtype) == ((40, 60), np.uint8)
    assert picture[:, :30].max() == 0
    assert picture[:, 30:].min() == 255


@pytest.mark.parametrize("path", ["/v1/atoms", "/v1/defects", "/v1/dislocations"])
def test_the_first_frame_of_a_stack_is_not_taken_silently(service: TestClient, path: str) -> None:
    stack = npy(np.stack([picture(), picture()[::-1]]))
    asked: list[dict[str, str]] = [{}, {"frame": "0"}, {"frame": "1"}]
    codes = [{notice["code"] for notice in post(service, stack, path, **fields).json()["warnings"]} for fields in asked]
    assert ["first_frame_only" in found for found in codes] == [True, False, False]


def test_probes_answer_without_a_model(service: TestClient) -> None:
    for path in ("/livez", "/readyz", "/healthz"):
        wait_until_loaded(service)
        assert service.get(path).status_code == 200
    assert error_of(service.post("/readyz"))["remedy"] == "Use GET, HEAD."


def test_request_id_is_kept_if_it_can_stand_in_a_log(service: TestClient) -> None:
    assert service.get("/v1/models", headers={"X-Request-Id": "my-run:7"}).headers["x-request-id"] == "my-run:7"
    for bad in ("a b", "a\x1b[31m", "x" * 129, ""):
        identity = service.get("/v1/models", headers={"X-Request-Id": bad}).headers["x-request-id"]
        assert re.fullmatch(r"[0-9a-f]{32}", identity)


def test_openapi_describes_every_address(service: TestClient) -> None:
    schema = service.get("/openapi.json").json()
    families = {"/v1/atoms", "/v1/defects", "/v1/dislocations", "/v1/dislocations/stack"}
    assert set(schema["paths"]) == families | {"/v1/preview", "/v1/models", "/livez", "/readyz", "/metrics"}
    operations = [operation for methods in schema["paths"].values() for operation in methods.values()]
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    post_atoms = schema["paths"]["/v1/atoms"]["post"]
    assert set(post_atoms["responses"]) >= {"200", "400", "401", "404", "413", "415", "422", "429", "500", "504"}
    body = post_atoms["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert set(body["properties"]) == {"file", "pixel_size_nm", "model", "threshold", "postprocess", "refine", "frame"}
    for reference in re.findall(r"#/components/schemas/(\w+)", str(schema)):
        assert reference in schema["components"]["schemas"]
    assert "#/components/schemas/AtomsResult" in str(post_atoms["responses"]["200"])


def test_openapi_names_the_headers_of_answers(service: TestClient) -> None:
    for operations in service.get("/openapi.json").json()["paths"].values():
        for operation in operations.values():
            for status, answer in operation["responses"].items():
                assert set(answer["headers"]) == {"X-Request-Id"} | ({"Retry-After"} if status == "429" else set())


@pytest.mark.parametrize("path", ["/", "/docs", "/openapi.json", "/v1/models", "/metrics", "/livez"])
def test_head_is_answered_where_get_is(service: TestClient, path: str) -> None:
    answer = service.head(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == service.get(path).headers["content-type"]


@pytest.mark.parametrize("path", ["/", "/docs", "/openapi.json"])
def test_metrics_tell_the_pages_apart(service: TestClient, path: str) -> None:
    service.get(path)
    assert f'emserve_requests_total{{path="{path}",status="200"}}' in service.get("/metrics").text


def test_the_example_of_an_upload_names_the_address_that_was_asked(service: TestClient) -> None:
    answer = service.post("/v1/preview", content=b"x", headers={"host": "microscope.lab:8080"})
    assert "curl -F file=@micrograph.dm4 http://microscope.lab:8080/v1/preview" in error_of(answer)["remedy"]
    answer = service.post("/v1/defects", content=b"x", headers={"host": "microscope.lab"})
    example = "curl -F file=@micrograph.dm4 -F pixel_size_nm=0.28 -F thickness_nm=100 http://microscope.lab/v1/defects"
    assert example in error_of(answer)["remedy"]
    answer = service.post("/v1/dislocations/stack", content=b"x", headers={"host": "microscope.lab"})
    example = "curl -F file=@video.mp4 -F pixel_size_nm=1.2 -F frame_time_s=0.04 http://microscope.lab/v1/disloc"
    assert example in error_of(answer)["remedy"]
    answer = service.post("/v1/atoms", content=b"x", headers={"host": "a; rm -rf b"})
    assert "-F pixel_size_nm=0.016 http://HOST/v1/atoms" in error_of(answer)["remedy"]


def test_metrics_count_and_stay_bounded(service: TestClient, lattice_npy: bytes, lattice_columns: int) -> None:
    def value(line: str) -> float:
        found = re.search(rf"^{re.escape(line)} (\S+)$", service.get("/metrics").text, flags=re.MULTILINE)
        return float(found[1]) if found else 0.0

    columns = 'emserve_findings_total{family="atoms",model="atoms_blobs"}'
    stage = 'emserve_stage_seconds_count{family="atoms",model="atoms_blobs",stage="network"}'
    before = value(columns), value(stage)
    assert post(service, lattice_npy, pixel_size_nm="0.016").status_code == 200
    assert (value(columns), value(stage)) == (before[0] + lattice_columns, before[1] + 1)
    lines = len(service.get("/metrics").text.splitlines())
    for i in range(50):
        service.get(f"/nowhere/{i}")
        post(service, lattice_npy, model=f"model_{i}")
    assert len(service.get("/metrics").text.splitlines()) <= lines + 50
    assert "nowhere" not in service.get("/metrics").text
    assert "model_7" not in service.get("/metrics").text


# What the server itself does wrong, and who may ask


def test_an_exception_that_nobody_foresaw(
    open_service: Open, lattice_npy: bytes, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    client = open_service()
    wait_until_loaded(client)

    def fail(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("secret detail")

    with monkeypatch.context() as patch:
        patch.setattr(atoms, "analyse", fail)
        answer = client.post("/v1/atoms", files={"file": ("a", lattice_npy)}, headers={"X-Request-Id": "my-id"})
    assert answer.status_code == 500
    error = error_of(answer)
    assert error["code"] == "internal_error"
    assert "my-id" in error["remedy"]
    assert "secret" not in answer.text
    (record,) = [record for record in caplog.records if record.exc_info]
    assert "my-id" in record.getMessage()
    assert post(client, lattice_npy).status_code == 200


def test_not_ready_with_weights_that_changed(
    open_service: Open, blob_store: Path, tmp_path: Path, lattice_npy: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = shutil.copytree(blob_store, tmp_path / "store")
    with (store / "atoms_blobs" / "1" / "model.onnx").open("ab") as weights:
        weights.write(b"x")
    monkeypatch.setenv("EMSERVE_STORE", str(store))
    monkeypatch.setenv("EMSERVE_RUNTIME", "onnx")
    client = open_service()
    assert client.get("/livez").status_code == 200
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert error_of(answer)["code"] == "unavailable"
    answer = post(client, lattice_npy)
    assert (answer.status_code, error_of(answer)["code"]) == (500, "checksum_mismatch")


def test_api_keys(open_service: Open, lattice_npy: bytes) -> None:
    client = open_service(api_keys=("first", "second"))
    assert client.get("/livez").status_code == 200
    assert wait_until_loaded(client).status_code == 200
    assert client.options("/v1/atoms").status_code == 405
    answer = post(client, lattice_npy)
    assert (answer.status_code, error_of(answer)["code"]) == (401, "unauthorized")
    assert answer.headers["www-authenticate"] == "Bearer"
    for path in ("/v1/models", "/metrics", "/schema.json", "/nowhere"):
        assert client.get(path).status_code == 401
        for wrong in ("Bearer third", "Bearer firs", "Bearer first2", "bearer \xe9"):
            answer = client.get(path, headers={"Authorization": wrong.encode("latin-1")})
            assert (answer.status_code, error_of(answer)["code"]) == (403, "forbidden")
        assert client.get(path, headers={"Authorization": "Basic first"}).status_code == 401
    for key in ("first", "second"):
        assert client.get("/v1/models", headers={"Authorization": f"Bearer {key}"}).status_code == 200
    assert client.get("/openapi.json").json()["security"] == [{"key": []}]


def test_pages_elsewhere_may_call_only_if_named(open_service: Open) -> None:
    preflight = {"Origin": "https://lab.example", "Access-Control-Request-Method": "POST"}
    assert "access-control-allow-origin" not in open_service().options("/v1/atoms", headers=preflight).headers
    client = open_service(cors_origins=("https://lab.example",), api_keys=("key",))
    answer = client.options("/v1/atoms", headers=preflight)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "https://lab.example"
    answer = client.get("/v1/models", headers={"Origin": "https://lab.example"})
    assert answer.status_code == 401
    assert answer.headers["access-control-allow-origin"] == "https://lab.example"


@pytest.mark.parametrize("family", [atoms, defects], ids=lambda module: module.FAMILY.name)
def test_answer_that_takes_too_long(
    open_service: Open,
    lattice_npy: bytes,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    family: Any,
) -> None:
    client = open_service(timeout_s=1.5, workers=1)
    wait_until_loaded(client)
    stopped, finished = Event(), Event()

    def slow(micrograph: Any, network: Any, spec: Any, **rest: Any) -> None:
        try:
            for _ in range(2000):
                if family is atoms:
                    network.run(np.zeros((1, 1, 40, 40), np.float32))
                else:
                    network.run_named({"image": np.zeros((1, 40, 40), np.float32)})
                Event().wait(0.02)
            finished.set()
        except Abandoned:
            stopped.set()
            raise

    with monkeypatch.context() as patch:
        patch.setattr(family, "analyse", slow)
        answer = post(client, lattice_npy, f"/v1/{family.FAMILY.name}")
        assert (answer.status_code, error_of(answer)["code"]) == (504, "deadline_exceeded")
        assert stopped.wait(20), "abandoned work stops at its next batch"
        assert not finished.is_set()
    assert post(client, npy(picture()), "/v1/preview").status_code == 200
    assert not [record for record in caplog.records if record.exc_info]


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMSERVE_API_KEYS", " one, two ,")
    monkeypatch.setenv("EMSERVE_MAX_PIXELS", "1000")
    limits = from_environment()
    assert (limits.api_keys, limits.max_pixels, limits.cors_origins) == (("one", "two"), 1000, ())
    assert "one" not in repr(limits)
    monkeypatch.setenv("EMSERVE_MAX_PIXELS", "many")
    with pytest.raises(Exception, match="EMSERVE_MAX_PIXELS is 'many'"):
        from_environment()
