"""Every class of the catalogue of bad input, in as many shapes as hypothesis likes: one reason, one field."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.settings import TrackerSettings
from stream.trackers import Rejected, Stage, decode
from tests.bad_input import BAD, NOW, ODD, Bad, Odd, letters
from tests.fuzz.promises import check_decoded, check_rejected

seeds = st.integers(0, 2**32)


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
@given(seed=seeds)
@settings(max_examples=25, deadline=None)
def test_bad_input_has_one_reason_and_one_field(bad: Bad, seed: int) -> None:
    value = bad.make(random.Random(seed))
    with pytest.raises(Rejected) as caught:
        decode(value, record_at=NOW, now=NOW, settings=TrackerSettings())
    rejected = caught.value
    assert (rejected.stage, rejected.reason, rejected.field) == (Stage.DECODE, bad.reason, bad.field)
    check_rejected(rejected, b"k", value)


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: odd.name)
@given(seed=seeds)
@settings(max_examples=25, deadline=None)
def test_odd_input_is_no_fault(odd: Odd, seed: int) -> None:
    decoded = decode(odd.make(random.Random(seed)), record_at=NOW, now=NOW, settings=TrackerSettings())
    check_decoded(decoded)
    counts = {"applied": len(decoded.interactions), "ignored": decoded.ignored, "filtered": decoded.filtered}
    assert {name for name, count in counts.items() if count} == {odd.disposition}


def test_the_catalogue_reaches_every_reason_of_the_decoder() -> None:
    # too_large is here; the others belong to stages behind the decoder
    assert {bad.reason for bad in BAD} == {
        *("null_value", "empty_value", "too_large", "not_utf8", "not_json", "bad_unicode", "bad_number", "too_deep"),
        *("not_object", "missing_field", "wrong_type", "too_short", "too_long", "bad_character", "out_of_range"),
        *("bad_currency", "bad_timestamp", "bad_timestamp_unit", "in_the_future"),
    }


def test_as_many_letters_as_asked_for_and_few_large_ones() -> None:
    made = list(letters(seed=1, count=2_000))
    assert len(made) == 2_000
    assert {(letter.reason, letter.field) for letter in made} == {(bad.reason, bad.field) for bad in BAD}
    assert sum(len(letter.value or b"") for letter in made) < 40_000_000
