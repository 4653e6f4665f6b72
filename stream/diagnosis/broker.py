"""Kafka: does it answer, are the topics as they should be, does anybody consume them."""

import time

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from stream.admin import AdminError, DifferenceKind, TopicDifference, admin_client, plan_topics
from stream.diagnosis.finding import Finding, failed, ok, warning
from stream.settings import Settings

_ANSWER_SECONDS = 5.0
_POLL_SECONDS = 0.2
_NOT_YET = (
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.NOT_COORDINATOR,
)
_APPLY = "`interestream topics apply` mends it"
ROLES = ("intake", "interest", "association", "catalogue")


def check_broker(settings: Settings) -> list[Finding]:
    """Check that the broker answers, and has as many brokers as replicas are wanted."""
    servers = settings.kafka.bootstrap_servers
    try:
        brokers = admin_client(settings).list_topics(timeout=_ANSWER_SECONDS).brokers
    except KafkaException as error:
        return [
            failed(
                "broker",
                f"none answers at {servers} ({error.args[0].str()})",
                "start Kafka (`interestream up` on your own machine), or correct kafka.bootstrap_servers, "
                "kafka.security_protocol and the rest of kafka.*",
            )
        ]
    count = f"{len(brokers)} broker{'s' if len(brokers) != 1 else ''} at {servers}"
    wanted = settings.topics.replication_factor
    if wanted > len(brokers):
        return [
            failed(
                "broker",
                f"{count}, but topics.replication_factor is {wanted}",
                "start more brokers, or lower topics.replication_factor: no topic can be created like this",
            )
        ]
    return [ok("broker", count)]


def check_topics(settings: Settings) -> list[Finding]:
    """Check that every topic exists with its cleanup policy; other differences are warnings."""
    try:
        differences = plan_topics(settings)
    except AdminError as error:
        return [failed("topics", str(error), "mend the broker first")]
    if not differences:
        return [ok("topics", f"all {len(settings.topics.table())} are as they should be")]
    return [_judge(difference) for difference in differences]


def _judge(difference: TopicDifference) -> Finding:
    name = f"topic {difference.topic}"
    if difference.kind is DifferenceKind.MISSING:
        return failed(name, "missing", _APPLY)
    if difference.kind is DifferenceKind.PARTITIONS:
        # Workers go by what the broker has; whether that is what the graph was built with is the graph's check.
        return warning(name, f"{difference.actual} partitions, wanted {difference.expected}", difference.mend)
    message = f"{difference.key} is {difference.actual or 'unset'}, wanted {difference.expected}"
    if (
        difference.key == "cleanup.policy"
    ):  # a compacted topic that is not keeps everything or loses what it should keep
        return failed(name, message, _APPLY)
    return warning(name, message, _APPLY)


def check_workers(settings: Settings) -> list[Finding]:
    """Check that every role's consumer group has members."""
    admin = admin_client(settings)  # kept: with the client its answers would be gone
    deadline = time.monotonic() + _ANSWER_SECONDS
    try:
        members = {role: _members(admin, f"{settings.kafka.group_prefix}-{role}", deadline) for role in ROLES}
    except (KafkaException, TimeoutError) as error:
        reason = error.args[0].str() if isinstance(error, KafkaException) else "no answer"
        return [warning("workers", f"the broker does not tell who consumes ({reason})", "run this again")]
    idle = [role for role in ROLES if not members[role]]
    if idle:
        return [warning("workers", f"nobody has the role {', '.join(idle)}", "start `interestream worker`")]
    counts = ", ".join(f"{role} {count}" for role, count in members.items())
    # Static members do not take leave, so that a worker that comes back in time stops nobody.
    seconds = settings.kafka.session_timeout_seconds
    return [ok("workers", f"{counts} (a worker that stopped counts for up to {seconds:g} s)")]


def _members(admin: AdminClient, group: str, deadline: float) -> int:
    """Return how many members a group has; a broker that has just started is asked until it knows."""
    while True:
        asked = admin.describe_consumer_groups([group], request_timeout=_ANSWER_SECONDS)
        try:
            return len(asked[group].result(timeout=_ANSWER_SECONDS).members)
        except KafkaException as error:
            if error.args[0].code() not in _NOT_YET or time.monotonic() >= deadline:
                raise
            time.sleep(_POLL_SECONDS)
