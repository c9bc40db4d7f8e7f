"""The HTTP application: routes, and the layers around them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import fields, is_dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

import vprkit
from vprkit import extras
from vprkit.errors import VprError
from vprkit.retrieval.map import Map
from vprkit.serve import answers
from vprkit.serve.guard import PLAIN_BYTES, Guard
from vprkit.serve.manual import manual
from vprkit.serve.metrics import Counted
from vprkit.serve.questions import LocateFields, MatchFields, SearchFields
from vprkit.serve.refusals import Refusal, no_such_method, no_such_route, refusal_of
from vprkit.serve.security import Security
from vprkit.serve.service import Service
from vprkit.serve.settings import ServeSettings
from vprkit.serve.uploads import PHOTO, check_json, read_form, what_is_wrong

if TYPE_CHECKING:
    from fastapi import FastAPI

KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
"""Media types of the page's files."""

_STATUSES = {
    400: "The request is broken.", 401: "The token is missing or wrong.", 404: "There is no such record.",
    413: "The upload or the photo is too large.", 415: "This is no photo, or not sent in the way that is read here.",
    422: "A field is wrong, or the map cannot be asked so.", 503: "Too many ask, or the service stops.",
    504: "There was no answer in time.",
}  # fmt: skip


def create_app(place_map: Map, settings: ServeSettings | None = None) -> "FastAPI":
    """The application that serves a map; any ASGI server runs it. `app.state.service` is the `Service`.

    Args:
        place_map: opened.
        settings: token, limits and what the page may show; where it listens is the server's.

    Raises:
        MissingExtra: a package of the extra `serve` is not installed.
        ConfigError: answers are to be rejected, and photos' answers have no confidence.
    """
    settings = settings or ServeSettings()
    service = Service(place_map, settings)
    fastapi: Any = extras.require("serve")

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        yield
        service.close()

    app: FastAPI = fastapi.FastAPI(
        title="A place map", version=vprkit.__version__, lifespan=lifespan,
        description="Says where photos were taken. Errors are JSON: {\"error\": \"a sentence\"}.",
        docs_url=None, redoc_url=None, redirect_slashes=False,
    )  # fmt: skip
    app.state.service = service
    _add_questions(app, service)
    _add_records(app, service)
    _add_facts(app, service)
    _add_page(app)
    _add_errors(app)
    upload = settings.limits.upload_bytes + PLAIN_BYTES
    app.add_middleware(
        Guard, traffic=service.traffic, limits=settings.limits, body_bytes={"/locate": upload, "/matches": upload}
    )
    app.add_middleware(Security, settings=settings)
    app.add_middleware(Counted, metrics=service.metrics)
    return app


def _add_questions(app: "FastAPI", service: Service) -> None:
    from fastapi import Depends, Request, Response

    def sent_as_json(request: Request) -> None:
        check_json(request.headers.get("content-type", ""))

    @app.post("/locate", openapi_extra=_form_of(LocateFields), responses=_refusals(400, 401, 413, 415, 422, 503, 504))
    async def locate(request: Request) -> answers.LocateAnswer:
        """Where a photo was taken: the best photos of the map, and the position that they suggest."""
        form = await read_form(request.stream(), request.headers.get("content-type", ""), LocateFields)
        return await service.locate(form.photo, form.fields)

    @app.post(
        "/search", dependencies=[Depends(sent_as_json)], responses=_refusals(400, 401, 413, 415, 422, 503, 504)
    )  # fmt: skip
    async def search(body: SearchFields) -> answers.LocateAnswer:
        """Where it looks as a sentence says: by captions, or by the photos themselves in a cross-modal map."""
        return await service.search(body)

    @app.post(
        "/matches", openapi_extra=_form_of(MatchFields), response_class=Response,
        responses={200: {"content": {"image/jpeg": {}}}, **_refusals(400, 401, 404, 413, 415, 422, 503, 504)},
    )  # fmt: skip
    async def matches(request: Request) -> Response:
        """A picture: the photo and a record side by side, a line for each match of the second stage.

        The headers X-Matches and X-Drawn tell how many matches there are and how many are drawn.
        """
        form = await read_form(request.stream(), request.headers.get("content-type", ""), MatchFields)
        found = await service.matches(form.photo, form.fields)
        told = {"X-Matches": str(found.matches), "X-Drawn": str(found.drawn)}
        return Response(found.picture, media_type="image/jpeg", headers=told)


def _add_records(app: "FastAPI", service: Service) -> None:
    from fastapi import Query, Response

    @app.get("/records/{id}", responses=_refusals(401, 404, 422))
    def record(id: int) -> answers.RecordAnswer:
        """What the map knows of one photo."""
        return service.record(id)

    @app.get(
        "/records/{id}/thumbnail", response_class=Response,
        responses={200: {"content": {"image/jpeg": {}}}, **_refusals(401, 404, 422)},
    )  # fmt: skip
    async def thumbnail(id: int, size: int = Query(default=384, ge=16, le=1536)) -> Response:
        """A small picture, JPEG, made anew from the photo's pixels. `size`: pixels of its longer side, rounded up to
        96, 192, 384, 768 or 1536.
        """
        made = await service.thumbnail(id, size)
        return Response(made, media_type="image/jpeg")

    @app.get("/points", response_class=Response, responses={200: {"content": {"application/json": {}}}})
    async def points() -> Response:
        """Where the photos are, thinned where they are many: their `count`, and `latitude` and `longitude` in
        millionths of a degree, each less the one before.
        """
        return Response(await service.points(), media_type="application/json")


def _add_facts(app: "FastAPI", service: Service) -> None:
    from fastapi import Response

    @app.get("/about", responses=_refusals(401))
    def about() -> answers.AboutAnswer:
        """The map, and what it can be asked."""
        return service.about()

    @app.get("/healthz", responses=_refusals(503))
    def healthz(response: Response) -> answers.HealthAnswer:
        """200 while it takes questions, 503 while it stops."""
        response.status_code = 503 if service.traffic.stopping else 200
        return service.health()

    @app.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}, **_refusals(401)})
    def metrics() -> Response:
        """Counters in the format of Prometheus."""
        return Response(service.metrics.text(), headers={"Content-Type": service.metrics.content_type})


def _add_page(app: "FastAPI") -> None:
    from fastapi import Response

    files = {file.name: file.read_bytes() for file in resources.files("vprkit.serve").joinpath("page").iterdir()}

    def sent(name: str) -> Response:
        kind = KINDS["." + name.rpartition(".")[2]]
        return Response(files[name], media_type=kind, headers={"Cache-Control": "no-cache"})

    @app.get("/", include_in_schema=False)
    def page() -> Response:
        return sent("index.html")

    @app.get("/page/{name}", include_in_schema=False)
    def page_file(name: str) -> Response:
        if name not in files:
            raise Refusal(404, "the page has no such file")
        return sent(name)

    @app.get("/docs", include_in_schema=False)
    def docs() -> Response:
        return Response(manual(app.openapi()), media_type="text/html")


def _add_errors(app: "FastAPI") -> None:
    from fastapi import Request
    from fastapi.exceptions import RequestValidationError
    from fastapi.responses import JSONResponse
    from starlette.exceptions import HTTPException

    def said(status: int, sentence: str, headers: Any = None) -> JSONResponse:
        return JSONResponse({"error": sentence}, status, headers)

    @app.exception_handler(VprError)
    async def refused(request: Request, error: VprError) -> JSONResponse:
        refusal = refusal_of(error)
        return said(refusal.status, str(refusal), refusal.headers)

    @app.exception_handler(RequestValidationError)
    async def wrong(request: Request, error: RequestValidationError) -> JSONResponse:
        return said(422, what_is_wrong(error.errors()))

    @app.exception_handler(404)
    async def nothing(request: Request, error: HTTPException) -> JSONResponse:
        return said(404, no_such_route(request.url.path))

    @app.exception_handler(405)
    async def otherwise(request: Request, error: HTTPException) -> JSONResponse:
        headers = error.headers or {}
        return said(405, no_such_method(request.method, request.url.path, headers.get("Allow", "")), headers)

    @app.exception_handler(HTTPException)
    async def answered(request: Request, error: HTTPException) -> JSONResponse:
        return said(error.status_code, str(error.detail), error.headers)


def _form_of(kind: type[Any]) -> dict[str, Any]:
    """The description of a form: the photo, and the fields of a dataclass."""
    assert is_dataclass(kind)
    schema = extras.require("serve", "pydantic").TypeAdapter(kind).json_schema()
    photo = {"type": "string", "format": "binary", "description": "The photo: JPEG, PNG, WebP, TIFF, BMP, PPM or GIF."}
    ordered = {PHOTO: photo, **{field.name: schema["properties"][field.name] for field in fields(kind)}}
    form = {"type": "object", "properties": ordered, "required": [PHOTO, *schema.get("required", [])]}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": form}}}}


def _refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {status: {"description": _STATUSES[status], "model": answers.ErrorAnswer} for status in statuses}
