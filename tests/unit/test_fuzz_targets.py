"""What the search for breaking bytes starts from and has found; the search itself is `make fuzz`."""

import json
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import TARGETS, TOKENS, in_words, seeds, words

FOUND: Mapping[str, list[bytes]] = {name: [] for name in TARGETS}
"""Inputs that once broke a promise, by target."""


@pytest.mark.parametrize("target", TARGETS)
def test_what_was_found_is_mended(target: str) -> None:
    for data in (*seeds(target, [{"event_id": "e1", "kind": "view"}]), *FOUND[target], b"", b"\x00", b"\xff" * 50):
        TARGETS[target](data)


@given(st.sampled_from(sorted(TARGETS)), st.binary(max_size=300))
@settings(deadline=None, max_examples=300)
def test_any_bytes_keep_the_promises(target: str, data: bytes) -> None:
    TARGETS[target](data)


@given(st.lists(st.sampled_from(TOKENS), max_size=40))
@settings(deadline=None, max_examples=300)
def test_any_words_keep_the_promises(tokens: list[str]) -> None:
    data = in_words("".join(tokens))
    assert words(data) == "".join(tokens).encode()
    TARGETS["tracker-words"](b"\x00" + data)
    TARGETS["row-words"](data)


def test_a_seed_is_a_message_in_words() -> None:
    message: dict[str, object] = {"event_id": "e1", "kind": "view", "title": "Käse"}
    (seed,) = seeds("tracker-words", [message])
    assert json.loads(words(seed[1:])) == message


def test_a_broken_promise_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stream.trackers.native.check_characters", lambda fields: None)
    value = (
        b'{"event_id":"e","kind":"view","user_id":"u","item_id":"i","occurred_at":1700000000000,"order_id":"\\u0007"}'
    )
    with pytest.raises(AssertionError):
        TARGETS["tracker"](b"\x00" + value)
