"""Free ports of this machine."""

import socket


def free_port() -> int:
    """A port that nothing listened to a moment ago."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]
