"""The catalogue's language: does the text model know the words of the items that the graph has?"""

import asyncio
from collections.abc import Sequence

from encoders.base import EncoderError
from encoders.device import choose_device
from encoders.factory import load_text_encoder
from encoders.items import item_text
from encoders.text import UNKNOWN_SHARE_LIMIT
from graph.store import StoreError
from stream.diagnosis.finding import Finding, failed, ok, warning
from stream.settings import Settings, StoreName
from stream.stores import open_store

_ITEMS = 300
_PATIENCE_SECONDS = 3.0


def check_language(settings: Settings) -> list[Finding]:
    """Encode the texts of the graph's first items, and tell how many of their tokens the text model knows."""
    if settings.store is StoreName.MEMORY:
        return []
    try:
        texts = asyncio.run(_texts(settings))
        if not texts:
            return [ok("catalogue's language", "no item with a title yet")]
        encoder = load_text_encoder(settings.encoder, choose_device(settings.encoder.device))
        encoder.encode(texts)
    except StoreError as error:
        return [failed("catalogue's language", " ".join(str(error).split()), "look at Neo4j's log")]
    except EncoderError as error:
        return [failed("catalogue's language", str(error), "mend the text model first")]
    share = encoder.unknown_share
    figures = f"{encoder.model} knows {1 - share:.0%} of the tokens of {len(texts)} items' texts"
    if share > UNKNOWN_SHARE_LIMIT:
        return [
            warning(
                "catalogue's language",
                f"{figures}: their vectors mean little",
                "set encoder.text_model_dir to a model of the shop's language (multilingual-e5-small, with "
                "encoder.text_prefix='query: ', knows about a hundred), and fit a projection to it with "
                "`interestream train projection`",
            )
        ]
    return [ok("catalogue's language", figures)]


async def _texts(settings: Settings) -> Sequence[str]:
    store = open_store(settings, _PATIENCE_SECONDS)
    try:
        await store.start()
        rows = await store.load_items(await store.item_ids("", _ITEMS))
        return [item_text(row.title, row.brand, row.category) for row in rows.values() if row.title]
    finally:
        await store.close()
