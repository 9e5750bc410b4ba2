"""What `Client.defects` sends, and what it hands over."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest

from emserve import AsyncClient, Client, DefectsResult, InvalidParameter, UnexpectedAnswer
from emserve.testing import FakeServer, atoms_result, defects_result


def test_both_clients_send_every_parameter_under_its_name(tmp_path: Path) -> None:
    path = tmp_path / "foil.dm4"
    path.write_bytes(b"bytes")
    options = {
        "pixel_size_nm": (0.5, 0.25),
        "thickness_nm": 110,
        "score": 0.4,
        "model": "defects_maskrcnn",
        "frame": 2,
        "taylor_factor": 3.0,
        "shear_modulus_gpa": 76,
        "burgers_vector_nm": 0.25,
        "barrier_strengths": {"loop_111": 0.2, "black_dot": 0.15},
        "request_id": "run-7",
    }
    server = FakeServer(defects_result(defects=5))

    async def awaited() -> DefectsResult:
        async with AsyncClient(transport=server.transport) as client:
            return await client.defects(path, **options)

    with Client(transport=server.transport) as client:
        assert client.defects(path, **options) == asyncio.run(awaited())
    blocking, asynchronous = server.requests
    assert blocking.fields == asynchronous.fields
    assert blocking.fields == {
        "pixel_size_nm": "0.5,0.25",
        "thickness_nm": "110.0",
        "score": "0.4",
        "model": "defects_maskrcnn",
        "frame": "2",
        "taylor_factor": "3.0",
        "shear_modulus_gpa": "76.0",
        "burgers_vector_nm": "0.25",
        "barrier_strengths": "loop_111=0.2,black_dot=0.15",
    }
    assert (blocking.method, blocking.path, blocking.file_name) == ("POST", "/v1/defects", "foil.dm4")


def test_what_is_left_out_is_not_sent() -> None:
    server = FakeServer(defects_result(defects=5), atoms_result(columns=2))
    with Client(transport=server.transport) as client:
        result = client.defects(b"bytes", request_id="mine")
        assert client.atoms(b"bytes").statistics.count == 2
    assert isinstance(result, DefectsResult)
    assert (result.statistics.count, result.request_id) == (5, "mine")
    assert server.requests[0].fields == {}


@pytest.mark.parametrize("name", ["", "a,b", "a=b"])
def test_a_class_that_cannot_be_sent_is_refused(name: str) -> None:
    server = FakeServer()
    with Client(transport=server.transport) as client, pytest.raises(InvalidParameter) as caught:
        client.defects(b"bytes", barrier_strengths={name: 0.1})
    assert caught.value.field == "barrier_strengths"
    assert server.requests == []


def test_columns_are_no_defects() -> None:
    answer = httpx.Response(200, json=atoms_result().model_dump(mode="json"))
    with Client(transport=httpx.MockTransport(lambda _: answer)) as client, pytest.raises(UnexpectedAnswer):
        client.defects(b"bytes")
