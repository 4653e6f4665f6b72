"""Text from events is data wherever it goes: any script, any length allowed, any syntax."""

import pytest

from graph.model import CATEGORY_SEPARATOR, Family, ItemRow
from graph.settings import GraphSettings
from graph.snapshot import differences, snapshot
from graph.store import GraphStore
from tests.contract.graph_calls import Writer, association, interest, purchased, user, viewed

TEXTS = {
    "128 characters": "x" * 128,
    "128 emoji": "\U0001f6d2" * 128,
    "German": "Küche und Bäder",
    "Chinese": "厨房用具",
    "Arabic": "أكواب المطبخ",
    "combining": "e\u0301 is not \u00e9",
    "zero width": "a\u200bb\u200d\ufeffc",
    "right to left override": "\u202eabc",
    "newline": "a\nb\r\nc\td",
    "null character": "a\x00b",
    "quotes": 'it\'s "so" `called`',
    "backslash": "a\\b\\u0041\\",
    "parameter": "$userId $0 {epochMillis: 1}",
    "Cypher": "x'}) DETACH DELETE user //",
    "escaped": "\\u0027}) MATCH (n) DETACH DELETE n //",
    "label": "`:Admin {a:1}) SET n:Admin //",
    "comment": "/* */ // --",
    "blanks": "  a  ",
    "separator at the ends": " > a > ",
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
async def test_text_comes_back_as_it_was_everywhere(store: GraphStore, writer: Writer, text: str) -> None:
    path = CATEGORY_SEPARATOR.join(("Root", text))
    await writer.users(user(text, [interest(path), interest("Root")], [viewed(text), purchased(text)], unresolved=text))
    row = ItemRow(text, text, path, False, text, 1.0, text, micro_topic=text)
    await writer.items(row)
    await writer.associations(
        [association(Family.VIEWED_NEXT, path, "Root"), association(Family.BOUGHT_NEXT, "Root", path)],
        states={text: b"1"},
    )
    view = await store.view_user(text)
    assert view is not None
    assert view.user_id == text
    assert {edge.category for edge in view.interests} == {path, "Root"}
    assert view.touches == [viewed(text), purchased(text)]
    assert await store.user_ids("", 10) == [text]
    assert list(await store.load_users([text])) == [text]
    assert await store.unresolved_users(text, "", 10) == [text]
    assert await store.load_items([text]) == {text: row}
    assert await store.item_ids("", 10) == [text]
    assert path in await store.category_paths("", 10)
    category = await store.view_category(path)
    assert category is not None
    assert (category.items, category.interested_users) == (1, 1)
    assert [edge.target for edge in category.outgoing] == ["Root"]
    assert [edge.source for edge in category.incoming] == ["Root"]
    assert await store.load_associations([text]) == {text: b"1"}
    claimed = await store.claim({text: text})
    assert (claimed[text].key, claimed[text].owner) == (text, text)
    before = await snapshot(store)
    await writer.users(user(text, [interest(path), interest("Root")], [viewed(text), purchased(text)]))
    assert list(differences(before, await snapshot(store), GraphSettings(), lists=True)) == []
