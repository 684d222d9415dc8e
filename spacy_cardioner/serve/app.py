"""The routes of the service."""

# No postponed annotations: FastAPI reads those of the routes, and the models are local names.
import asyncio
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Annotated as Typed
from typing import Any

from fastapi import FastAPI, Query, Request
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.staticfiles import StaticFiles

from spacy_cardioner import __version__
from spacy_cardioner.batch.engine import Annotated
from spacy_cardioner.batch.readers.note import SourceNote
from spacy_cardioner.serve import dt4h
from spacy_cardioner.serve.answer import (
    JSON,
    NAMES,
    NDJSON,
    TYPES,
    as_file,
    as_object,
    to_json,
)
from spacy_cardioner.serve.body import Bodies, Stream, unless_disconnected
from spacy_cardioner.serve.docs import page
from spacy_cardioner.serve.guard import Guard, error_answer
from spacy_cardioner.serve.metrics import TYPE, Metrics
from spacy_cardioner.serve.pool import Dispatcher
from spacy_cardioner.serve.request import (
    Body,
    Bulk,
    Format,
    Options,
    Refused,
    Schema,
    Wanted,
    choose,
    parse,
    read_note,
    read_notes,
)
from spacy_cardioner.serve.settings import Service
from spacy_cardioner.serve.stream import Lines
from spacy_cardioner.view import STYLE

HERE = Path(str(files("spacy_cardioner.serve")))
PAGE = HERE / "page"
# What `GET /pipelines` tells of each.
TOLD = ("name", "version", "lang", "labels", "active", "threshold", "context")
DESCRIPTION = (
    "Finds diseases and drugs in cardiology notes in Spanish, English and Italian. No note is "
    "kept, and none is in a log."
)
REFUSALS: dict[int | str, dict[str, Any]] = {
    401: {"description": "The token is missing or wrong."},
    408: {"description": "The body did not come in time."},
    413: {"description": "The body, or the number of notes, is too large."},
    415: {"description": "The body is neither JSON nor JSON lines."},
    422: {"description": "The request does not fit; `error` says where."},
    503: {"description": "Too much to do, or not done in time: try again after Retry-After."},
}


class Api:
    """What the routes share."""

    def __init__(self, service: Service, pool: Dispatcher, metrics: Metrics) -> None:
        self.service = service
        self.pool = pool
        self.metrics = metrics
        self.bodies = Bodies(service)

    async def annotated(
        self, request: Request, notes: Sequence[SourceNote], wanted: Wanted
    ) -> list[Annotated]:
        """Annotate the notes of a request in time.

        RAISES (Refused): There is too much to do.
        """
        good = [note for note in notes if not note.fault]
        if not self.pool.has_room(len(good)):
            raise Refused(503, "too much to do: try again", retry=True)
        answers = self.pool.submit(good, wanted.choice)
        try:
            done = asyncio.wait_for(asyncio.gather(*answers), self.service.timeout)
            found = iter(await unless_disconnected(request, done))
        except (asyncio.TimeoutError, TimeoutError):
            message = f"not done after {self.service.timeout:g} seconds: try again"
            raise Refused(503, message, retry=True) from None
        finally:
            for answer in answers:
                answer.cancel()
        every = [Annotated(note, []) if note.fault else next(found) for note in notes]
        self.metrics.count(wanted.info["name"], every)
        return every

    async def body(self, request: Request, model: Any) -> Any:
        """The body of a request of JSON. RAISES (Refused): It is none, or does not fit."""
        if _content_type(request) != JSON:
            raise Refused(415, f"send the body with Content-Type {JSON} or {NDJSON}")
        return parse(model, await self.bodies.read(request))


def make_app(service: Service, pool: Dispatcher) -> Guard:
    """Make the application.

    RETURNS (Guard): It answers each request, and wraps the routes.
    """
    metrics = Metrics(pool)
    api = Api(service, pool, metrics)
    app = FastAPI(
        title="cardioner",
        version=__version__,
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        root_path_in_servers=False,
        redirect_slashes=False,
    )

    @app.exception_handler(Refused)
    async def refused(_: Request, error: Refused) -> Response:
        return error_answer(error)

    @app.exception_handler(HTTPException)
    async def not_found(_: Request, error: HTTPException) -> Response:
        return error_answer(Refused(error.status_code, str(error.detail)))

    @app.exception_handler(Exception)  # it goes on to the guard, which tells of it
    async def fault(_: Request, error: Exception) -> Response:
        return error_answer(Refused(500, "a fault of the program; its log has more"))

    @app.exception_handler(ClientDisconnect)
    async def gone(_: Request, error: ClientDisconnect) -> Response:
        return Response(status_code=499)  # nobody reads it; nginx counts such requests so

    @app.post("/annotate", responses=REFUSALS, openapi_extra=_of_body("Body"), tags=["notes"])
    async def annotate(
        request: Request,
        format: Typed[
            str | None,
            Query(description="Answer with a file instead: tsv, jsonl or brat (a zip)."),
        ] = None,
    ) -> Response:
        """Annotate notes.

        A body of type `application/x-ndjson` has a note a line, `{"id": "1", "text": "..."}`, and
        is answered a line for each, in their order, while it is read. What is wanted of its notes
        is in the query then, by the same names: `?context=true&lang=es`, with `labels` repeated.
        Of such a body, only each line has a limit.
        """
        if _content_type(request) == NDJSON:
            options = parse(Options, _query(request))
            choose(options, [], pool.pipelines)  # what no note can be asked for
            lines = Lines(request, options, api.bodies, pool, metrics)
            return Stream(lines.answers(), api.bodies, media_type=NDJSON)
        with api.bodies.hold(api.bodies.check_length(request)):
            kind = _format(format)
            body = await api.body(request, Body)
            notes, footers = zip(*read_notes(body, service), strict=True)
            wanted = choose(body, [note.text for note in notes], pool.pipelines)
            found = await api.annotated(request, notes, wanted)
            if kind is None:
                return Response(to_json(as_object(found, footers, wanted)), media_type=JSON)
            content, failed = await asyncio.to_thread(as_file, found, wanted, kind)
            headers = {
                "content-disposition": f'attachment; filename="{NAMES[kind]}"',
                "x-failed-notes": str(failed),
            }
            return Response(content, 200, headers, TYPES[kind])

    @app.post("/process_bulk", responses=REFUSALS, openapi_extra=_of_body("Bulk"), tags=["notes"])
    async def process_bulk(request: Request) -> Response:
        """Annotate notes as the annotation service of DataTools4Heart does.

        For those who call that service: its request, and a list of records of its common data model
        (CDM v2), with context if the pipeline can detect it. `record_id` of the footer is the id of
        a note.
        """
        with api.bodies.hold(api.bodies.check_length(request)):
            content = (await api.body(request, Bulk)).content
            if not content or len(content) > service.max_notes:
                raise Refused(413, f"content: give 1 to {service.max_notes} notes")
            read = [
                read_note(note.model_copy(update={"id": _record_id(note.footer)}), n, service)
                for n, note in enumerate(content, start=1)
            ]
            notes, footers = zip(*read, strict=True)
            texts = [note.text for note in notes]
            options = parse(Options, {"schema": Schema.dt4h})
            wanted = choose(options, texts, pool.pipelines)
            if wanted.lang in wanted.info["context"]:
                options = options.model_copy(update={"context": True})
                wanted = choose(options, texts, pool.pipelines)
            found = await api.annotated(request, notes, wanted)
            records = [
                dt4h.record(one, footer, wanted.info, wanted.lang)
                for one, footer in zip(found, footers, strict=True)
            ]
            return Response(to_json(records), media_type=JSON)

    @app.get("/pipelines", tags=["notes"])
    async def pipelines() -> dict[str, list[dict[str, Any]]]:
        """The pipelines, the labels that they know and find by default, and their threshold."""
        return {"pipelines": [{key: info[key] for key in TOLD} for info in pool.pipelines]}

    @app.get("/health", tags=["operation"])
    async def health() -> dict[str, str]:
        """Whether the service runs."""
        return {"status": "ok", "version": __version__}

    @app.get("/ready", responses={503: {"description": "No worker is ready."}}, tags=["operation"])
    async def ready() -> dict[str, int]:
        """How many workers have loaded their pipelines."""
        if not pool.ready:
            raise Refused(503, "no worker is ready", retry=True)
        return {"workers": pool.ready}

    @app.get("/metrics", tags=["operation"])
    async def counts() -> Response:
        """Counts of requests, notes and workers, for Prometheus."""
        return Response(metrics.text(), media_type=TYPE)

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return HTMLResponse(page(app.openapi()))

    @app.get("/docs.css", include_in_schema=False)
    async def docs_style() -> Response:
        return FileResponse(HERE / "docs.css")

    @app.get("/", include_in_schema=False)
    async def index() -> Response:
        return FileResponse(PAGE / "index.html")

    @app.get("/page/view.css", include_in_schema=False)
    async def page_style() -> Response:
        return FileResponse(STYLE)

    app.mount("/page", StaticFiles(directory=PAGE), name="page")
    app.openapi = lambda: _openapi(app)
    return Guard(app, service, metrics)


def _content_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _query(request: Request) -> Mapping[str, Any]:
    """The options in a query."""
    query = request.query_params
    options: dict[str, Any] = dict(query)
    if "labels" in query:
        options["labels"] = query.getlist("labels")
    return options


def _format(name: str | None) -> Format | None:
    if name is None:
        return None
    if name not in [kind.value for kind in Format]:
        raise Refused(422, f"format: there are {', '.join(kind.value for kind in Format)}")
    return Format(name)


def _record_id(footer: Mapping[str, Any] | None) -> str | int | None:
    known = (footer or {}).get("record_id")
    return known if isinstance(known, (str, int)) else None


def _of_body(model: str) -> dict[str, Any]:
    """The description of a body that the route reads itself, within limits."""
    schema = {"$ref": f"#/components/schemas/{model}"}
    content: dict[str, Any] = {JSON: {"schema": schema}}
    if model == "Body":
        content[NDJSON] = {"schema": {"$ref": "#/components/schemas/Note"}}
    return {"requestBody": {"required": True, "content": content}}


def _openapi(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        schema = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes
        )
        _, models = models_json_schema(
            [(Body, "validation"), (Bulk, "validation")],
            ref_template="#/components/schemas/{model}",
        )
        schema.setdefault("components", {}).setdefault("schemas", {}).update(models["$defs"])
        app.openapi_schema = schema
    return app.openapi_schema
