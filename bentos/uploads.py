"""The body of a request: one file and some parameters, as `multipart/form-data`, kept in memory.

Nothing is ever fetched: what is in the field `file` is the micrograph's own bytes.
"""

from __future__ import annotations

import difflib
import re

from pydantic import BaseModel
from python_multipart.exceptions import FormParserError
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from emserve.exceptions import BadRequest, EmptyBody

MOST_PARTS = 32
LONGEST_PARAMETER = 4096
_HOST = re.compile(r"[A-Za-z0-9.:\[\]_-]{1,255}")


class _InMemory(MultiPartParser):
    """Keeps files in memory (the size of the body is limited elsewhere) and knows whether the body was complete."""

    spool_max_size = 0
    complete = False

    def on_end(self) -> None:
        self.complete = True


async def read(request: Request, form: type[BaseModel]) -> tuple[bytes, dict[str, str]]:
    """The bytes in the field `file`, and the parameters of a form that were sent, as texts.

    Raises BadRequest for a body that is not multipart, is cut off, or has a field that is not known or sent twice;
    EmptyBody for no bytes. An empty parameter counts as not sent, as forms in browsers send it.
    """
    known = ["file", *form.model_fields]
    example = example_for(request, form)
    if request.query_params:
        raise BadRequest("There are parameters in the address.", remedy=f"Send them as fields of the form: {example}")
    content_type = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if request.headers.get("content-length", "0") == "0" and "transfer-encoding" not in request.headers:
        raise EmptyBody("The request has no body.", remedy=f"Send the file's bytes in the field `file`: {example}")
    if content_type != "multipart/form-data":
        raise BadRequest(
            f"The body is {content_type[:80] or 'of no stated type'}, not multipart/form-data.",
            remedy=f"Send the file's bytes in the field `file`: {example}",
        )
    file: bytes | None = None
    fields: dict[str, str] = {}
    for name, value in await _parts(request, example):
        if name not in known:
            raise _unknown(name, value, known)
        if name in fields or (name == "file" and file is not None):
            raise BadRequest(f"The field `{name}` was sent twice.", remedy="Send it once.", field=name)
        if name == "file":
            file = _bytes_of(value, example)
        elif isinstance(value, UploadFile):
            raise BadRequest(
                f"The field `{name}` holds a file.", remedy="Send it as text; only `file` is a file.", field=name
            )
        elif value:
            fields[name] = value
    if file is None:
        raise BadRequest("There is no field `file`.", remedy=f"Send the file's bytes in it: {example}", field="file")
    if not file:
        raise EmptyBody("The file has no bytes.", remedy="Check that the file is complete.", field="file")
    return file, fields


async def _parts(request: Request, example: str) -> list[tuple[str, str | UploadFile]]:
    parser = _InMemory(
        request.headers,
        request.stream(),
        max_files=MOST_PARTS,
        max_fields=MOST_PARTS,
        max_part_size=LONGEST_PARAMETER,
    )
    try:
        form = await parser.parse()
    except (MultiPartException, FormParserError) as error:
        reason = getattr(error, "message", "") or str(error)
        raise BadRequest(
            f"The body cannot be parsed: {reason}",
            remedy=f"Send the file with a file name, and parameters as short texts: {example}",
        ) from error
    if not parser.complete:
        raise BadRequest("The body is cut off: its last boundary is missing.", remedy="Send it again.")
    return form.multi_items()


def example_for(request: Request, form: type[BaseModel]) -> str:
    """A command that sends a file to the address of this request, with the first example of each field that has one."""
    host = request.headers.get("host", "")
    if not _HOST.fullmatch(host):
        host = "HOST"
    fields = [f"-F {name}={field.examples[0]} " for name, field in form.model_fields.items() if field.examples]
    return f"curl -F file=@micrograph.dm4 {''.join(fields)}{request.url.scheme}://{host}{request.url.path}"


def _bytes_of(value: str | UploadFile, example: str) -> bytes:
    if isinstance(value, UploadFile):
        return value.file.read()
    if value.strip().lower().startswith(("http:", "https:", "ftp:", "file:", "data:", "s3:")):
        raise BadRequest(
            "The field `file` holds an address; nothing is fetched from addresses.",
            remedy=f"Send the file's own bytes: {example}",
            field="file",
        )
    raise BadRequest(
        "The field `file` holds text, not a file.",
        remedy=f"Send the file's own bytes, with a file name (note the @): {example}",
        field="file",
    )


def _unknown(name: str, value: str | UploadFile, known: list[str]) -> BadRequest:
    shown = name[:80]
    if isinstance(value, UploadFile):
        return BadRequest(
            f"A file was sent in the field `{shown}`.", remedy="Send it in the field `file`.", field=shown
        )
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"Did you mean `{close[0]}`? " if close else ""
    return BadRequest(
        f"There is no parameter `{shown}`.", remedy=f"{hint}The known ones: {', '.join(known)}.", field=shown
    )
