"""Ports on loopback that nobody uses."""

import secrets
import socket

LOOPBACK = "127.0.0.1"

# Below the range that Linux and macOS give to outgoing connections: a client that keeps dialling a dead server's port
# from that range can end up connected to itself, and then the server cannot come back.
_LOWEST, _HIGHEST = 15_000, 32_000


def is_free(port: int) -> bool:
    """Tell whether a server could listen on the port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the servers do: TIME_WAIT is no obstacle
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def accepts(port: int, timeout_seconds: float = 1.0) -> bool:
    """Tell whether something accepts connections on the port."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=timeout_seconds):
            return True
    except OSError:
        return False


def free_port(preferred: int | None = None) -> int:
    """Return ``preferred`` if it is free, else a free port chosen at random.

    Nothing is reserved: start the server soon.
    """
    if preferred is not None and is_free(preferred):
        return preferred
    while True:
        port = _LOWEST + secrets.randbelow(_HIGHEST - _LOWEST)
        if is_free(port):
            return port
