"""The body of a request: one file and some parameters, as `multipart/form-data`; a file in memory, a video on the disk.

Nothing is ever fetched: what is in the field `file` is the micrograph's own bytes.
"""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from tempfile import TemporaryDirectory

from python_multipart.exceptions import FormParserError
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from bentos.parameters import Form
from emserve.exceptions import BadRequest, EmptyBody, InternalError

MOST_PARTS = 32
LONGEST_PARAMETER = 4096
_HOST = re.compile(r"[A-Za-z0-9.:\[\]_-]{1,255}")


class _Body(MultiPartParser):
    """Knows whether the body was complete. The size of the body is limited elsewhere.

    folder: where files are written while they come in; None keeps them in memory.
    """

    spool_max_size = 0
    complete = False
    folder: Path | None = None

    def on_headers_finished(self) -> None:
        super().on_headers_finished()
        part = self._current_part.file
        if self.folder is not None and part is not None:
            file = (self.folder / f"upload_{self._current_files}").open("w+b")
            self._files_to_close_on_error.append(file)  # type: ignore[arg-type]
            part.file = file

    def on_end(self) -> None:
        self.complete = True


async def read(request: Request, form: type[Form]) -> tuple[bytes, dict[str, str]]:
    """The bytes in the field `file`, and the parameters of a form that were sent, as texts.

    Raises BadRequest for a body that is not multipart, is cut off, or has a field that is not known or sent twice;
    EmptyBody for no bytes. An empty parameter counts as not sent, as forms in browsers send it.
    """
    file, fields = await _file_and_fields(request, form, None)
    return file.file.read(), fields


async def read_to_disk(request: Request, form: type[Form], folder: Path) -> tuple[Path, dict[str, str]]:
    """As `read`, but the file is written into a folder while it comes in, and its path comes back."""
    try:
        file, fields = await _file_and_fields(request, form, folder)
    except OSError as error:
        raise _no_room() from error
    await file.close()
    return Path(file.file.name), fields


def temporary_folder() -> TemporaryDirectory[str]:
    """A folder for `read_to_disk`; raises InternalError."""
    try:
        return TemporaryDirectory(prefix="emserve-", ignore_cleanup_errors=True)
    except OSError as error:
        raise _no_room() from error


def _no_room() -> InternalError:
    return InternalError(
        "The server could not write the file to its temporary folder.",
        remedy="Give the server a temporary folder that it can write to (TMPDIR), with room for the file.",
    )


async def _file_and_fields(
    request: Request, form: type[Form], folder: Path | None
) -> tuple[UploadFile, dict[str, str]]:
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
    file: UploadFile | None = None
    fields: dict[str, str] = {}
    for name, value in await _parts(request, example, folder):
        if name not in known:
            raise _unknown(name, value, known)
        if name in fields or (name == "file" and file is not None):
            raise BadRequest(f"The field `{name}` was sent twice.", remedy="Send it once.", field=name)
        if name == "file":
            file = _file_in(value, example)
        elif isinstance(value, UploadFile):
            raise BadRequest(
                f"The field `{name}` holds a file.", remedy="Send it as text; only `file` is a file.", field=name
            )
        elif value:
            fields[name] = value
    if file is None:
        raise BadRequest("There is no field `file`.", remedy=f"Send the file's bytes in it: {example}", field="file")
    if not file.size:
        raise EmptyBody("The file has no bytes.", remedy="Check that the file is complete.", field="file")
    return file, fields


async def _parts(request: Request, example: str, folder: Path | None) -> list[tuple[str, str | UploadFile]]:
    parser = _Body(
        request.headers,
        request.stream(),
        max_files=MOST_PARTS,
        max_fields=MOST_PARTS,
        max_part_size=LONGEST_PARAMETER,
    )
    parser.folder = folder
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


def example_for(request: Request, form: type[Form]) -> str:
    """A command that sends a file to the address of this request, with the first example of each field that has one."""
    host = request.headers.get("host", "")
    if not _HOST.fullmatch(host):
        host = "HOST"
    fields = [f"-F {name}={field.examples[0]} " for name, field in form.model_fields.items() if field.examples]
    return f"curl -F file=@{form.example_file} {''.join(fields)}{request.url.scheme}://{host}{request.url.path}"


def _file_in(value: str | UploadFile, example: str) -> UploadFile:
    if isinstance(value, UploadFile):
        return value
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
