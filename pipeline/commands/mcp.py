"""`pfn-kg mcp`: a graph for an assistant that speaks the Model Context Protocol."""

from __future__ import annotations

from pfn_kg.pipeline.arguments import Call
from pfn_kg.schemas.mcp_options import McpOptions
from pfn_kg.schemas.options import Options

OPTIONS: tuple[type[Options], ...] = (McpOptions,)

EPILOG = (
    "The assistant starts this command and speaks with it over standard input and output; "
    "docs/how-to/use_from_an_assistant.md shows how to register it."
)


def main(call: Call) -> int:
    """Runs the command."""
    options = call.of(McpOptions)
    from pfn_kg.pipeline.view.libraries import check_libraries

    check_libraries("duckdb", "mcp", extra="mcp")
    from pfn_kg.pipeline.mcp.server import serve

    return serve(options)
