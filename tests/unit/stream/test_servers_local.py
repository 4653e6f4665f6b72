import socket
from pathlib import Path

import pytest

from stream.commands import main
from stream.servers.errors import PortTaken, ServerError
from stream.servers.local import Endpoints, WantedPorts, choose_ports, start_servers, stop_servers
from stream.servers.maven import JarReport
from stream.servers.ports import LOOPBACK, free_port, is_free

pytestmark = pytest.mark.usefixtures("no_settings_in_environment")

NONE = WantedPorts()
ALL = ("kafka", "controller", "bolt", "http")


def silent(title: str) -> JarReport:
    return lambda count, name: None


def test_ports_are_different_and_free() -> None:
    ports = choose_ports({}, set(), NONE)
    assert tuple(ports) == ALL
    assert len(set(ports.values())) == 4
    assert all(is_free(port) for port in ports.values())


def test_former_ports_are_kept() -> None:
    former = {name: free_port() for name in ALL}
    assert choose_ports(former, set(), NONE) == former
    assert choose_ports(former, {"kafka", "neo4j"}, NONE) == former


def test_a_wanted_port_moves_a_stopped_server_alone() -> None:
    former = {name: free_port() for name in ALL}
    wanted = free_port()
    assert choose_ports(former, {"neo4j"}, WantedPorts(kafka=wanted)) == {**former, "kafka": wanted}


def test_a_running_server_is_not_moved() -> None:
    former = {name: free_port() for name in ALL}
    with pytest.raises(PortTaken, match=f"--bolt-port: Neo4j runs on {former['bolt']}.*interestream down"):
        choose_ports(former, {"neo4j"}, WantedPorts(bolt=free_port()))
    assert choose_ports(former, {"neo4j"}, WantedPorts(bolt=former["bolt"])) == former


def test_a_port_wanted_twice_is_refused() -> None:
    port = free_port()
    with pytest.raises(PortTaken, match=f"--http-port: {port} is the bolt port already"):
        choose_ports({}, set(), WantedPorts(bolt=port, http=port))


def test_the_usual_port_is_left_to_whoever_has_it() -> None:
    with socket.socket() as other:
        other.bind((LOOPBACK, 0))
        other.listen()
        taken = other.getsockname()[1]
        assert free_port(taken) != taken
    assert free_port(taken) == taken


def test_the_controllers_port_moves_when_a_stranger_took_it() -> None:
    with socket.socket() as other:
        other.bind((LOOPBACK, 0))
        other.listen()
        former = {**{name: free_port() for name in ALL}, "controller": other.getsockname()[1]}
        chosen = choose_ports(former, set(), NONE)
    assert chosen["controller"] != former["controller"]
    assert {**chosen, "controller": 0} == {**former, "controller": 0}


def test_free_ports_are_outside_the_range_of_outgoing_connections() -> None:
    assert all(15_000 <= free_port() < 32_000 for _ in range(20))


@pytest.mark.parametrize("name", ["a:b", "a,b", "a\\b"])
def test_a_folder_that_java_cannot_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ServerError, match="--data-dir"):
        start_servers(tmp_path / name, NONE, silent)
    assert not (tmp_path / name).exists()


def test_stopping_nothing_makes_nothing(tmp_path: Path) -> None:
    assert stop_servers(tmp_path / "none") == []
    assert not (tmp_path / "none").exists()


def test_endpoints_are_the_settings_of_the_other_commands() -> None:
    endpoints = Endpoints("127.0.0.1:1", "bolt://127.0.0.1:2", "neo4j", "p", "http://127.0.0.1:3/browser/")
    assert endpoints.environment() == {
        "INTERESTREAM_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "INTERESTREAM_NEO4J__URI": "bolt://127.0.0.1:2",
        "INTERESTREAM_NEO4J__USER": "neo4j",
        "INTERESTREAM_NEO4J__PASSWORD": "p",
    }


def test_up_without_java_ends_with_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit) as ended:
        main(["up", "--data-dir", str(tmp_path / "data"), "--json"])
    printed = capsys.readouterr()
    assert ended.value.code == 1
    assert printed.out == ""
    assert printed.err.startswith("error: Java 17 or newer is missing")


def test_down_of_a_folder_without_servers_is_no_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["down", "--data-dir", str(tmp_path), "--json"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == '{"stopped":[]}\n'
