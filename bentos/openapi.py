"""The description of the service's addresses: bodies, answers, errors, access."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from bentos import stacks
from bentos.errors import ErrorBody
from bentos.parameters import Form

DESCRIPTION = """Published electron-microscopy networks, served: a micrograph goes in, calibrated answers come out.

Pixel (0, 0) is the centre of the top left pixel, x points right, y down. Every quantity carries its unit in its name.
Every answer that is not a success has one shape: `{"error": {"code", "message", "remedy", "field"}}`. Every answer has
the header `X-Request-Id`: the caller's own, if the request had one."""

ERRORS = {
    400: "the request is not what the address takes",
    401: "an API key is needed",
    403: "the API key is not valid",
    404: "no model of that name, or none for this question",
    413: "more bytes or pixels than the service takes",
    415: "no reader knows these bytes",
    422: "the file cannot be read, or a parameter is out of its range",
    429: "the queue is full; the header Retry-After says when to try again",
    500: "a fault of the service",
    501: "the reader for this format is not installed",
    503: "the service is not ready",
    504: "the answer took longer than the limit",
}


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The answers of an address that are not a success."""
    return {status: {"model": ErrorBody, "description": ERRORS[status]} for status in statuses}


def multipart(form: type[Form]) -> dict[str, Any]:
    """The body of a request: a file, and the fields of a form, none of them needed."""
    schema = form.model_json_schema()
    file = {"type": "string", "format": "binary", "description": "the file's own bytes"}
    body = {
        "type": "object",
        "required": ["file"],
        "properties": {"file": file, **schema["properties"]},
        "additionalProperties": False,
    }
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": body}}}}


def complete(api: FastAPI, *, with_keys: bool) -> None:
    """Adds what FastAPI does not know of: answers in lines, BentoML's own addresses, the request id, the API key."""
    schema = api.openapi()
    if stacks.PATH in schema["paths"]:
        lines = schema["paths"][stacks.PATH]["post"]["responses"]["200"]["content"]
        lines[stacks.MEDIA_TYPE] = lines.pop("application/json")
    ok = {"description": "yes", "content": {"text/plain": {}}}
    error = {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorBody"}}}
    probes = {
        "/livez": ("Whether the process is alive", {"200": ok}),
        "/readyz": (
            "Whether the default models are loaded and warm",
            {"200": ok, "503": {"description": ERRORS[503], "content": error}},
        ),
    }
    for path, (summary, responses) in probes.items():
        schema["paths"][path] = {"get": {"summary": summary, "operationId": path[1:], "responses": responses}}
    identity = {
        "name": "X-Request-Id",
        "in": "header",
        "required": False,
        "description": "comes back in the answer and is in the log",
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9._:-]{1,128}$"},
    }
    number = {"description": "seconds to wait before the next attempt", "schema": {"type": "integer", "minimum": 1}}
    answered = {"description": "the request's own, or a new one", "schema": identity["schema"]}
    for operations in schema["paths"].values():
        for operation in operations.values():
            operation.setdefault("parameters", []).append(identity)
            for status, answer in operation["responses"].items():
                answer["headers"] = {"X-Request-Id": answered}
                if status == "429":
                    answer["headers"]["Retry-After"] = number
    if with_keys:
        schema["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        schema["security"] = [{"key": []}]
        for path in probes:
            schema["paths"][path]["get"]["security"] = []
