"""`POST /v1/dislocations` and the stream of `POST /v1/dislocations/stack`: what is right is answered."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from emserve.results import DislocationsResult
from tests.bentos.asking import Open, error_of, npy, post
from tests.bentos.filming import HEIGHT, LINES, SPACING_PX, STACK, STEP_PX, WIDTH, film, line_pixels, parts, zipped_film


def ask(client: TestClient, **fields: str) -> DislocationsResult:
    answer = post(client, npy(line_pixels()), "/v1/dislocations", **fields)
    assert answer.status_code == 200, answer.text
    return DislocationsResult.model_validate_json(answer.content)


def test_lines_come_back_with_their_course_and_length(service: TestClient) -> None:
    result = ask(service, pixel_size_nm="0.5")
    assert (result.model.name, result.model.runtime) == ("dislocations_dark", "fake")
    assert [line.number for line in result.lines] == [1, 2, 3]
    y = np.arange(16, HEIGHT - 16)
    for k, line in enumerate(sorted(result.lines, key=lambda line: line.start_x_px + line.end_x_px)):
        points = np.array(line.points_px)
        course = 12 * np.sin(np.pi * points[:, 1] / HEIGHT) + 20 + SPACING_PX * k
        np.testing.assert_allclose(points[:, 0], course, atol=1)
        x = 12 * np.sin(np.pi * y / HEIGHT)
        assert line.length_px == pytest.approx(np.hypot(np.diff(x), 1).sum(), abs=8)
        assert line.length_nm == pytest.approx(line.length_px / 2, rel=0.01)
    assert result.statistics.count == LINES
    assert result.statistics.field_of_view_nm2 == pytest.approx(HEIGHT * WIDTH / 4)
    timings = result.timings_ms
    assert min(timings.read, timings.preprocess, timings.network, timings.postprocess) > 0


def test_stress_is_that_of_the_line_tension(service: TestClient) -> None:
    assert {line.stress_mpa for line in ask(service, pixel_size_nm="0.5").lines} == {None}
    result = ask(service, pixel_size_nm="0.5", shear_modulus_gpa="43.6", burgers_vector_nm="0.29")
    for line in result.lines:
        assert line.radius_nm is not None
        assert line.stress_mpa == pytest.approx(43_600 * 0.29 / line.radius_nm, rel=1e-3)
    assert (result.parameters.shear_modulus_gpa, result.parameters.burgers_vector_nm) == (43.6, 0.29)


@pytest.mark.parametrize("path", ["/v1/dislocations", STACK])
@pytest.mark.parametrize(
    ("sent", "missing"),
    [("shear_modulus_gpa", "burgers_vector_nm"), ("burgers_vector_nm", "shear_modulus_gpa")],
)
def test_one_constant_of_the_stress_alone_names_the_other(
    service: TestClient, path: str, sent: str, missing: str
) -> None:
    answer = post(service, npy(line_pixels()), path, **{sent: "1"})
    error = error_of(answer)
    assert (answer.status_code, error["code"], error["field"]) == (422, "invalid_parameter", missing)


def test_threshold_and_model_are_those_that_were_sent(service: TestClient) -> None:
    result = ask(service, threshold="0.7", model="dislocations_dark")
    assert result.parameters.threshold == 0.7
    answer = post(service, npy(line_pixels()), "/v1/dislocations", model="atoms_blobs")
    assert (answer.status_code, error_of(answer)["code"]) == (404, "unknown_model")


def test_a_frame_of_a_stack_is_one_picture(service: TestClient) -> None:
    answer = post(service, npy(film(3)), "/v1/dislocations", frame="2")
    result = DislocationsResult.model_validate_json(answer.content)
    assert (result.micrograph.frames, result.micrograph.frame) == (3, 2)


@pytest.mark.parametrize("packed", ["array", "ZIP"])
def test_lines_are_followed_over_a_film(service: TestClient, packed: str) -> None:
    data = npy(film(5)) if packed == "array" else zipped_film(5)
    answer = post(service, data, STACK, pixel_size_nm="0.5", frame_time_s="0.04", correct_drift="false")
    frames, tracks, error = parts(answer)
    assert error is None
    for frame in frames:
        assert frame.request_id == answer.headers["x-request-id"]
        assert len(frame.lines) == LINES
        assert len(frame.pairs) == LINES * (LINES - 1) // 2
        assert frame.picture is None
        assert frame.time_s == pytest.approx(0.04 * frame.number)
        assert (frame.micrograph.frame, frame.micrograph.frames) == (frame.number, 5)
        assert frame.timings_ms.read > 0
    assert tracks.request_id == answer.headers["x-request-id"]
    assert tracks.parameters.correct_drift is False
    assert len(tracks.tracks) == LINES
    for track in tracks.tracks:
        assert track.finds == 5
        assert track.velocity_px_per_frame == pytest.approx(STEP_PX, rel=0.05)
        assert track.velocity_nm_per_s == pytest.approx(STEP_PX * 0.5 / 0.04, rel=0.05)
        assert track.glide_angle_deg == pytest.approx(0, abs=5)
    pairs = {(pair.first, pair.second): pair.distance_px for pair in frames[-1].pairs}
    assert sorted(pairs.values())[0] == pytest.approx(SPACING_PX, abs=1)


def test_parameters_of_the_links_are_those_that_were_sent(service: TestClient) -> None:
    _, tracks, _ = parts(post(service, npy(film(3)), STACK))
    assert tracks.parameters.model_dump() == {
        "frame_time_s": None,
        "gate_px": 25.0,
        "memory": 3,
        "correct_drift": True,
    }
    assert {notice.code for notice in tracks.warnings} == {"pixel_size_unknown"}
    fields = {"gate_px": "1.5", "memory": "0", "correct_drift": "false"}
    _, tracks, _ = parts(post(service, npy(film(3)), STACK, **fields))
    assert (tracks.parameters.gate_px, tracks.parameters.memory) == (1.5, 0)
    assert {track.finds for track in tracks.tracks} == {1}, "each line moves 2 px, out of its gate"


def test_pictures_come_with_the_frames_where_they_are_asked_for(service: TestClient) -> None:
    frames, _, _ = parts(post(service, npy(film(2)), STACK, pictures="true"))
    for frame in frames:
        assert frame.png is not None
        with Image.open(io.BytesIO(frame.png)) as picture:
            assert (picture.size, picture.mode) == ((WIDTH, HEIGHT), "L")
            assert np.corrcoef(np.asarray(picture).ravel(), line_pixels(frame.number).ravel())[0, 1] > 0.99


def test_described_line_by_line(service: TestClient) -> None:
    operation = service.get("/openapi.json").json()["paths"][STACK]["post"]
    (kind,) = operation["responses"]["200"]["content"]
    assert kind == "application/x-ndjson"
    described = json.dumps(operation["responses"]["200"])
    for name in ("DislocationsFrame", "DislocationsTracks", "StackError"):
        assert f"#/components/schemas/{name}" in described
    fields = operation["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"]
    assert {"file", "gate_px", "memory", "correct_drift", "frame_time_s", "pictures"} <= set(fields)
    assert "frame" not in fields


def test_metrics_count_every_frame(service: TestClient) -> None:
    line = 'emserve_findings_total{family="dislocations",model="dislocations_dark"} '

    def value() -> float:
        found = [row for row in service.get("/metrics").text.splitlines() if row.startswith(line)]
        return float(found[0].removeprefix(line)) if found else 0

    before = value()
    parts(post(service, npy(film(4)), STACK))
    assert value() == before + 4 * LINES


def test_an_api_key_is_needed_for_a_stack_too(open_service: Open) -> None:
    client = open_service(api_keys=("key",))
    assert error_of(post(client, npy(film(2)), STACK))["code"] == "unauthorized"
    answer = client.post(STACK, files={"file": ("a", npy(film(2)))}, headers={"Authorization": "Bearer key"})
    assert len(parts(answer)[0]) == 2
