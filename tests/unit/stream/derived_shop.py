"""A shop that names no categories: its items get derived ones, of three clusters of titles."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from encoders.categories import DerivedCategories
from encoders.centroids import CentroidsCard, save_centroids
from encoders.hashing import HashingTextEncoder
from stream.pipeline import Pipeline
from tests.unit.stream.checking_shop import NOW, running, shop_settings

TITLES = {"D1": "RED MUG", "D2": "RED CERAMIC MUG", "D3": "BIRTHDAY CARD", "D4": "GARDEN SIGN", "D5": "SMALL CARD"}


@asynccontextmanager
async def derived_shop(folder: Path) -> AsyncIterator[Pipeline]:
    """Run a shop with the items of TITLES; ``folder`` takes the file of its derived categories."""
    encoder = HashingTextEncoder()
    path = folder / "categories.safetensors"
    card = CentroidsCard(
        format=DerivedCategories.format,
        text_model=encoder.model,
        text_dimensions=encoder.dimensions,
        names=["Sign", "Card", "Mug"],
    )
    save_centroids(path, encoder.encode(["sign", "card", "mug"]), card)
    async with running(shop_settings(encoder={"text": "hashing", "categories_file": path})) as pipeline:
        for item_id, title in TITLES.items():
            send(pipeline, item_id, title=title)
        await pipeline.drain()
        yield pipeline


def send(pipeline: Pipeline, item_id: str, **row: Any) -> None:
    value = json.dumps({"item_id": item_id, **row}).encode()
    pipeline.log.append(pipeline.settings.topics.catalogue, item_id.encode(), value)


def remove(pipeline: Pipeline, item_id: str) -> None:
    pipeline.log.append(pipeline.settings.topics.catalogue, item_id.encode(), None)


def buy(pipeline: Pipeline, event_id: str, user_id: str, item_id: str) -> None:
    event = {"event_id": event_id, "kind": "purchase", "user_id": user_id, "item_id": item_id, "occurred_at": NOW}
    pipeline.log.append(pipeline.settings.topics.interactions, user_id.encode(), json.dumps(event).encode())
