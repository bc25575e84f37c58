"""The part of the web application that writes."""

from __future__ import annotations

from typing import Any

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pfn_kg.pipeline.view.answers import Json
from pfn_kg.pipeline.view.editing import Editor, WrongCorrectionError

_MOST_BYTES = 1 << 20


def edit_routes(editor: Editor) -> list[Route]:
    """The routes that a graph has only where it can be edited."""

    def listed(_request: Request) -> Response:
        return Json(editor.listed())

    async def add(request: Request) -> Response:
        id_ = await run_in_threadpool(editor.add, await _body(request))
        return Json({"correction_id": id_}, 201)

    def withdraw(request: Request) -> Response:
        taken = editor.withdraw(request.path_params["id"])
        if not taken:
            return Json({"error": "no such correction"}, 404)
        return Json({"withdrawn": taken})

    def rebuild(_request: Request) -> Response:
        return Json(editor.rebuild(), 202)

    return [
        Route("/api/corrections", listed, methods=["GET"]),
        Route("/api/corrections", add, methods=["POST"]),
        Route("/api/corrections/{id}", withdraw, methods=["DELETE"]),
        Route("/api/rebuild", rebuild, methods=["POST"]),
    ]


async def _body(request: Request) -> Any:
    """What a page sent.

    Raises:
        WrongCorrectionError: if it is long, or no JSON.
    """
    if request.headers.get("content-type", "").partition(";")[0] != "application/json":
        # A form of another site can't send this type.
        raise WrongCorrectionError("not JSON")
    data = bytearray()
    async for part in request.stream():
        data += part
        if len(data) > _MOST_BYTES:
            raise WrongCorrectionError(f"longer than {_MOST_BYTES} bytes")
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise WrongCorrectionError(f"not JSON: {error}") from None
