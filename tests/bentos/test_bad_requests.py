"""What is wrong with a request gets a clear error, and the next request is answered."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from bentos.families import FAMILIES
from bentos.parameters import StackForm
from tests.bentos.asking import error_of, huge_png, npy, picture, png, post
from tests.bentos.filming import STACK

FORMS = {f"/v1/{family.name}": family.form for family in FAMILIES} | {STACK: StackForm}
PATHS = list(FORMS)
MODELS = {"/v1/atoms": "atoms_blobs", "/v1/defects": "defects_dark"}

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
    "frame not there": ({"frame": "5"}, 422, "invalid_parameter", "frame"),
    "frame negative": ({"frame": "-1"}, 422, "invalid_parameter", "frame"),
    "frame a fraction": ({"frame": "0.5"}, 422, "invalid_parameter", "frame"),
    "unknown model": ({"model": "my_unet"}, 404, "unknown_model", "model"),
    "model outside the store": ({"model": "../../etc"}, 404, "unknown_model", "model"),
    "unknown parameter": ({"pixelsize_nm": "0.5"}, 400, "bad_request", "pixelsize_nm"),
    "long parameter": ({"model": "x" * 10_000}, 400, "bad_request", ""),
}

LINES = {
    "pixel_size_nm": ["0.003", "60"],
    "threshold": ["nan", "inf", "1.5", "1", "0", "-0.1", "half"],
    "shear_modulus_gpa": ["nan", "inf", "0", "-43.6", "43600", "stiff"],
    "burgers_vector_nm": ["nan", "inf", "0", "-0.29", "290", "a/3<11-20>"],
}

BAD_PARAMETERS_OF: dict[str, dict[str, list[str]]] = {
    "/v1/atoms": {
        "pixel_size_nm": ["0.0001", "1.6"],
        "threshold": ["nan", "inf", "1.5", "0", "-0.1", "half"],
        "postprocess": ["watershed"],
        "refine": ["perhaps"],
    },
    "/v1/defects": {
        "pixel_size_nm": ["0.0003", "280"],
        "score": ["nan", "inf", "1.5", "1", "0", "-0.1", "high"],
        "thickness_nm": ["nan", "inf", "0", "-100", "1e-300", "1e30", "thin"],
        "taylor_factor": ["nan", "inf", "0", "-3.06", "1e300", "fcc"],
        "shear_modulus_gpa": ["nan", "inf", "0", "-82", "82000", "stiff"],
        "burgers_vector_nm": ["nan", "inf", "0", "-0.249", "249", "a/2<111>"],
        "barrier_strengths": [
            "0.11",
            "loop_111",
            "loop_111=",
            "=0.11",
            "loop_111=0.11,",
            "loop_111=strong",
            "loop_111=0",
            "loop_111=-0.1",
            "loop_111=nan",
            "loop_111=inf",
            "loop_111=11",
            "loop_111=0.1,loop_111=0.2",
            "loop_110=0.1",
            '{"loop_111": 0.11}',
        ],
    },
    "/v1/dislocations": LINES,
    STACK: {
        **LINES,
        "frame_time_s": ["nan", "inf", "0", "-0.04", "1e-300", "1e30", "25 Hz"],
        "gate_px": ["nan", "inf", "0", "-25", "1e9", "near"],
        "memory": ["-1", "1.5", "1e9", "long"],
        "correct_drift": ["perhaps"],
        "pictures": ["all"],
    },
}


@pytest.fixture
def unharmed(request: pytest.FixtureRequest, service: TestClient, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """After the test the next good request to the same address is answered, and no traceback is in the log."""
    caplog.set_level(logging.INFO)
    path = request.getfixturevalue("path") if "path" in request.fixturenames else PATHS[0]
    yield
    assert post(service, npy(picture()), path if path in PATHS else PATHS[0]).status_code == 200
    assert not [record for record in caplog.records if record.exc_info]
    assert "Traceback" not in caplog.text


@pytest.mark.usefixtures("unharmed")
@pytest.mark.parametrize("case", BAD_FILES)
@pytest.mark.parametrize("path", [*PATHS, "/v1/preview"])
def test_bad_file(service: TestClient, case: str, path: str) -> None:
    data, statuses, code = BAD_FILES[case]
    answer = post(service, data, path)
    assert answer.status_code in statuses, answer.text
    assert error_of(answer)["code"] == code


@pytest.mark.usefixtures("unharmed")
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("case", BAD_PARAMETERS)
def test_bad_parameter(service: TestClient, lattice_npy: bytes, path: str, case: str) -> None:
    fields, status, code, field = BAD_PARAMETERS[case]
    if path == STACK and field == "frame":
        status, code = 400, "bad_request"  # it takes all of them
    answer = post(service, lattice_npy, path, **fields)
    assert answer.status_code == status, answer.text
    error = error_of(answer)
    assert (error["code"], error["field"] or "") == (code, field)
    if case == "unknown model":
        assert MODELS.get(path, "dislocations_dark") in error["remedy"]
    if case == "unknown parameter":
        assert "Did you mean `pixel_size_nm`" in error["remedy"]


@pytest.mark.usefixtures("unharmed")
@pytest.mark.parametrize(
    ("path", "name", "value"),
    [
        (path, name, value)
        for path, names in BAD_PARAMETERS_OF.items()
        for name, values in names.items()
        for value in values
    ],
)
def test_bad_parameter_of_a_family(service: TestClient, lattice_npy: bytes, path: str, name: str, value: str) -> None:
    answer = post(service, lattice_npy, path, **{name: value})
    assert answer.status_code == 422, answer.text
    error = error_of(answer)
    assert (error["code"], error["field"]) == ("invalid_parameter", name)


def test_every_parameter_of_a_family_was_tried() -> None:
    common = {name for fields, *_ in BAD_PARAMETERS.values() for name in fields}
    for path, form in FORMS.items():
        assert set(form.model_fields) <= common | set(BAD_PARAMETERS_OF[path])


def test_the_model_of_another_family_is_not_taken(service: TestClient, lattice_npy: bytes) -> None:
    answer = post(service, lattice_npy, "/v1/defects", model="atoms_blobs")
    assert (answer.status_code, error_of(answer)["code"]) == (404, "unknown_model")
    assert "defects_dark" in error_of(answer)["remedy"]


@pytest.mark.usefixtures("unharmed")
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("request_", "status", "says"),
    [
        ({"files": {"image": ("a.npy", b"1234")}}, 400, "Send it in the field `file`"),
        ({"files": [("file", ("a", b"1")), ("file", ("b", b"2"))]}, 400, "sent twice"),
        ({"files": [("file", ("a", b"1")), ("model", ("b", b"2"))]}, 400, "`model` holds a file"),
        ({"files": {"file": (None, b"http://169.254.169.254/latest")}}, 400, "nothing is fetched"),
        ({"files": {"file": (None, b"file:///etc/passwd")}}, 400, "nothing is fetched"),
        ({"files": {"file": (None, b"some text")}}, 400, "note the @"),
        ({"files": {"model": (None, b"x")}}, 400, "no field `file`"),
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
        ({"files": {"file": ("a", bytes(4_000_001))}}, 413, "EMSERVE_MAX_"),
    ],
)
def test_bad_request(service: TestClient, path: str, request_: dict[str, Any], status: int, says: str) -> None:
    answer = service.post(path, **request_)
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
        ("GET", "/v1/defects", 405, "bad_request"),
        ("GET", "/v1/dislocations/stack", 405, "bad_request"),
        ("POST", "/v1/dislocations/stacks", 404, "not_found"),
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
@pytest.mark.parametrize(
    ("path", "folder"),
    [
        ("/v1/atoms", "formats"),
        ("/v1/atoms", "atom_columns"),
        ("/v1/defects", "fecral_three_class"),
        ("/v1/dislocations", "dislocation_frames"),
    ],
)
def test_truncated_real_files(service: TestClient, shared_data: Path, path: str, folder: str) -> None:
    for file in sorted((shared_data / folder).iterdir()):
        if file.suffix not in {".dm3", ".dm4", ".ser", ".mrc", ".tif", ".tiff", ".png", ".jpg", ".emi"}:
            continue
        whole = file.read_bytes()
        if len(whole) > 4_000_000:
            continue
        for part in (whole[: len(whole) // 2], whole[:100]):
            answer = post(service, part, path)
            assert answer.status_code in {400, 413, 415, 422, 501}, f"{file.name}: {answer.text[:300]}"
            error_of(answer)
