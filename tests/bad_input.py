"""The catalogue of bad input: every way in which a message can be wrong, with the one reason and field it must get.

Each class makes as many different messages as it is asked for. What is odd but right, or counted and left aside, has a
table of its own. Tests on bytes, on the whole path in memory, and on the real servers all draw from here.
"""

import json
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

Make = Callable[[random.Random], bytes | None]
NOW = 1_760_000_000_000
DAY_MS = 86_400_000


class Bad(NamedTuple):
    """One class of bad input. ``rare``: so large that a test wants a few of them only."""

    name: str
    reason: str
    field: str
    make: Make
    rare: bool = False


class Odd(NamedTuple):
    """One class of odd input that is no fault, and what becomes of it: applied, ignored or filtered."""

    name: str
    disposition: str
    make: Make


class Letter(NamedTuple):
    """A bad message, and what its dead letter must say."""

    value: bytes | None
    reason: str
    field: str


def event(dice: random.Random, **changes: Any) -> dict[str, Any]:
    """Return a good event in our own dialect; a field changed to ``...`` is left out."""
    number = dice.getrandbits(48)
    good = {
        "event_id": f"b{number:x}",
        "kind": dice.choice(["view", "click", "add_to_cart", "purchase"]),
        "user_id": f"bad-user-{number % 50}",
        "item_id": f"item-{number % 80}",
        "occurred_at": NOW - dice.randrange(DAY_MS),
        "price": round(dice.uniform(0, 100), 2),
        "currency": "EUR",
    }
    return {name: value for name, value in (good | changes).items() if value is not ...}


def track(dice: random.Random, name: str = "Order Completed", **changes: Any) -> dict[str, Any]:
    """Return a good track call with three products, or with ``properties`` of one's own."""
    number = dice.getrandbits(48)
    properties = {"order_id": f"o{number:x}", "products": [{"product_id": f"item-{i}"} for i in range(3)]}
    return {
        "type": "track",
        "event": name,
        "messageId": f"t{number:x}",
        "userId": f"bad-user-{number % 50}",
        "timestamp": "2025-10-01T12:00:00Z",
        "properties": properties,
        **changes,
    }


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def _event(**changes: Any) -> Make:
    return lambda dice: _json(event(dice, **changes))


def _one_of(name: str, values: Sequence[Any]) -> Make:
    return lambda dice: _json(event(dice, **{name: dice.choice(values)}))


def _product(**product: Any) -> Make:
    """Make an order whose second product is wrong."""
    return lambda dice: _json(track(dice, properties={"products": [{"product_id": "item-1"}, product]}))


def _raw(text: bytes) -> Make:
    """Make an event with raw JSON at its end."""
    return lambda dice: _json(event(dice))[:-1] + b"," + text + b"}"


def _truncated(dice: random.Random) -> bytes:
    whole = _json(event(dice))
    return whole[: dice.randrange(1, len(whole))]


def _damaged(dice: random.Random) -> bytes:
    """Put a byte that is no UTF-8 into a good event."""
    whole = bytearray(_json(event(dice)))
    whole[dice.randrange(1, len(whole))] = dice.choice([0xFF, 0xC0, 0xFE, 0x80])
    return bytes(whole)


def _nested(dice: random.Random) -> bytes:
    depth = dice.choice([33, 64, 1_000, 100_000])
    opening, closing = dice.choice([(b"[", b"]"), (b'{"a":', b"}")])
    return _json(event(dice))[:-1] + b',"x":' + opening * depth + b"1" + closing * depth + b"}"


_CONTROLS = [chr(code) for code in (*range(32), *range(0x7F, 0xA0))]
_IDS = ("event_id", "user_id", "item_id", "order_id", "list_id", "recommendation_id")


def _controlled(field: str) -> Make:
    return lambda dice: _json(event(dice, **{field: "a" + dice.choice(_CONTROLS) + "b"}))


def _in_the_future(dice: random.Random) -> bytes:
    return _json(event(dice, occurred_at="2999-01-01T00:00:00Z"))


BAD: tuple[Bad, ...] = (
    Bad("a byte that is no UTF-8", "not_utf8", "", _damaged),
    Bad("UTF-16", "not_utf8", "", lambda dice: json.dumps(event(dice)).encode("utf-16")),
    Bad("UTF-16 without a mark", "not_json", "", lambda dice: json.dumps(event(dice)).encode("utf-16-le")),
    Bad("latin-1", "not_utf8", "", _raw(b'"x":"caf\xe9"')),
    Bad("no value", "null_value", "", lambda dice: None),
    Bad("no bytes", "empty_value", "", lambda dice: dice.choice([b"", b" ", b"\n\n", b"\xef\xbb\xbf"])),
    Bad("truncated", "not_json", "", _truncated),
    Bad("something behind", "not_json", "", lambda dice: _json(event(dice)) + dice.choice([b"{}", b"x", b"]", b",{}"])),
    Bad("a trailing comma", "not_json", "", lambda dice: _json(event(dice))[:-1] + b",}"),
    Bad("single quotes", "not_json", "", lambda dice: str(event(dice)).encode()),
    Bad("a leading zero", "not_json", "", _raw(b'"quantity":01')),
    Bad(
        "not an object",
        "not_object",
        "",
        lambda dice: dice.choice([b"null", b"true", b'"abc"', b"[1,2]", b"12", b"[]"]),
    ),
    Bad("no number", "bad_number", "", _raw(b'"x":NaN')),
    Bad("no finite number", "bad_number", "", _raw(b'"x":-Infinity')),
    Bad("more than a double", "bad_number", "price", _raw(b'"price":1e400')),
    Bad("2^63 and more", "out_of_range", "quantity", _one_of("quantity", [2**63, 2**64, 10**300])),
    Bad("5000 digits", "out_of_range", "quantity", _raw(b'"quantity":' + b"9" * 5_000)),
    Bad("a lone surrogate", "bad_unicode", "", _raw(rb'"x":"\ud800"')),
    *(Bad(f"a control character in {name}", "bad_character", name, _controlled(name)) for name in _IDS),
    Bad("a control character in a category", "bad_character", "category", _event(category=["A", "b\x00c"])),
    Bad("a separator in a label", "bad_character", "category", _event(category=["A > B"])),
    Bad("nested too deep", "too_deep", "", _nested),
    Bad("a boolean as a quantity", "wrong_type", "quantity", _one_of("quantity", [True, False])),
    Bad("a text as a number", "wrong_type", "price", _one_of("price", ["12", "NaN", ""])),
    Bad("a fraction as a quantity", "wrong_type", "quantity", _one_of("quantity", [1.5])),
    Bad("a number as an id", "wrong_type", "item_id", _one_of("item_id", [7, 1.5, True])),
    Bad("an object as an id", "wrong_type", "user_id", _one_of("user_id", [{"a": 1}, ["u"]])),
    Bad("null where a text is required", "wrong_type", "event_id", _event(event_id=None)),
    Bad("a text as consent", "wrong_type", "consent", _event(consent="yes")),
    *(
        Bad(f"no {name}", "missing_field", name, _event(**{name: ...}))
        for name in ("event_id", "kind", "user_id", "item_id", "occurred_at")
    ),
    Bad("an empty id", "too_short", "item_id", _event(item_id="")),
    Bad("an id that is too long", "too_long", "user_id", lambda dice: _json(event(dice, user_id="🛒" * 129))),
    Bad("a path that is too long", "too_long", "category", _event(category=["x" * 255] * 5)),
    Bad("too many labels", "too_long", "category", _event(category=[f"l{i}" for i in range(17)])),
    Bad("a negative price", "out_of_range", "price", _one_of("price", [-1, -0.01, -1e300])),
    Bad("a price beyond all limits", "out_of_range", "price", _one_of("price", [1e13, 1e300])),
    Bad("no quantity at all", "out_of_range", "quantity", _one_of("quantity", [0, -1, 10**10])),
    Bad("a currency that is none", "bad_currency", "currency", _one_of("currency", ["euro", "€", "E1R", "EUR\n", ""])),
    Bad("a time of the future", "in_the_future", "occurred_at", _in_the_future),
    Bad("seconds", "bad_timestamp_unit", "occurred_at", _one_of("occurred_at", [NOW // 1000, 0, 1])),
    Bad("microseconds", "bad_timestamp_unit", "occurred_at", _one_of("occurred_at", [NOW * 1000, NOW * 1_000_000])),
    Bad("a time before there were shops", "out_of_range", "occurred_at", _event(occurred_at="1815-12-10T00:00:00Z")),
    Bad("a negative time", "out_of_range", "occurred_at", _event(occurred_at=-1)),
    Bad("a time without a zone", "bad_timestamp", "occurred_at", _event(occurred_at="2025-10-01T12:00:00")),
    Bad("no time", "bad_timestamp", "occurred_at", _one_of("occurred_at", ["yesterday", "", "2025-13-01T00:00:00Z"])),
    Bad("gzip", "not_json", "", lambda dice: b"\x1f\x8b\x08" + dice.randbytes(40)),
    Bad("a frame of a schema registry", "not_json", "", lambda dice: b"\x00" + dice.randbytes(4) + _json(event(dice))),
    Bad("a pickle", "not_utf8", "", lambda dice: b"\x80\x04\x95" + dice.randbytes(8) + b"cos\nsystem\n(S'id'\ntR."),
    Bad("larger than the limit", "too_large", "", _raw(b'"x":"' + b"x" * 1_000_000 + b'"'), rare=True),
    Bad(
        "larger than the limit, with a huge id",
        "too_large",
        "",
        _event(item_id="i" * 1_000_001, title="t" * 10),
        rare=True,
    ),
    Bad("a track without a name", "missing_field", "event", lambda dice: _json({"type": "track", "messageId": "m"})),
    Bad(
        "an order without products",
        "missing_field",
        "properties.products",
        lambda dice: _json(track(dice, properties={})),
    ),
    Bad(
        "an order of nothing",
        "too_short",
        "properties.products",
        lambda dice: _json(track(dice, properties={"products": []})),
    ),
    Bad(
        "more products than any cart holds",
        "too_long",
        "properties.products",
        lambda dice: _json(track(dice, properties={"products": [{"product_id": "p"}] * 1001})),
        rare=True,
    ),
    Bad("a product without an id", "missing_field", "properties.products[1].product_id", _product(price=1)),
    Bad("a product with a text as its price", "wrong_type", "properties.products[1].price", _product(price="1")),
    Bad(
        "a control character in a product's id",
        "bad_character",
        "properties.products[1].product_id",
        _product(product_id="a\x00"),
    ),
    Bad("a track of nobody", "missing_field", "userId", lambda dice: _json(track(dice, userId=""))),
    Bad("a track without a time", "missing_field", "timestamp", lambda dice: _json(_without(track(dice), "timestamp"))),
    Bad("a message id that is too long", "too_long", "messageId", lambda dice: _json(track(dice, messageId="m" * 125))),
)


def _without(message: dict[str, Any], name: str) -> dict[str, Any]:
    del message[name]
    return message


ODD: tuple[Odd, ...] = (
    Odd("a byte order mark", "applied", lambda dice: b"\xef\xbb\xbf" + _json(event(dice))),
    Odd("a key twice", "applied", lambda dice: b'{"item_id":"item-0",' + _json(event(dice))[1:]),
    Odd("homoglyphs and full-width letters", "applied", _event(user_id="\u0430dm\u0456n\uff21")),
    Odd("characters that cannot be seen", "applied", _event(item_id="item-1\u200b\u202e\ufeff")),
    Odd("a placeholder for an id", "applied", _one_of("user_id", ["null", "undefined", "0000-0000", "anonymous"])),
    Odd("unknown fields", "applied", _event(schema_version=99, context={"page": [{"a": {"b": 1}}]})),
    Odd("an old event", "applied", _event(occurred_at="1999-12-31T23:59:59Z")),
    Odd("a refund of nothing", "applied", _event(kind="refund")),
    Odd("a kind that is none of ours", "ignored", _one_of("kind", ["wishlist", "", "x" * 10_000, "VIEW"])),
    Odd("another event of Segment's", "ignored", lambda dice: _json(track(dice, "Checkout Started"))),
    Odd("another call of Segment's", "ignored", lambda dice: _json({"type": dice.choice(["identify", "page"])})),
    Odd("without consent", "filtered", _event(consent=False)),
    Odd("without consent, and wrong besides", "filtered", _event(consent=False, price="x", item_id=...)),
)


def letters(seed: int, count: int) -> Iterator[Letter]:
    """Make ``count`` bad messages of all classes in turn; the large ones five times at most."""
    dice = random.Random(seed)
    made = 0
    round_ = 0
    while made < count:
        for bad in BAD:
            if made == count or (bad.rare and round_ >= 5):
                continue
            yield Letter(bad.make(dice), bad.reason, bad.field)
            made += 1
        round_ += 1
