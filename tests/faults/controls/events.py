"""The shop's two dialects, decoded the short way: what every script of this folder, and the judge, understands."""

import json
from datetime import datetime
from typing import Any

_KINDS = {
    "Product Viewed": "view",
    "Product Clicked": "click",
    "Product Added": "add_to_cart",
    "Product Removed": "remove_from_cart",
    "Order Completed": "purchase",
}


def decode(value: bytes | None) -> list[dict[str, Any]]:
    """Return a message's interactions as in our own dialect.

    Raises ValueError (of JSON or of text), KeyError or TypeError for what is none.
    """
    if value is None:
        raise ValueError("no value")
    message = json.loads(value)
    if message.get("type") != "track":
        event = {name: message[name] for name in ("event_id", "kind", "user_id", "item_id", "occurred_at")}
        return [{**event, "order_id": message["order_id"]} if "order_id" in message else event]
    properties = message["properties"]
    common = {
        "kind": _KINDS[message["event"]],
        "user_id": message["userId"],
        "occurred_at": round(datetime.fromisoformat(message["timestamp"]).timestamp() * 1000),
    }
    if "order_id" in properties:
        common["order_id"] = properties["order_id"]
    return [
        {**common, "event_id": f"{message['messageId']}#{index}", "item_id": product["product_id"]}
        for index, product in enumerate(properties.get("products", [properties]))
    ]
