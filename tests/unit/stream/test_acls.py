"""The least rights of each client, and the commands that grant them."""

import json
import re
from collections import Counter
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stream.acls import ROLES, Acl, Client, acls, as_command
from stream.commands.topics import app
from stream.roles import Role
from stream.settings import KafkaSettings, Settings

TOPICS = Settings().topics


def rights(client: Client) -> set[tuple[str, str]]:
    return {(acl.operation, acl.name) for acl in acls(client, Settings())}


def test_a_worker_cannot_make_up_what_it_reads_nor_read_what_it_writes_for_others() -> None:
    granted = rights(Client.WORKER)
    for topic in (TOPICS.interactions, TOPICS.catalogue):
        assert ("READ", topic) in granted
        assert ("WRITE", topic) not in granted
    for topic in (TOPICS.recommendations, TOPICS.popular, TOPICS.signals, TOPICS.dead_letters):
        assert ("WRITE", topic) in granted
        assert ("READ", topic) not in granted
    for topic in (topic.name for topic in TOPICS.table() if topic.internal):
        assert {("READ", topic), ("WRITE", topic)} <= granted
    assert {operation for operation, _ in granted} == {"READ", "WRITE"}


def test_every_topic_has_a_writer_and_a_reader() -> None:
    granted = {(acl.operation, acl.name) for client in Client for acl in acls(client, Settings())}
    assert {(op, topic.name) for topic in TOPICS.table() for op in ("READ", "WRITE")} <= granted


def test_a_worker_joins_the_groups_of_its_roles_and_no_other() -> None:
    assert set(ROLES) == {role.value for role in Role}
    settings = Settings(kafka=KafkaSettings(group_prefix="shop"))
    groups = {acl.name for acl in acls(Client.WORKER, settings) if acl.resource == "group"}
    assert groups == {f"shop-{role}" for role in ROLES}


@pytest.mark.parametrize(
    ("client", "only"),
    [
        (Client.TRACKER, {("WRITE", TOPICS.interactions)}),
        (Client.CATALOGUE, {("WRITE", TOPICS.catalogue)}),
        (Client.SUBSCRIBER, {("READ", name) for name in (TOPICS.recommendations, TOPICS.popular, TOPICS.signals)}),
    ],
)
def test_the_others_read_or_write_what_is_theirs(client: Client, only: set[tuple[str, str]]) -> None:
    assert rights(client) == only


def test_nobody_is_granted_a_right_twice_or_on_everything() -> None:
    for client in Client:
        counts = Counter(acls(client, Settings()))
        assert set(counts.values()) == {1}
        assert not any("*" in acl.name or acl.operation in ("ALL", "DELETE", "ALTER") for acl in counts)


def test_the_commands_name_every_right() -> None:
    assert as_command(Acl("ALTER_CONFIGS", "topic", "a.b"), "User:x") == (
        "--add --allow-principal User:x --operation AlterConfigs --topic a.b"
    )
    runner = CliRunner()
    printed = runner.invoke(app, ["acls", "worker", "--principal", "User:w"])
    assert printed.stdout.splitlines() == [as_command(acl, "User:w") for acl in acls(Client.WORKER, Settings())]
    as_json = json.loads(runner.invoke(app, ["acls", "worker", "--json"]).stdout)
    assert as_json["principal"] == "User:interestream"
    assert [Acl(**acl) for acl in as_json["acls"]] == acls(Client.WORKER, Settings())


def test_the_page_shows_the_rights_of_a_worker() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "security.md").read_text(encoding="utf-8")
    table = page.partition("<!-- acls: begin -->")[2].partition("<!-- acls: end -->")[0]
    rows = re.findall(r"^\| (\w+) \| (\w+) \| (\w+) \| (.+) \|$", table, re.MULTILINE)
    shown = [(client, Acl(op, kind, name.strip("` "))) for client, op, kind, names in rows for name in names.split(",")]
    shown = [(client, acl) for client, acl in shown if client != "client"]
    assert {client for client, _ in shown} == set(Client)
    for client in Client:
        assert sorted(acl for who, acl in shown if who == client) == sorted(acls(client, Settings()))
