"""Whatever comes back instead of an answer becomes an exception that names the remedy."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

import emserve
from emserve import Client, EmserveError, Retries, exceptions
from emserve.results import CONTRACT
from emserve.testing import atoms_result


def descendants(parent: type[EmserveError]) -> Iterator[type[EmserveError]]:
    """The classes of the contract; the service has children of its own, which travel as their parents."""
    yield parent
    for child in parent.__subclasses__():
        if child.__module__ == exceptions.__name__:
            yield from descendants(child)


def refused(response: httpx.Response | Exception) -> EmserveError:
    """The error that an answer becomes."""

    def answer(request: httpx.Request) -> httpx.Response:
        if isinstance(response, Exception):
            raise response
        return response

    with (
        Client("http://em.example", transport=httpx.MockTransport(answer), retries=Retries(attempts=1)) as client,
        pytest.raises(EmserveError) as caught,
    ):
        client.atoms(b"bytes")
    return caught.value


@pytest.mark.parametrize("kind", list(descendants(EmserveError)), ids=lambda kind: kind.__name__)
def test_the_class_that_the_server_raised_comes_out_of_the_client(kind: type[EmserveError]) -> None:
    raised = kind("What is wrong.", remedy="What to do.", field="threshold")
    error = refused(httpx.Response(raised.status, json=raised.to_dict()))
    assert type(error) is kind
    assert (error.message, error.remedy, error.field) == ("What is wrong.", "What to do.", "threshold")
    assert str(error) == "What is wrong. What to do."


def test_codes_tell_the_classes_apart() -> None:
    kinds = list(descendants(EmserveError))
    assert len({kind.code for kind in kinds}) == len(kinds)


def test_the_tree_drawn_on_top_of_its_file_is_the_tree() -> None:
    drawn = exceptions.__doc__ or ""
    for kind in descendants(EmserveError):
        (line,) = [line for line in drawn.splitlines() if f" {kind.__name__} " in f"{line} "][:1]
        if kind.__subclasses__() == []:
            assert str(kind.status) in line


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, exceptions.InputError),
        (401, exceptions.Unauthorized),
        (403, exceptions.Forbidden),
        (404, exceptions.NotFound),
        (413, exceptions.TooLarge),
        (415, exceptions.UnsupportedFormat),
        (418, exceptions.InputError),
        (429, exceptions.Busy),
        (500, exceptions.InternalError),
        (502, exceptions.Unavailable),
        (503, exceptions.Unavailable),
        (504, exceptions.DeadlineExceeded),
    ],
)
def test_an_unknown_code_and_a_proxys_page_go_by_status(status: int, kind: type[EmserveError]) -> None:
    newer = {"error": {"code": "too_dim", "message": "Too dim.", "remedy": "More dose.", "field": None, "hint": 1}}
    error = refused(httpx.Response(status, json=newer))
    assert type(error) is kind
    assert str(error) == "Too dim. More dose."

    page = refused(httpx.Response(status, html="<html><h1>nginx</h1></html>"))
    assert type(page) is kind
    assert "http://em.example/v1/atoms" in page.message
    assert str(status) in page.message
    assert page.remedy


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[]", b'{"error": "text"}', b'{"error": {"code": 3, "message": "m"}}', b'{"error": {}}', b"\xff"],
)
def test_an_error_of_another_shape_is_still_an_error(body: bytes) -> None:
    assert type(refused(httpx.Response(422, content=body))) is exceptions.InputError


@pytest.mark.parametrize(
    "response",
    [
        httpx.Response(200, html="<html>It works!</html>"),
        httpx.Response(200, json={"hello": "world"}),
        httpx.Response(200, json=[1, 2]),
        httpx.Response(200, content=b'{"contract": "1.0", "request'),
        httpx.Response(204),
        httpx.Response(302, headers={"Location": "https://login.example/"}),
    ],
    ids=["page", "other JSON", "list", "cut off", "no content", "redirect"],
)
def test_something_else_listens_there(response: httpx.Response) -> None:
    error = refused(response)
    assert type(error) is exceptions.UnexpectedAnswer
    assert "http://em.example/v1/atoms" in error.message
    assert "EMSERVE_URL" in error.remedy


def test_something_else_listens_there_and_says_it_is_ready() -> None:
    transport = httpx.MockTransport(lambda request: httpx.Response(200, html="<html>an app</html>"))
    with Client(transport=transport) as client, pytest.raises(exceptions.UnexpectedAnswer):
        client.ready()


def test_a_preview_that_is_no_png() -> None:
    transport = httpx.MockTransport(lambda request: httpx.Response(200, content=b"GIF89a"))
    with Client(transport=transport) as client, pytest.raises(exceptions.UnexpectedAnswer, match="PNG"):
        client.preview(b"bytes")


def test_a_contract_of_another_time_names_both() -> None:
    error = refused(httpx.Response(200, json={"contract": "2.3", "columns": "elsewhere"}))
    assert type(error) is exceptions.UnexpectedAnswer
    assert "2.3" in error.message
    assert CONTRACT in error.message
    assert "client" in error.remedy


def test_an_answer_that_lacks_a_field_says_which() -> None:
    answer = atoms_result().model_dump(mode="json")
    del answer["statistics"]["count"]
    assert "statistics.count" in refused(httpx.Response(200, json=answer)).message


def test_nobody_there() -> None:
    error = refused(httpx.ConnectError("Connection refused"))
    assert type(error) is exceptions.Unavailable
    assert "http://em.example" in error.message
    assert "make serve" in error.remedy
    assert "url=" in error.remedy
    assert isinstance(error.__cause__, httpx.ConnectError)


def test_nobody_there_is_not_ready() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("Connection refused")

    with Client(transport=httpx.MockTransport(answer)) as client:
        assert client.ready() is False


def test_no_answer_in_time() -> None:
    error = refused(httpx.ReadTimeout("timed out"))
    assert type(error) is exceptions.DeadlineExceeded
    assert "330 s" in error.message
    assert "timeout=" in error.remedy


def test_a_cut_connection() -> None:
    error = refused(httpx.RemoteProtocolError("Server disconnected without sending a response."))
    assert type(error) is exceptions.Unavailable
    assert "cut" in error.message


def test_a_traceback_shows_the_request_id() -> None:
    error = refused(httpx.Response(500, json=emserve.InternalError("A fault.").to_dict()))
    assert error.__notes__[0].startswith("request id: ")
