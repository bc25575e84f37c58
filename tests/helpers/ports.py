"""Free ports of this machine, and servers at them."""

import socket
import subprocess
import time
from collections.abc import Callable

# So many seconds a server may take to listen; one that ended is not waited for.
_PATIENCE = 300.0


def free_port() -> int:
    """A port that nothing listened to a moment ago."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def wait_for_port(
    port: int, server: subprocess.Popen[bytes], said: Callable[[], str] = str
) -> None:
    """Comes back when a server listens.

    Args:
        port: where it will.
        server: its process.
        said: gives what the server said, for the error if it ends or never listens.
    """
    end = time.monotonic() + _PATIENCE
    while server.poll() is None and time.monotonic() < end:
        with socket.socket() as probe:
            if probe.connect_ex(("localhost", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(f"nothing listens to port {port}: {said()[-3000:]}")
