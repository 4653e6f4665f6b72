"""Least privilege towards the broker: what each kind of client may do, and nothing beyond.

One table, from which ``interestream topics acls`` prints the commands, docs/security.md its page, and the tests the
rights with which the whole path runs. READ and WRITE imply DESCRIBE.
"""

from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

from stream.settings import Settings


class Client(StrEnum):
    """Who talks to the broker."""

    WORKER = "worker"
    TRACKER = "tracker"
    CATALOGUE = "catalogue"
    SUBSCRIBER = "subscriber"
    OPERATOR = "operator"


class Acl(NamedTuple):
    """One right: an operation on a topic or a consumer group of exactly this name."""

    operation: str
    resource: str
    name: str


ROLES = ("intake", "interest", "association", "catalogue")


def acls(client: Client, settings: Settings) -> list[Acl]:
    """Return the rights that a client needs, ordered; groups of subscribers are their own affair."""
    return sorted(set(_needed(client, settings)), key=lambda acl: (acl.resource, acl.name, acl.operation))


def _needed(client: Client, settings: Settings) -> Iterator[Acl]:
    topics = settings.topics
    every = [topic.name for topic in topics.table()]
    if client is Client.TRACKER:
        yield Acl("WRITE", "topic", topics.interactions)
    elif client is Client.CATALOGUE:
        yield Acl("WRITE", "topic", topics.catalogue)
    elif client is Client.SUBSCRIBER:
        yield from (Acl("READ", "topic", name) for name in (topics.recommendations, topics.popular, topics.signals))
    elif client is Client.WORKER:
        read = (topics.interactions, topics.bundles, topics.transitions, topics.catalogue)
        followed = (topics.items, topics.associations)
        written = (topics.bundles, topics.transitions, topics.dead_letters)
        published = (topics.recommendations, topics.popular, topics.signals)
        yield from (Acl("READ", "topic", name) for name in (*read, *followed))
        yield from (Acl("WRITE", "topic", name) for name in (*written, *followed, *published))
        yield from (Acl("READ", "group", f"{settings.kafka.group_prefix}-{role}") for role in ROLES)
    else:
        for operation in ("CREATE", "READ", "DESCRIBE_CONFIGS", "ALTER_CONFIGS"):
            yield from (Acl(operation, "topic", name) for name in every)
        # replay sends events, rows and dead letters again, refresh asks through the internal topics, signals warns
        sent = (topics.interactions, topics.catalogue, topics.bundles, topics.transitions, topics.signals)
        yield from (Acl("WRITE", "topic", name) for name in sent)
        # Never joined: librdkafka asks after the group of whoever reads, and check after intake's offsets.
        asked_after = ("intake", "check", "replay", "show")
        yield from (Acl("DESCRIBE", "group", f"{settings.kafka.group_prefix}-{name}") for name in asked_after)


def as_command(acl: Acl, principal: str) -> str:
    """Return the arguments of ``kafka-acls.sh`` that grant a right."""
    operation = "".join(word.capitalize() for word in acl.operation.split("_"))
    return f"--add --allow-principal {principal} --operation {operation} --{acl.resource} {acl.name}"
