"""`pfn-kg view`: a graph in a browser."""

from __future__ import annotations

from pfn_kg.pipeline.arguments import Call
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.options import Options
from pfn_kg.schemas.view_options import ViewOptions

OPTIONS: tuple[type[Options], ...] = (ViewOptions,)


def main(call: Call) -> int:
    """Runs the command."""
    options = call.of(ViewOptions)
    if not options.edit:
        for name in ("corrections", "author"):
            if name in call.given:
                raise ConfigurationError("only together with `edit`", field=name)
    from pfn_kg.pipeline.view.libraries import check_libraries

    check_libraries("duckdb", "starlette", "uvicorn")
    from pfn_kg.pipeline.view.serve import serve

    return serve(options)
