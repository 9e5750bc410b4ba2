"""The service in process: what is right is answered, what is wrong gets a clear error, and nothing is lost."""

from __future__ import annotations

import io
import logging
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from bentos import atoms
from bentos.service import build
from bentos.settings import Settings, from_environment
from emserve.results import AtomsResult, ModelList

Open = Callable[..., TestClient]


@pytest.fixture
def open_service(blob_store: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """`open_service(queue=2)`: a service with these settings on the operator that needs no weights."""
    monkeypatch.setenv("EMSERVE_STORE", str(blob_store))
    monkeypatch.setenv("EMSERVE_RUNTIME", "fake")
    opened: list[TestClient] = []

    def start(**limits: Any) -> TestClient:
        client = TestClient(build(Settings(**limits)).to_asgi())
        opened.append(client.__enter__())
        return client

    yield start
    for client in opened:
        client.__exit__(None, None, None)


@pytest.fixture(scope="module")
def service(blob_store: Path) -> Iterator[TestClient]:
    """One service for all the tests that only ask."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMSERVE_STORE", str(blob_store))
        patch.setenv("EMSERVE_RUNTIME", "fake")
        with TestClient(build(Settings(max_body_bytes=4_000_000, max_pixels=1_000_000)).to_asgi()) as client:
            yield client


def post(client: TestClient, data: bytes, path: str = "/v1/atoms", **fields: str) -> Any:
    return client.post(path, files={"file": ("micrograph", data)}, data=fields)


def error_of(answer: Any) -> dict[str, Any]:
    assert set(answer.json()) == {"error"}
    error: dict[str, Any] = answer.json()["error"]
    assert set(error) == {"code", "message", "remedy", "field"}
    assert error["message"]
    assert error["remedy"]
    return error


def npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def png(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(array).save(stream, "PNG")
    return stream.getvalue()


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
    assert [(model.name, model.default) for model in models] == [("atoms_blobs", True)]


def test_preview_is_the_picture_as_grey(service: TestClient) -> None:
    stack = np.zeros((2, 40, 60), np.float32)
    stack[1, :, 30:] = 1e6
    answer = post(service, npy(stack), "/v1/preview", frame="1")
    assert answer.headers["content-type"] == "image/png"
    picture = np.asarray(Image.open(io.BytesIO(answer.content)))
    assert (picture.shape, picture.dtype) == ((40, 60), np.uint8)
    assert picture[:, :30].max() == 0
    assert picture[:, 30:].min() == 255


def test_probes_answer_without_a_model(service: TestClient) -> None:
    for path in ("/livez", "/readyz", "/healthz"):
        wait_until_ready(service)
        assert service.get(path).status_code == 200
    assert error_of(service.post("/readyz"))["remedy"] == "Use GET, HEAD."


def test_request_id_is_kept_if_it_can_stand_in_a_log(service: TestClient) -> None:
    assert service.get("/v1/models", headers={"X-Request-Id": "my-run:7"}).headers["x-request-id"] == "my-run:7"
    for bad in ("a b", "a\x1b[31m", "x" * 129, ""):
        identity = service.get("/v1/models", headers={"X-Request-Id": bad}).headers["x-request-id"]
        assert re.fullmatch(r"[0-9a-f]{32}", identity)


def test_pages_need_nothing_from_elsewhere(service: TestClient) -> None:
    for path in ("/", "/docs"):
        page = service.get(path)
        assert page.headers["content-type"].startswith("text/html")
        for address in re.findall(r"(?:src|href|url:)\s*=?\s*\"([^\"#]+)\"", page.text):
            if address.startswith("data:"):
                continue
            assert not address.startswith(("http:", "https:", "//")), f"{path} needs {address}"
            assert service.get(f"/{address.lstrip('/')}").status_code == 200, f"{path} needs {address}"
        assert "googletagmanager" not in page.text
        assert '<link rel="icon" href="data:,">' in page.text, "or browsers ask for /favicon.ico, which is not there"


def test_openapi_describes_every_address(service: TestClient) -> None:
    schema = service.get("/openapi.json").json()
    assert set(schema["paths"]) == {"/v1/atoms", "/v1/preview", "/v1/models", "/livez", "/readyz", "/metrics"}
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


# What is wrong


def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (64, 64), dtype=np.uint8)


def huge_png() -> bytes:
    """A PNG whose header says 30,000 × 30,000."""
    import struct
    import zlib

    head = b"IHDR" + struct.pack(">IIBBBBB", 30_000, 30_000, 8, 0, 0, 0, 0)
    data = b"IDAT" + zlib.compress(bytes(30_001))
    chunks = [head, data, b"IEND"]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) for chunk in chunks
    )


BAD_FILES: dict[str, tuple[bytes, set[int], str]] = {
    "empty": (b"", {400}, "empty_body"),
    "text": (b"this is not a picture\n" * 40, {415}, "unsupported_format"),
    "address as a file": (b"https://example.org/micrograph.dm4", {415}, "unsupported_format"),
    "html": (b"<!DOCTYPE html><html><body>moved</body></html>", {415}, "unsupported_format"),
    "truncated png": (png(picture())[:1500], {422}, "unreadable_micrograph"),
    "truncated npy": (npy(picture())[:1000], {422}, "unreadable_micrograph"),
    "one pixel": (npy(picture()[:1, :1]), {422}, "unreadable_micrograph"),
    "constant": (npy(np.full((64, 64), 7.0)), {422}, "unreadable_micrograph"),
    "all NaN": (npy(np.full((64, 64), np.nan)), {422}, "unreadable_micrograph"),
    "infinite": (npy(np.full((64, 64), np.inf)), {422}, "unreadable_micrograph"),
    "five dimensions": (npy(np.zeros((2, 2, 2, 16, 16))), {422}, "unreadable_micrograph"),
    "complex": (npy(picture().astype(complex)), {422}, "unreadable_micrograph"),
    "objects": (npy(np.array([{"a": 1}], dtype=object)), {422}, "unreadable_micrograph"),
    "huge header": (huge_png(), {413}, "too_large"),
    "too many pixels": (npy(np.zeros((1200, 1000), np.uint8)), {413}, "too_large"),
}

BAD_PARAMETERS: dict[str, tuple[dict[str, str], int, str, str]] = {
    "pixel size 0": ({"pixel_size_nm": "0"}, 422, "invalid_parameter", "pixel_size_nm"),
    "pixel size negative": ({"pixel_size_nm": "-0.016"}, 422, "invalid_parameter", "pixel_size_nm"),
    "pixel size NaN": ({"pixel_size_nm": "nan"}, 422, "invalid_parameter", "pixel_size_nm"),
    "pixel size infinite": ({"pixel_size_nm": "inf"}, 422, "invalid_parameter", "pixel_size_nm"),
    "pixel size absurd": ({"pixel_size_nm": "1e30"}, 422, "invalid_parameter", "pixel_size_nm"),
    "pixel size a word": ({"pixel_size_nm": "small"}, 422, "invalid_parameter", "pixel_size_nm"),
    "three pixel sizes": ({"pixel_size_nm": "1,2,3"}, 422, "invalid_parameter", "pixel_size_nm"),
    "threshold NaN": ({"threshold": "nan"}, 422, "invalid_parameter", "threshold"),
    "threshold infinite": ({"threshold": "inf"}, 422, "invalid_parameter", "threshold"),
    "threshold over 1": ({"threshold": "1.5"}, 422, "invalid_parameter", "threshold"),
    "threshold 0": ({"threshold": "0"}, 422, "invalid_parameter", "threshold"),
    "postprocess": ({"postprocess": "watershed"}, 422, "invalid_parameter", "postprocess"),
    "refine": ({"refine": "perhaps"}, 422, "invalid_parameter", "refine"),
    "frame not there": ({"frame": "5"}, 422, "invalid_parameter", "frame"),
    "frame negative": ({"frame": "-1"}, 422, "invalid_parameter", "frame"),
    "frame a fraction": ({"frame": "0.5"}, 422, "invalid_parameter", "frame"),
    "unknown model": ({"model": "atoms_unet"}, 404, "unknown_model", "model"),
    "model outside the store": ({"model": "../../etc"}, 404, "unknown_model", "model"),
    "unknown parameter": ({"treshold": "0.5"}, 400, "bad_request", "treshold"),
    "long parameter": ({"model": "x" * 10_000}, 400, "bad_request", ""),
}


@pytest.fixture
def unharmed(service: TestClient, lattice_npy: bytes, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """After the test the next good request is answered, and no traceback is in the log."""
    caplog.set_level(logging.INFO)
    yield
    assert post(service, lattice_npy).status_code == 200
    assert not [record for record in caplog.records if record.exc_info]
    assert "Traceback" not in caplog.text


@pytest.mark.usefixtures("unharmed")
@pytest.mark.parametrize("case", BAD_FILES)
@pytest.mark.parametrize("path", ["/v1/atoms", "/v1/preview"])
def test_bad_file(service: TestClient, case: str, path: str) -> None:
    data, statuses, code = BAD_FILES[case]
    answer = post(service, data, path)
    assert answer.status_code in statuses, answer.text
    assert error_of(answer)["code"] == code


@pytest.mark.usefixtures("unharmed")
@pytest.mark.parametrize("case", BAD_PARAMETERS)
def test_bad_parameter(service: TestClient, lattice_npy: bytes, case: str) -> None:
    fields, status, code, field = BAD_PARAMETERS[case]
    answer = post(service, lattice_npy, **fields)
    assert answer.status_code == status, answer.text
    error = error_of(answer)
    assert (error["code"], error["field"] or "") == (code, field)
    if case == "unknown model":
        assert "atoms_blobs" in error["remedy"]
    if case == "unknown parameter":
        assert "Did you mean `threshold`" in error["remedy"]


@pytest.mark.usefixtures("unharmed")
@pytest.mark.parametrize(
    ("request_", "status", "says"),
    [
        ({"files": {"image": ("a.npy", b"1234")}}, 400, "Send it in the field `file`"),
        ({"files": [("file", ("a", b"1")), ("file", ("b", b"2"))]}, 400, "sent twice"),
        ({"files": [("file", ("a", b"1")), ("model", ("b", b"2"))]}, 400, "`model` holds a file"),
        ({"files": {"file": (None, b"http://169.254.169.254/latest")}}, 400, "nothing is fetched"),
        ({"files": {"file": (None, b"file:///etc/passwd")}}, 400, "nothing is fetched"),
        ({"files": {"file": (None, b"some text")}}, 400, "note the @"),
        ({"files": {"threshold": (None, b"0.5")}}, 400, "no field `file`"),
        ({"data": {"file": "https://example.org/a.png"}}, 400, "not multipart/form-data"),
        ({"json": {"file": "https://example.org/a.png"}}, 400, "not multipart/form-data"),
        ({"content": b"\x93NUMPY"}, 400, "curl -F file=@"),
        ({}, 400, "no body"),
        ({"files": {"file": ("a", b"1")}, "params": {"threshold": "0.5"}}, 400, "in the address"),
        ({"content": b"x", "headers": {"content-type": "multipart/form-data"}}, 400, "oundary"),
        ({"content": b"x", "headers": {"content-type": "multipart/form-data; boundary=b"}}, 400, "cannot be parsed"),
        (
            {
                "content": b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n12345',
                "headers": {"content-type": "multipart/form-data; boundary=b"},
            },
            400,
            "cut off",
        ),
        ({"files": [(f"f{i}", (None, b"1")) for i in range(100)]}, 400, "Too many fields"),
        ({"files": {"file": ("a", bytes(4_000_001))}}, 413, "EMSERVE_MAX_BODY_BYTES"),
    ],
)
def test_bad_request(service: TestClient, request_: dict[str, Any], status: int, says: str) -> None:
    answer = service.post("/v1/atoms", **request_)
    assert answer.status_code == status, answer.text
    error = error_of(answer)
    assert says in f"{error['message']} {error['remedy']}"


@pytest.mark.usefixtures("unharmed")
@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "not_found"),
        ("POST", "/", 405, "bad_request"),
        ("GET", "/v1/atoms", 405, "bad_request"),
        ("PUT", "/v1/atoms", 405, "bad_request"),
        ("POST", "/v1/models", 405, "bad_request"),
        ("DELETE", "/livez", 405, "bad_request"),
        ("POST", "/metrics", 405, "bad_request"),
        ("GET", "/v1/atoms/", 404, "not_found"),
        ("GET", "/static_content/index.css", 404, "not_found"),
        ("GET", "/docs.json", 404, "not_found"),
        ("GET", "/schema.json", 404, "not_found"),
        ("GET", "/docs/assets/../../../etc/passwd", 404, "not_found"),
        ("GET", "/docs/assets/%2e%2e/%2e%2e/base_app.py", 404, "not_found"),
    ],
)
def test_bad_address(service: TestClient, method: str, path: str, status: int, code: str) -> None:
    answer = service.request(method, path)
    assert answer.status_code == status
    error = error_of(answer)
    assert error["code"] == code
    if status == 405:
        assert error["remedy"] == f"Use {answer.headers['allow']}."


@pytest.mark.usefixtures("unharmed")
@pytest.mark.parametrize("folder", ["formats", "atom_columns"])
def test_truncated_real_files(service: TestClient, shared_data: Path, folder: str) -> None:
    for file in sorted((shared_data / folder).iterdir()):
        if file.suffix not in {".dm3", ".dm4", ".ser", ".mrc", ".tif", ".tiff", ".png", ".jpg", ".emi"}:
            continue
        whole = file.read_bytes()
        if len(whole) > 4_000_000:
            continue
        for part in (whole[: len(whole) // 2], whole[:100]):
            answer = post(service, part)
            assert answer.status_code in {400, 413, 415, 422, 501}, f"{file.name}: {answer.text[:300]}"
            error_of(answer)


# What the server itself does wrong, and who may ask


def wait_until_ready(client: TestClient) -> Any:
    for _ in range(200):
        answer = client.get("/readyz")
        if answer.status_code == 200:
            return answer
        Event().wait(0.02)
    return answer


def test_an_exception_that_nobody_foresaw(
    open_service: Open, lattice_npy: bytes, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    client = open_service()
    wait_until_ready(client)

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
    assert wait_until_ready(client).status_code == 200
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


def test_answer_that_takes_too_long(
    open_service: Open, lattice_npy: bytes, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    client = open_service(timeout_s=1.5, workers=1)
    wait_until_ready(client)
    stopped, finished = Event(), Event()

    def slow(micrograph: Any, network: Any, spec: Any, **rest: Any) -> None:
        try:
            for _ in range(2000):
                network.run(np.zeros((1, 1, 40, 40), np.float32))
                Event().wait(0.02)
            finished.set()
        except atoms.Abandoned:
            stopped.set()
            raise

    with monkeypatch.context() as patch:
        patch.setattr(atoms, "analyse", slow)
        answer = post(client, lattice_npy)
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
