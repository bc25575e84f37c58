"""`pfn-kg view`: the server, its address and its token."""

from __future__ import annotations

import secrets
import socket
import threading
import webbrowser

import uvicorn

from pfn_kg.pipeline.view.app import make_app
from pfn_kg.pipeline.view.editing import Editor
from pfn_kg.pipeline.view.graphs import ShownGraph
from pfn_kg.pipeline.view.guard import Guard
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.view_options import LOOPBACK, ViewOptions

_LOCAL_NAMES = (LOOPBACK, "localhost", "::1")


def serve(options: ViewOptions) -> int:
    """Shows a graph until it is interrupted.

    Returns:
        The exit code.

    Raises:
        ConfigurationError: if there is no graph, or the address can't be listened on.
    """
    graph = ShownGraph(options.directory, say=lambda line: print(line, flush=True))
    editor = None
    try:
        if options.edit:
            editor = Editor(graph, file=options.corrections, author=options.author)
        with _listen(options.host, options.port) as listener:
            port = listener.getsockname()[1]
            token = secrets.token_urlsafe(24)
            is_local = options.host in _LOCAL_NAMES
            # Under which other names such a server is reached, only its network knows.
            hosts = _LOCAL_NAMES if is_local else ()
            app = Guard(make_app(graph, editor), token=token, port=port, hosts=hosts)
            _say_address(options, port, token)
            server = uvicorn.Server(
                uvicorn.Config(app, log_level="warning", server_header=False, lifespan="off")
            )
            server.run(sockets=[listener])
    finally:
        if editor is not None:
            editor.close()
        graph.close()
    return 0


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        return socket.create_server(address[:2], family=family)
    except OSError as error:
        field = "host" if isinstance(error, socket.gaierror) else "port"
        raise ConfigurationError(
            f"{host}:{port} can't be listened on: {error.strerror or error}", field=field
        ) from None


def _say_address(options: ViewOptions, port: int, token: str) -> None:
    host = f"[{options.host}]" if ":" in options.host else options.host
    address = f"http://{host}:{port}/?token={token}"
    print(f"{options.directory}: {address}  (Ctrl+C ends it)", flush=True)
    if options.host not in _LOCAL_NAMES:
        print(
            "Whoever reaches this machine and has the address reads the graph"
            + (" and writes corrections." if options.edit else "."),
            flush=True,
        )
    if options.open:
        threading.Timer(0.5, webbrowser.open, [address]).start()
