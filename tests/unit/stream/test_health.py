import json
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from stream.health import Health, HealthServer
from stream.metrics import Metrics
from stream.settings import MetricsSettings


class Clock:
    """Stands still until told otherwise."""

    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def health(clock: Clock) -> Health:
    return Health(clock)


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def server(health: Health, metrics: Metrics) -> Iterator[HealthServer]:
    running = HealthServer(MetricsSettings(port=0), metrics, health)
    running.start()
    yield running
    running.stop()


def ask(server: HealthServer, path: str) -> tuple[int, str, str]:
    host, port = server.address
    try:
        with urllib.request.urlopen(f"http://{host}:{port}{path}", timeout=10) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers["Content-Type"], error.read().decode()


def test_metrics_are_prometheus_text(server: HealthServer, metrics: Metrics) -> None:
    metrics.applied.inc(3)
    status, kind, body = ask(server, "/metrics")
    assert status == 200
    assert kind.startswith("text/plain")
    assert "interest_events_applied_total 3.0" in body


def test_alive_before_the_first_turn_and_while_the_loop_turns(
    server: HealthServer, health: Health, clock: Clock
) -> None:
    assert ask(server, "/healthz")[0] == 200
    health.loop_turned_at = clock.now
    clock.now += 29.0
    assert ask(server, "/healthz")[0] == 200


def test_dead_when_the_loop_has_stopped_turning(server: HealthServer, health: Health, clock: Clock) -> None:
    health.loop_turned_at = clock.now
    clock.now += 31.0
    status, _, body = ask(server, "/healthz")
    assert (status, json.loads(body)) == (503, {"alive": False})
    assert ask(server, "/readyz")[0] == 503


def test_ready_only_when_every_condition_holds(server: HealthServer, health: Health) -> None:
    health.ready.update(kafka=True, store=False)
    status, _, body = ask(server, "/readyz")
    assert (status, json.loads(body)) == (503, {"event_loop": True, "kafka": True, "store": False})
    health.ready["store"] = True
    assert ask(server, "/readyz")[0] == 200


def test_another_path_lists_the_paths(server: HealthServer) -> None:
    status, _, body = ask(server, "/table/")
    assert status == 404
    assert json.loads(body)["paths"] == ["/metrics", "/healthz", "/readyz"]


def test_a_taken_port_moves_on(health: Health, metrics: Metrics) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        server = HealthServer(MetricsSettings(port=port), metrics, health)
        try:
            assert port < server.address[1] < port + 100
        finally:
            server.stop()


def test_it_listens_on_loopback_alone(server: HealthServer) -> None:
    assert server.address[0] == "127.0.0.1"


def test_stopping_closes_the_port_even_before_the_start(health: Health, metrics: Metrics) -> None:
    server = HealthServer(MetricsSettings(port=0), metrics, health)
    address = server.address
    server.stop()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, timeout=5)
