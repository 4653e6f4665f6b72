"""The second version: batches of 500, one transaction each, offsets committed by hand after it. Loses nothing.

Bad messages go to the dead letters when they cannot be decoded; a database that is away ends the process, and the
supervisor starts it again. Reads the same variables as the product, and CONTROL_GROUP.
"""

import logging
import os
from typing import Any

from confluent_kafka import Consumer, Producer
from neo4j import GraphDatabase, ManagedTransaction

from tests.faults.controls.events import decode

log = logging.getLogger("tuned")

WRITE = """
UNWIND $events AS event
MERGE (user:User {userId: event.user_id})
SET user.events = coalesce(user.events, 0) + 1
MERGE (item:Item {itemId: event.item_id})
MERGE (user)-[touched:TOUCHED {kind: event.kind}]->(item)
SET touched.count = coalesce(touched.count, 0) + 1
"""


def write(transaction: ManagedTransaction, events: list[dict[str, Any]]) -> None:
    transaction.run(WRITE, events=events)


def main() -> None:
    logging.basicConfig(level=logging.WARNING)
    servers = os.environ["INTERESTREAM_KAFKA__BOOTSTRAP_SERVERS"]
    consumer = Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": os.environ["CONTROL_GROUP"],
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "session.timeout.ms": 6000,
        }
    )
    consumer.subscribe([os.environ["INTERESTREAM_TOPICS__INTERACTIONS"]])
    dead_letters = Producer({"bootstrap.servers": servers})
    auth = os.environ["INTERESTREAM_NEO4J__USER"], os.environ["INTERESTREAM_NEO4J__PASSWORD"]
    with GraphDatabase.driver(os.environ["INTERESTREAM_NEO4J__URI"], auth=auth) as driver:
        while True:
            messages = [message for message in consumer.consume(500, timeout=0.2) if message.error() is None]
            if not messages:
                continue
            events = []
            for message in messages:
                try:
                    events.extend(decode(message.value()))
                except (ValueError, KeyError, TypeError, AttributeError) as error:
                    log.warning("no event: %r", error)
                    letters = os.environ["INTERESTREAM_TOPICS__DEAD_LETTERS"]
                    dead_letters.produce(letters, message.value(), message.key())
            with driver.session() as session:
                session.execute_write(write, events)
            dead_letters.flush()
            consumer.commit(asynchronous=False)


if __name__ == "__main__":
    main()
