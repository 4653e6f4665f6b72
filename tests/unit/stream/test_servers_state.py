import threading
from pathlib import Path

import pytest

from stream.servers.errors import ServerError
from stream.servers.process import ProcessIdentity
from stream.servers.state import State, has_state, only_one, password, read_state, write_private, write_state


def test_what_was_written_is_read(tmp_path: Path) -> None:
    assert not has_state(tmp_path)
    assert read_state(tmp_path) == State()
    state = State(ports={"kafka": 9092}, processes={"kafka": ProcessIdentity(7, "then")})
    write_state(tmp_path, state)
    assert has_state(tmp_path)
    assert read_state(tmp_path) == state


@pytest.mark.parametrize("content", ["{", '{"format": 1, "ports": {"kafka": "x"}}', '{"colour": 1}'])
def test_a_file_that_is_not_ours_is_refused_by_name(tmp_path: Path, content: str) -> None:
    (tmp_path / "servers.json").write_text(content)
    with pytest.raises(ServerError, match=r"servers\.json cannot be read"):
        read_state(tmp_path)


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    write_state(tmp_path, State(format=2))
    with pytest.raises(ServerError, match="format 2"):
        read_state(tmp_path)


def test_the_password_is_made_once_and_is_nobodys_business(tmp_path: Path) -> None:
    first = password(tmp_path)
    assert len(first) >= 16
    assert password(tmp_path) == first
    assert (tmp_path / "neo4j-password").stat().st_mode & 0o777 == 0o600
    (tmp_path / "other").mkdir()
    assert password(tmp_path / "other") != first


def test_a_private_file_replaces_one_that_everybody_could_read(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("old")
    file.chmod(0o644)
    write_private(file, b"new")
    assert file.read_bytes() == b"new"
    assert file.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["secret"]


def test_two_commands_on_one_folder_wait_for_each_other(tmp_path: Path) -> None:
    order: list[str] = []
    holding, waiting = threading.Event(), threading.Event()

    def second() -> None:
        holding.wait(30)
        waiting.set()
        with only_one(tmp_path):
            order.append("second")

    thread = threading.Thread(target=second)
    thread.start()
    with only_one(tmp_path):
        holding.set()
        assert waiting.wait(30)
        thread.join(0.1)
        order.append("first")
    thread.join(30)
    assert order == ["first", "second"]
