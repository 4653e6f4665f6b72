"""The output contract, to the byte."""

import json

import msgspec
import pytest

from stream.recommendations import (
    LIST_IDS,
    CrossSellItem,
    ForYou,
    ForYouItem,
    NextVisit,
    Position,
    Reason,
    Recommendation,
    UpSellItem,
    decode,
    encode,
    mark_of,
    model_mark,
    recommendation_id,
    rfc3339,
)

RECOMMENDATION = Recommendation(
    user_id="u1",
    version=1_795_468_800_123,
    event_time=rfc3339(1_317_633_120_000),
    generated_at=rfc3339(1_795_468_800_100),
    position=Position("interestream.interactions.v1", 3, 123),
    model="decay/ab12cd",
    recommendation_id=recommendation_id("u1", 1_795_468_800_123, "decay/ab12cd"),
    cross_sell=(
        CrossSellItem(
            "84946",
            "Home > Candles",
            0.83,
            (Reason("BOUGHT_NEXT", 0.41, ("u1", "Home > Lanterns", "Home > Candles", "84946"), 312, 8.2),),
        ),
    ),
    up_sell=(
        UpSellItem("22423", "Home > Cakes", 0.61, 8.5, "22424", 4.95, (Reason("EMBEDDING", 0.2, ("u1", "22423")),)),
    ),
)


def test_the_published_record() -> None:
    published = json.loads(encode(RECOMMENDATION))
    assert published == {
        "schema": "recommendations/1",
        "user_id": "u1",
        "version": 1_795_468_800_123,
        "event_time": "2011-10-03T09:12:00.000Z",
        "generated_at": "2026-11-23T21:20:00.100Z",
        "position": {"topic": "interestream.interactions.v1", "partition": 3, "offset": 123},
        "model": "decay/ab12cd",
        "recommendation_id": recommendation_id("u1", 1_795_468_800_123, "decay/ab12cd"),
        "cross_sell": [
            {
                "item_id": "84946",
                "category": "Home > Candles",
                "score": 0.83,
                "because": [
                    {
                        "feature": "BOUGHT_NEXT",
                        "contribution": 0.41,
                        "path": ["u1", "Home > Lanterns", "Home > Candles", "84946"],
                        "users": 312,
                        "lift": 8.2,
                    }
                ],
            }
        ],
        "up_sell": [
            {
                "item_id": "22423",
                "category": "Home > Cakes",
                "score": 0.61,
                "price": 8.5,
                "anchor_item_id": "22424",
                "anchor_price": 4.95,
                "because": [{"feature": "EMBEDDING", "contribution": 0.2, "path": ["u1", "22423"]}],
            }
        ],
    }
    assert next(iter(published)) == "schema"


def test_a_record_of_before_rankers_had_versions_is_read_and_a_new_one_names_its_ranker() -> None:
    assert RECOMMENDATION.ranker is None
    named = msgspec.structs.replace(RECOMMENDATION, ranker="linear-0a1b2c3d")
    assert json.loads(encode(named)) == json.loads(encode(RECOMMENDATION)) | {"ranker": "linear-0a1b2c3d"}
    assert decode(encode(named)) == named


def test_what_is_published_can_be_read_back() -> None:
    assert decode(encode(RECOMMENDATION)) == RECOMMENDATION


def test_an_old_reader_skips_new_fields_and_refuses_a_new_schema() -> None:
    newer = json.loads(encode(RECOMMENDATION)) | {"mood": "cheerful"}
    assert decode(json.dumps(newer).encode()) == RECOMMENDATION
    other = newer | {"schema": "recommendations/2"}
    with pytest.raises(msgspec.ValidationError, match="schema"):
        decode(json.dumps(other).encode())


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (1_317_633_120_123, "2011-10-03T09:12:00.123Z"),
        (31_536_000_000, "1971-01-01T00:00:00.000Z"),
        (99_999_999_999_999, "5138-11-16T09:46:39.999Z"),
    ],
)
def test_times_have_milliseconds(at: int, text: str) -> None:
    assert rfc3339(at) == text


def test_a_publication_has_one_name() -> None:
    name = recommendation_id("u1", 1, "m1")
    assert name == recommendation_id("u1", 1, "m1")
    others = (("u1", 2, "m1"), ("u2", 1, "m1"), ("1/u1", 1, "m1"), ("u1", 1, "m2"))
    assert len({name, *(recommendation_id(*other) for other in others)}) == 5
    assert len(name) == 32
    assert int(name, 16)
    assert recommendation_id("u1", 1_795_468_800_123, "decay/ab12cd") == "265b5f8bbddf81bc4dd2f03e3e9b92da"


def test_a_publication_ends_with_the_mark_of_its_model() -> None:
    names = [recommendation_id(user_id, version, "gru/1") for user_id in ("u1", "u2") for version in (1, 2)]
    assert {mark_of(name) for name in names} == {model_mark("gru/1")}
    assert model_mark("gru/1") != model_mark("gru/2")
    assert len(model_mark("gru/1")) == 8


def test_lists_for_the_next_visit_are_written_where_there_are_any() -> None:
    assert "next_visit" not in json.loads(encode(RECOMMENDATION))
    visit = NextVisit(RECOMMENDATION.cross_sell[:0], RECOMMENDATION.up_sell, "fixed-12345678")
    both = msgspec.structs.replace(RECOMMENDATION, next_visit=visit)
    written = json.loads(encode(both))
    assert written["next_visit"] == {"cross_sell": [], "up_sell": written["up_sell"], "ranker": "fixed-12345678"}
    assert decode(encode(both)) == both


def test_every_list_has_a_name_of_its_own() -> None:
    assert tuple(RECOMMENDATION.lists()) == LIST_IDS[:2]
    visit = NextVisit(RECOMMENDATION.cross_sell[:0], RECOMMENDATION.up_sell, "r")
    mine = ForYou((ForYouItem("i9", None, 1.5, ()),), "for-you-1")
    every = msgspec.structs.replace(RECOMMENDATION, next_visit=visit, for_you=mine)
    named = every.lists()
    assert tuple(named) == LIST_IDS
    assert [every.ranker_of(name) for name in LIST_IDS] == [every.ranker, every.ranker, "r", "r", "for-you-1"]
    assert decode(encode(every)) == every
    assert "for_you" not in json.loads(encode(RECOMMENDATION))
    assert named["next_visit_up_sell"] is visit.up_sell
    assert named["cross_sell"] is RECOMMENDATION.cross_sell
