"""The operator's endpoint: /metrics, /healthz, /readyz on one port, served by a thread of its own.

Liveness asks nobody: it fails when the event loop has stopped turning, or when one batch has been in hand for too
long. Readiness says whether partitions are assigned, replicas are read, and the servers answered lately.
"""

import json
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from stream.metrics import Metrics
from stream.settings import MetricsSettings

log = logging.getLogger(__name__)

_STUCK_LOOP_SECONDS = 30.0
_TRIES = 100


@dataclass
class Health:
    """What the endpoint tells. Written by the event loop, read by the endpoint's thread."""

    clock: Callable[[], float] = time.monotonic
    loop_turned_at: float = 0.0
    ready: dict[str, bool] = field(default_factory=dict)

    def alive(self) -> bool:
        """Tell whether the event loop has turned lately (it has not begun before its first turn)."""
        return not self.loop_turned_at or self.clock() - self.loop_turned_at < _STUCK_LOOP_SECONDS

    def report(self) -> dict[str, bool]:
        """Return every condition of readiness."""
        return {"event_loop": self.alive(), **self.ready}


class HealthServer:
    """Serves the endpoint on the configured address; a taken port moves on to the next."""

    def __init__(self, settings: MetricsSettings, metrics: Metrics, health: Health) -> None:
        self._settings = settings
        handler = _handler(metrics, health)
        self._server = self._bind(handler)
        self._thread = threading.Thread(target=self._server.serve_forever, name="health", daemon=True)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port in use."""
        host, port = self._server.server_address[:2]
        return str(host), int(port)

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()
        host, port = self.address
        log.info("metrics", extra={"url": f"http://{host}:{port}/metrics"})

    def stop(self) -> None:
        """Close the port."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join(timeout=5)
        self._server.server_close()

    def _bind(self, handler: type[BaseHTTPRequestHandler]) -> ThreadingHTTPServer:
        port = self._settings.port
        for _ in range(_TRIES):
            try:
                return _Server((self._settings.host, port), handler)
            except OSError:
                if port == 0:
                    raise
                port += 1
        raise OSError(f"metrics.port: no free port from {self._settings.port} on")


class _Server(ThreadingHTTPServer):
    daemon_threads = True


def _handler(metrics: Metrics, health: Health) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/metrics":
                self._answer(200, CONTENT_TYPE_LATEST, generate_latest(metrics.registry))
            elif self.path == "/healthz":
                alive = health.alive()
                self._answer_json(200 if alive else 503, {"alive": alive})
            elif self.path == "/readyz":
                report = health.report()
                self._answer_json(200 if report and all(report.values()) else 503, report)
            else:
                self._answer_json(404, {"paths": ["/metrics", "/healthz", "/readyz"]})

        def _answer_json(self, status: int, body: object) -> None:
            self._answer(status, "application/json", json.dumps(body).encode())

        def _answer(self, status: int, content_type: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Scrapes are not news."""

    return Handler
