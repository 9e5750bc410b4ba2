"""What the clients send, and what they hand over."""

from __future__ import annotations

import asyncio
import inspect
import io
import json
from base64 import b64encode
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

import emserve
from emserve import AsyncClient, Client
from emserve.results import CONTRACT
from emserve.testing import FakeServer, atoms_result, stack_answer


def ask(kind: str, server: FakeServer, method: str, *args: Any, **options: Any) -> Any:
    """Call a method of the blocking or the asynchronous client."""
    if kind == "blocking":
        with Client(transport=server.transport) as client:
            return getattr(client, method)(*args, **options)

    async def wait() -> Any:
        async with AsyncClient(transport=server.transport) as client:
            return await getattr(client, method)(*args, **options)

    return asyncio.run(wait())


both = pytest.mark.parametrize("kind", ["blocking", "asynchronous"])


@both
def test_a_files_own_bytes_are_sent_under_its_name(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "Körner 1.dm4"
    content = bytes(range(256)) * 300 + b"\r\n--boundary\r\n"
    path.write_bytes(content)
    server = FakeServer(atoms_result(columns=7))
    result = ask(kind, server, "atoms", path)
    (request,) = server.requests
    assert (request.method, request.path) == ("POST", "/v1/atoms")
    assert request.file == content
    assert request.file_name == "Körner 1.dm4"
    assert request.fields == {}, "what the user leaves out is the server's to choose"
    assert result.statistics.count == len(result.columns) == 7


@both
def test_every_parameter_becomes_a_form_field(kind: str) -> None:
    server = FakeServer()
    ask(
        kind,
        server,
        "atoms",
        b"bytes",
        pixel_size_nm=0.0100127,
        model="atoms_segresnet",
        threshold=0.25,
        postprocess="otsu",
        refine=False,
        frame=3,
    )
    assert server.requests[0].fields == {
        "pixel_size_nm": "0.0100127",
        "model": "atoms_segresnet",
        "threshold": "0.25",
        "postprocess": "otsu",
        "refine": "false",
        "frame": "3",
    }


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        (0.01, "0.01"),
        (np.float32(0.5), "0.5"),
        ((0.01, 0.02), "0.01,0.02"),
        (np.array([1.0, 2.0]), "1.0,2.0"),
        (1, "1.0"),
    ],
)
def test_pixel_size_is_one_number_or_x_and_y(given: Any, sent: str) -> None:
    server = FakeServer()
    ask("blocking", server, "atoms", b"bytes", pixel_size_nm=given)
    assert server.requests[0].fields == {"pixel_size_nm": sent}


def test_three_pixel_sizes_are_refused() -> None:
    with pytest.raises(emserve.InvalidParameter) as caught:
        ask("blocking", FakeServer(), "atoms", b"bytes", pixel_size_nm=(1, 2, 3))
    assert caught.value.field == "pixel_size_nm"


@both
@pytest.mark.parametrize(
    "array",
    [
        np.arange(12, dtype=np.uint16).reshape(3, 4),
        np.asfortranarray(np.arange(12.0).reshape(3, 4)),
        np.arange(24, dtype=">f4").reshape(2, 3, 4)[:, ::-1],
    ],
)
def test_arrays_travel_as_npy_in_c_order(kind: str, array: np.ndarray) -> None:
    server = FakeServer()
    ask(kind, server, "atoms", array)
    received = np.load(io.BytesIO(server.requests[0].file or b""), allow_pickle=False)
    np.testing.assert_array_equal(received, array)
    assert received.dtype == array.dtype
    assert received.flags.c_contiguous


def test_an_array_of_objects_is_refused_before_anything_is_sent() -> None:
    server = FakeServer()
    with pytest.raises(emserve.InvalidParameter, match="not a picture"):
        ask("blocking", server, "atoms", np.array([[object()]]))
    assert server.requests == []


def test_a_list_is_not_a_micrograph() -> None:
    with pytest.raises(TypeError, match="not list"):
        ask("blocking", FakeServer(), "atoms", [[1, 2], [3, 4]])


@both
def test_a_missing_file_is_pythons_own_error(kind: str, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        ask(kind, FakeServer(), "atoms", tmp_path / "none.dm4")


@pytest.mark.parametrize("series", ["grain.ser", "grain_1.ser", "grain_1.SER"])
def test_of_an_emi_the_series_beside_it_is_sent(tmp_path: Path, series: str) -> None:
    (tmp_path / "grain.emi").write_bytes(b"settings")
    (tmp_path / "grain_boundary_1.ser").write_bytes(b"another picture")
    (tmp_path / series).write_bytes(b"picture")
    server = FakeServer()
    ask("blocking", server, "atoms", str(tmp_path / "grain.emi"))
    assert (server.requests[0].file_name, server.requests[0].file) == (series, b"picture")


def test_an_emi_without_its_series_says_so(tmp_path: Path) -> None:
    (tmp_path / "grain.emi").write_bytes(b"settings")
    with pytest.raises(emserve.UnreadableMicrograph, match=r"grain_1\.ser"):
        ask("blocking", FakeServer(), "atoms", tmp_path / "grain.emi")
    with pytest.raises(FileNotFoundError):
        ask("blocking", FakeServer(), "atoms", tmp_path / "absent.emi")


def test_an_emi_of_several_series_names_them(tmp_path: Path) -> None:
    for name in ("grain.emi", "grain_1.ser", "grain_2.ser"):
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(emserve.UnreadableMicrograph, match=r"grain_1\.ser, grain_2\.ser"):
        ask("blocking", FakeServer(), "atoms", tmp_path / "grain.emi")


@both
def test_the_request_id_comes_back(kind: str) -> None:
    server = FakeServer()
    assert ask(kind, server, "atoms", b"bytes", request_id="run-7:frame.2").request_id == "run-7:frame.2"
    made_up = ask(kind, server, "atoms", b"bytes").request_id
    assert made_up == server.requests[1].headers["X-Request-Id"]
    assert len(made_up) == 32


@pytest.mark.parametrize("bad", ["", "two words", "line\nbreak", "é", "x" * 129])
def test_a_request_id_that_no_header_carries_is_refused(bad: str) -> None:
    with pytest.raises(emserve.InvalidParameter) as caught:
        ask("blocking", FakeServer(), "atoms", b"bytes", request_id=bad)
    assert caught.value.field == "request_id"


@both
def test_models_preview_and_readiness(kind: str) -> None:
    server = FakeServer()
    (model,) = ask(kind, server, "models")
    assert isinstance(model, emserve.ModelSummary)
    assert model.family == "atoms"
    assert ask(kind, server, "preview", b"bytes", frame=2).startswith(b"\x89PNG")
    assert server.requests[1].path == "/v1/preview"
    assert server.requests[1].fields == {"frame": "2"}
    assert ask(kind, server, "ready") is True


@both
def test_a_server_that_is_not_ready(kind: str) -> None:
    server = FakeServer(errors=[emserve.Unavailable("The models are being loaded.")])
    assert ask(kind, server, "ready") is False
    assert len(server.requests) == 1, "asking whether it is ready does not wait until it is"


def test_settings_of_the_environment_and_arguments_that_win(monkeypatch: pytest.MonkeyPatch) -> None:
    server = FakeServer()

    def headers(**arguments: Any) -> httpx.Headers:
        with Client(transport=server.transport, **arguments) as client:
            client.models()
        return server.requests[-1].headers

    assert "authorization" not in headers()
    assert headers()["host"] == "127.0.0.1:3000"
    monkeypatch.setenv("EMSERVE_URL", "https://em.example/atoms/")
    monkeypatch.setenv("EMSERVE_API_KEY", "from-environment\n")
    assert headers()["host"] == "em.example"
    assert server.requests[-1].path == "/atoms/v1/models", "a server may live below a path"
    assert headers()["authorization"] == "Bearer from-environment"
    assert headers(url="http://localhost:1")["host"] == "localhost:1"
    assert headers(api_key="mine")["authorization"] == "Bearer mine"
    assert "authorization" not in headers(api_key="")
    assert headers()["user-agent"] == f"emserve/{emserve.__version__}"


@pytest.mark.parametrize("url", ["127.0.0.1:3000", "localhost", "ftp://host", "http://", "http://host:port"])
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(emserve.InvalidParameter) as caught:
        Client(url)
    assert caught.value.field == "url"


def test_an_api_key_that_no_header_carries() -> None:
    with pytest.raises(emserve.InvalidParameter) as caught:
        Client(api_key="kéy")
    assert caught.value.field == "api_key"
    assert "kéy" not in str(caught.value)


def test_the_key_is_not_shown() -> None:
    assert "secret" not in repr(Client(api_key="secret"))


def test_proxies_of_the_environment_are_not_asked_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "")
    here, there = Client("http://localhost:3000"), Client("http://em.example")
    assert here._http._transport_for_url(httpx.URL(here.url)) is here._http._transport
    assert there._http._transport_for_url(httpx.URL(there.url)) is not there._http._transport


def test_both_clients_have_the_same_methods_and_parameters() -> None:
    def face(kind: type) -> dict[str, list[str]]:
        return {
            name: list(inspect.signature(member).parameters)
            for name, member in inspect.getmembers(kind, callable)
            if not name.startswith("_")
        }

    assert face(Client) == face(AsyncClient)
    methods = {"atoms", "close", "defects", "dislocations", "dislocations_stack", "models", "preview", "ready"}
    assert set(face(Client)) == methods


def test_a_closed_client_has_closed_its_connections() -> None:
    with Client(transport=FakeServer().transport) as client:
        pass
    with pytest.raises(RuntimeError, match="closed"):
        client.models()


def test_the_readmes_python_runs(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib").use("agg")
    pytest.importorskip("pandas")
    blocks = (root / "clients" / "README.md").read_text(encoding="utf-8").split("```python\n")[1:]
    from PIL import Image

    from emserve import client as module

    Image.new("L", (64, 64)).save(tmp_path / "micrograph.png")
    (tmp_path / "video.mp4").write_bytes(b"moving pictures")
    png = (tmp_path / "micrograph.png").read_bytes()
    picture = b64encode(png).decode()
    *frames, tracks = stack_answer(3)
    server = FakeServer(
        stack=[*(frame.model_copy(update={"picture": picture}) for frame in frames), tracks], preview=png
    )

    class Connected(Client):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **{"transport": server.transport, **options})

    monkeypatch.setattr(emserve, "Client", Connected)
    monkeypatch.chdir(tmp_path)
    for block in blocks:
        exec(compile(block.split("```")[0], "README.md", "exec"), {})
    assert module.Client is Client
    assert len(blocks) == 6
    assert (tmp_path / "columns.csv").read_text().startswith("x_px,y_px,x_nm,y_nm,")
    assert json.loads((tmp_path / "columns.json").read_text())["contract"] == CONTRACT
    assert (tmp_path / "defects.csv").read_text().startswith("class_name,score,x_px,")
    assert (tmp_path / "lines.csv").read_text().startswith("number,score,length_px,")
    assert (tmp_path / "tracks.csv").read_text().startswith("number,first_frame,last_frame,")
    with Image.open(tmp_path / "lines.gif") as movie, Image.open(tmp_path / "motion.png"):
        assert movie.n_frames == 3
    with Image.open(tmp_path / "masks.png") as masks:
        assert masks.mode == "I;16"
    with Image.open(tmp_path / "overlay.png") as overlay:
        assert overlay.mode == "RGB"
