"""The first version that everybody writes: a loop, one transaction per event, whatever fails to the dead letters.

The consumer commits by itself, as it does by default. Reads the same variables as the product, and CONTROL_GROUP.
"""

import logging
import os

from confluent_kafka import Consumer, Producer
from neo4j import GraphDatabase, ManagedTransaction

from tests.faults.controls.events import decode

log = logging.getLogger("naive")

WRITE = """
MERGE (user:User {userId: $user})
SET user.events = coalesce(user.events, 0) + 1
MERGE (item:Item {itemId: $item})
MERGE (user)-[touched:TOUCHED {kind: $kind}]->(item)
SET touched.count = coalesce(touched.count, 0) + 1
"""


def write(transaction: ManagedTransaction, event: dict[str, str]) -> None:
    transaction.run(WRITE, user=event["user_id"], item=event["item_id"], kind=event["kind"])


def main() -> None:
    logging.basicConfig(level=logging.WARNING)
    servers = os.environ["INTERESTREAM_KAFKA__BOOTSTRAP_SERVERS"]
    consumer = Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": os.environ["CONTROL_GROUP"],
            "auto.offset.reset": "earliest",
            "session.timeout.ms": 6000,
        }
    )
    consumer.subscribe([os.environ["INTERESTREAM_TOPICS__INTERACTIONS"]])
    dead_letters = Producer({"bootstrap.servers": servers})
    auth = os.environ["INTERESTREAM_NEO4J__USER"], os.environ["INTERESTREAM_NEO4J__PASSWORD"]
    with GraphDatabase.driver(os.environ["INTERESTREAM_NEO4J__URI"], auth=auth) as driver:
        while True:
            message = consumer.poll(1.0)
            if message is None or message.error():
                continue
            try:
                for event in decode(message.value()):
                    with driver.session() as session:
                        session.execute_write(write, event)
            except Exception as error:  # noqa: BLE001 - as in every first version
                log.warning("not processed: %r", error)
                dead_letters.produce(os.environ["INTERESTREAM_TOPICS__DEAD_LETTERS"], message.value(), message.key())
                dead_letters.poll(0)


if __name__ == "__main__":
    main()
