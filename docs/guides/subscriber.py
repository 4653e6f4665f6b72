"""Follow everyone's lists: ``python docs/guides/subscriber.py 127.0.0.1:9092``. Explained in subscribers.md."""

import json
import sys

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

if len(sys.argv) != 2:
    sys.exit("usage: python docs/guides/subscriber.py BROKER, such as 127.0.0.1:9092 (Ctrl-C ends it)")
TOPIC = "shop.recommendations.v1"
consumer = Consumer({"bootstrap.servers": sys.argv[1], "group.id": "lists", "enable.auto.commit": False})
partitions = consumer.list_topics(TOPIC, timeout=10).topics[TOPIC].partitions
consumer.assign([TopicPartition(TOPIC, partition, OFFSET_BEGINNING) for partition in partitions])
lists = {}
while True:
    record = consumer.poll(1.0)
    if record is None or record.error():
        continue
    user = record.key().decode()
    if not record.value():
        lists.pop(user, None)  # a tombstone: the user is gone
    elif (fresh := json.loads(record.value()))["version"] > lists.get(user, {"version": -1})["version"]:
        lists[user] = fresh
        because = {item["item_id"]: [reason["feature"] for reason in item["because"]] for item in fresh["cross_sell"]}
        print(f"{user}: {because} dearer: {[item['item_id'] for item in fresh['up_sell']]}", flush=True)  # noqa: T201
