"""The Faust agent of the documentation: take a batch, write it to the store, let Faust acknowledge.

Reads the same variables as the product, and CONTROL_GROUP.
"""

import logging
import os
from typing import Any

import faust
from neo4j import AsyncGraphDatabase, AsyncManagedTransaction

from tests.faults.controls.events import decode
from tests.faults.controls.tuned import WRITE

log = logging.getLogger("textbook")

app = faust.App(
    os.environ["CONTROL_GROUP"],
    broker=f"kafka://{os.environ['INTERESTREAM_KAFKA__BOOTSTRAP_SERVERS']}",
    store="memory://",
    autodiscover=False,
    web_enabled=False,
    topic_disable_leader=True,
    topic_allow_declare=False,
    broker_session_timeout=6,
    broker_heartbeat_interval=1,
    consumer_auto_offset_reset="earliest",
    datadir=os.environ["CONTROL_FOLDER"],
)
events = app.topic(os.environ["INTERESTREAM_TOPICS__INTERACTIONS"], value_type=bytes, value_serializer="raw")
dead_letters = app.topic(os.environ["INTERESTREAM_TOPICS__DEAD_LETTERS"], value_type=bytes, value_serializer="raw")
driver = AsyncGraphDatabase.driver(
    os.environ["INTERESTREAM_NEO4J__URI"],
    auth=(os.environ["INTERESTREAM_NEO4J__USER"], os.environ["INTERESTREAM_NEO4J__PASSWORD"]),
)


async def write(transaction: AsyncManagedTransaction, rows: list[dict[str, Any]]) -> None:
    await transaction.run(WRITE, events=rows)


@app.agent(events)  # type: ignore[untyped-decorator]
async def learn(stream: Any) -> None:
    async for batch in stream.take_events(500, within=0.2):
        rows = []
        for event in batch:
            try:
                rows.extend(decode(event.value))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                log.warning("no event: %r", error)
                await dead_letters.send(value=event.value)
        async with driver.session() as session:
            await session.execute_write(write, rows)


@app.on_before_shutdown.connect  # type: ignore[untyped-decorator]
async def close(*_: Any, **__: Any) -> None:
    await driver.close()


def main() -> None:
    app.finalize()
    faust.Worker(app, loglevel="WARN", quiet=True).execute_from_commandline()


if __name__ == "__main__":
    main()
