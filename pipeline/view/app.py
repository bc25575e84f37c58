"""The web application over a graph: pages, and their data as JSON."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from pfn_kg.pipeline.view.answers import Json
from pfn_kg.pipeline.view.data.documents import document, find_documents
from pfn_kg.pipeline.view.data.entities import documents_of_entity, entity, node
from pfn_kg.pipeline.view.data.facts import fact, facts_of_entity
from pfn_kg.pipeline.view.data.neighbourhood import neighbourhood
from pfn_kg.pipeline.view.data.overview import (
    best_facts,
    overview,
    rejected_rows,
    sample_facts,
)
from pfn_kg.pipeline.view.data.search import search
from pfn_kg.pipeline.view.data.store import NotInGraphError, Store
from pfn_kg.pipeline.view.edit_routes import edit_routes
from pfn_kg.pipeline.view.editing import Editor, WrongCorrectionError
from pfn_kg.pipeline.view.graphs import ShownGraph
from pfn_kg.pipeline.view.parameters import (
    BadRequestError,
    filter_of,
    number_of,
    text_of,
)
from pfn_kg.schemas.errors import ConfigurationError

#: The pages, as `just web` builds them.
STATIC = Path(__file__).parent / "static"
_FILES = {
    "/": ("index.html", "text/html"),
    "/app.js": ("app.js", "text/javascript"),
    "/app.css": ("app.css", "text/css"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
    "/licences.txt": ("licences.txt", "text/plain"),
}


def make_app(graph: ShownGraph, editor: Editor | None = None) -> Starlette:
    """The application. It checks no token: that is `pfn_kg.pipeline.view.guard`.

    Args:
        graph: what is shown.
        editor: what writes; without, nothing does.
    """

    def of_graph(path: str, answer: Callable[[Store, Request], Any]) -> Route:
        def endpoint(request: Request) -> Response:
            with graph.store() as store:
                return Json(answer(store, request))

        return Route(path, functools.wraps(answer)(endpoint), methods=["GET"])

    def state(_request: Request) -> Response:
        return Json(graph.state() | {"edit": editor is not None})

    def reload(_request: Request) -> Response:
        graph.reload()
        return Json(graph.state())

    return Starlette(
        routes=[
            *(Route(path, _file(name, type_)) for path, (name, type_) in _FILES.items()),
            Route("/api/state", state),
            Route("/api/reload", reload, methods=["POST"]),
            of_graph("/api/overview", lambda store, _: overview(store)),
            of_graph("/api/best", lambda store, r: best_facts(store, limit=_limit(r, 20, 100))),
            of_graph("/api/sample", _sample),
            of_graph("/api/rejected", _rejected),
            of_graph("/api/search", _search),
            of_graph("/api/entities/{id}", lambda store, r: entity(store, r.path_params["id"])),
            of_graph("/api/entities/{id}/facts", _facts),
            of_graph("/api/entities/{id}/documents", _documents_of_entity),
            of_graph("/api/facts/{id}", _fact),
            of_graph("/api/documents", _documents),
            # Ids of documents are the user's and may have slashes.
            of_graph("/api/documents/{id:path}", _document),
            of_graph("/api/neighbourhood/{id}", _neighbourhood),
            *([] if editor is None else edit_routes(editor)),
        ],
        exception_handlers={
            NotInGraphError: _error(404, "not in the graph: {}"),
            BadRequestError: _error(400, "{}"),
            WrongCorrectionError: _error(400, "{}"),
            ConfigurationError: _error(409, "{}"),
        },
    )


def _file(name: str, type_: str) -> Callable[[Request], Response]:
    def endpoint(_request: Request) -> Response:
        return FileResponse(STATIC / name, media_type=type_)

    return endpoint


def _error(status: int, text: str) -> Callable[[Request, Exception], Response]:
    def answer(_request: Request, error: Exception) -> Response:
        return Json({"error": text.format(error)}, status)

    return answer


def _limit(request: Request, default: int, most: int) -> int:
    return number_of(request, "limit", default, least=1, most=most)


def _offset(request: Request) -> int:
    return number_of(request, "offset", 0, least=0, most=10_000_000)


def _sample(store: Store, request: Request) -> Any:
    seed = number_of(request, "seed", 0, least=0, most=1 << 31)
    return sample_facts(store, size=_limit(request, 20, 200), seed=seed)


def _rejected(store: Store, request: Request) -> Any:
    return rejected_rows(store, offset=_offset(request), limit=_limit(request, 50, 200))


def _search(store: Store, request: Request) -> Any:
    found = search(
        store,
        text_of(request, "q") or "",
        limit=_limit(request, 20, 100),
        kind=text_of(request, "kind"),
        type_=text_of(request, "type"),
    )
    return found._asdict()


def _facts(store: Store, request: Request) -> Any:
    outgoing = text_of(request, "direction") != "in"
    return facts_of_entity(
        store,
        node(store, request.path_params["id"])["number"],
        outgoing=outgoing,
        filter_=filter_of(request),
        offset=_offset(request),
        limit=_limit(request, 25, 200),
    )


def _documents_of_entity(store: Store, request: Request) -> Any:
    number = node(store, request.path_params["id"])["number"]
    return documents_of_entity(
        store, number, offset=_offset(request), limit=_limit(request, 50, 200)
    )


def _fact(store: Store, request: Request) -> Any:
    return fact(store, request.path_params["id"], limit=_limit(request, 50, 500))


def _documents(store: Store, request: Request) -> Any:
    return find_documents(store, text_of(request, "q") or "", limit=_limit(request, 20, 100))


def _document(store: Store, request: Request) -> Any:
    begin = number_of(request, "begin", 0, least=0, most=1 << 31)
    return document(store, request.path_params["id"], begin=begin)


def _neighbourhood(store: Store, request: Request) -> Any:
    shown = text_of(request, "shown")
    return neighbourhood(
        store,
        request.path_params["id"],
        filter_=filter_of(request),
        limit=_limit(request, 24, 100),
        shown=shown.split(",") if shown else (),
    )
