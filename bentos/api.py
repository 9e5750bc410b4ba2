"""The addresses of the service."""

from __future__ import annotations

import logging
from pathlib import Path
from threading import Event
from typing import Any

import bentoml
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles

import emserve
from bentos import dislocations, families, metrics, openapi, preview, stacks, uploads
from bentos.errors import MethodNotAllowed, no_such_path, response, unexpected
from bentos.family import AnyFamily
from bentos.models import Models
from bentos.parameters import PictureForm, StackForm, parse
from bentos.pool import Pool
from bentos.settings import Settings
from emserve.exceptions import BadRequest, EmserveError
from emserve.results import ModelList, StackMessage

log = logging.getLogger("emserve.service")

PAGES = Path(__file__).parent / "pages"
# Swagger UI as BentoML ships it: the page works without the internet.
SWAGGER = Path(bentoml.__file__).parent / "_internal" / "server" / "static_content"

JSON = "application/json"
STACK_ANSWER = "one JSON object a line, told apart by its `kind`: frame, tracks, error"


class Revalidated(StaticFiles):
    """Files that a browser asks for again each time, so that those of two versions never meet."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers["Cache-Control"] = "no-cache"
        return response


def create(settings: Settings, models: Models, pool: Pool) -> FastAPI:
    """The application; what lies around it is `bentos.front`."""
    api = FastAPI(
        title="emserve",
        version=emserve.__version__,
        description=openapi.DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )

    for family in families.of(settings.families):
        _serve(api, family, settings, models, pool)

    if dislocations.FAMILY.name in settings.families:
        _follow(api, settings, models, pool)

    @api.post(
        "/v1/preview",
        summary="A micrograph as an 8-bit grey PNG",
        response_class=Response,
        responses={200: {"content": {"image/png": {}}}, **openapi.errors(*(set(openapi.ERRORS) - {404, 503}))},
        openapi_extra=openapi.multipart(PictureForm),
    )
    async def show(request: Request) -> Response:
        """The picture as the service reads it, of the same width and height, its contrast stretched."""
        async with pool.place() as place:
            data, fields = await uploads.read(request, PictureForm)
            form = parse(PictureForm, fields)

            def work(gone: Event) -> bytes:
                return preview.png(data, frame=form.frame, max_pixels=settings.max_pixels)

            return Response(await place.run(request, work), media_type="image/png")

    @api.get(
        "/v1/models",
        summary="The models that can be asked for",
        response_class=Response,
        responses={200: {"model": ModelList}, **openapi.errors(401, 403, 500)},
    )
    async def list_models() -> Response:
        """Names, licences and measured scores."""
        return Response(models.summaries().model_dump_json(), media_type=JSON)

    @api.get(
        "/metrics",
        summary="Counters and times for Prometheus",
        response_class=Response,
        responses={200: {"content": {"text/plain": {}}}, **openapi.errors(401, 403)},
    )
    def measure() -> Response:
        return metrics.exposition()

    @api.get("/", include_in_schema=False)
    async def page() -> Response:
        return FileResponse(PAGES / "index.html")

    @api.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return FileResponse(PAGES / "docs.html")

    api.mount("/docs/assets", StaticFiles(directory=SWAGGER))
    api.mount("/assets", Revalidated(directory=PAGES / "assets"))
    openapi.complete(api, with_keys=bool(settings.api_keys))
    # Starlette answers HEAD wherever it answers GET; FastAPI leaves it out. After the description, which needs no word
    # of it.
    for route in api.routes:
        if isinstance(route, APIRoute) and route.methods and "GET" in route.methods:
            route.methods.add("HEAD")
    _answer_errors(api)
    return api


def _serve(api: FastAPI, family: AnyFamily, settings: Settings, models: Models, pool: Pool) -> None:
    """The address of a family."""

    @api.post(
        f"/v1/{family.name}",
        name=f"find {family.name}",
        summary=family.summary,
        description=family.description,
        response_class=Response,
        responses={200: {"model": family.result}, **openapi.errors(*openapi.ERRORS)},
        openapi_extra=openapi.multipart(family.form),
    )
    async def find(request: Request) -> Response:
        async with pool.place() as place:
            data, fields = await uploads.read(request, family.form)
            form = parse(family.form, fields)

            def work(gone: Event) -> str:
                identity: str = request.state.request_id
                result = family.answer(
                    data, form, models, max_pixels=settings.max_pixels, request_id=identity, gone=gone
                )
                metrics.count(result)
                text: str = result.model_dump_json()
                return text

            return Response(await place.run(request, work), media_type=JSON)


def _follow(api: FastAPI, settings: Settings, models: Models, pool: Pool) -> None:
    """The address of videos."""

    @api.post(
        stacks.PATH,
        summary="How dislocation lines move over a video",
        response_class=Response,
        responses={200: {"model": StackMessage, "description": STACK_ANSWER}, **openapi.errors(*openapi.ERRORS)},
        openapi_extra=openapi.multipart(StackForm),
    )
    async def follow(request: Request) -> Response:
        """Finds the lines of each frame of a video, a stack, or pictures in a ZIP, and links them.

        The answer comes line by line: a `frame` as soon as each is analysed, then the `tracks` over all of them. Where
        the video breaks off, the tracks are those of the frames before, and an `error` is the last line.
        """
        return stacks.Stack(settings, models, pool)


def paths_of(api: FastAPI) -> list[str]:
    """The addresses that the service has."""
    return sorted(api.openapi()["paths"])


def _answer_errors(api: FastAPI) -> None:
    @api.exception_handler(EmserveError)
    async def known(request: Request, error: EmserveError) -> Response:
        request.state.error = error.code
        if error.status >= 500:
            log.warning("%s (%s)", error, request.state.request_id)
        return response(error)

    @api.exception_handler(HTTPException)
    async def routing(request: Request, error: HTTPException) -> Response:
        if error.status_code == 404:
            return await known(request, no_such_path(request.url.path, paths_of(api)))
        if error.status_code == 405:
            allow = ", ".join(sorted((error.headers or {}).get("Allow", "GET").split(", ")))
            return await known(
                request, MethodNotAllowed(f"{request.url.path} does not take {request.method}.", allow=allow)
            )
        return await known(request, BadRequest(str(error.detail), remedy="See /docs for what the address takes."))

    @api.exception_handler(ClientDisconnect)
    async def hung_up(request: Request, error: ClientDisconnect) -> Response:
        return Response(status_code=499)  # nobody reads it; the log shows it

    @api.exception_handler(Exception)
    async def unforeseen(request: Request, error: Exception) -> Response:
        # Starlette raises the exception again after this answer; the front logs it.
        told = unexpected(request.state.request_id)
        request.state.error = told.code
        return response(told)
