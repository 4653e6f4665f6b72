"""A toy shop of four categories and twelve items, with answers worked out by hand."""

import math
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from graph.model import Family, ItemRow, Kind, Level, Successor, SuccessorRecord
from graph.ranking.associations import AssociationIndex
from graph.ranking.items import ItemIndex
from graph.ranking.lists import Reason, UserLists
from graph.ranking.profile import HistoryItem, UserProfile
from graph.ranking.ranker import Ranker
from graph.ranking.settings import RankingSettings
from graph.settings import AssociationSettings, ListSettings
from tests.unit.graph.ranking_shops import DAY_MS, DIMENSIONS, NOW, ToyShop, interest

CAMERAS, CARDS, TRIPODS, MUGS = "Photo > Cameras", "Photo > Cards", "Photo > Tripods", "Kitchen > Mugs"

ROWS = [
    ItemRow("camera-1", category=CAMERAS, price=200.0, currency="EUR", quality=0.6),
    ItemRow("camera-2", category=CAMERAS, price=300.0, currency="EUR", quality=0.6),
    ItemRow("camera-3", category=CAMERAS, price=450.0, currency="EUR"),
    ItemRow("camera-4", category=CAMERAS, price=900.0, currency="EUR", quality=0.9),
    ItemRow("camera-5", category=CAMERAS, price=320.0, currency="EUR", quality=0.1),
    ItemRow("camera-6", category=CAMERAS, price=320.0, currency="USD", quality=0.9),
    ItemRow("card-1", category=CARDS, price=20.0, currency="EUR"),
    ItemRow("card-2", category=CARDS, price=30.0, currency="EUR"),
    ItemRow("tripod-1", category=TRIPODS, price=80.0, currency="EUR"),
    ItemRow("tripod-2", category=TRIPODS, price=99.0, currency="EUR", available=False),
    ItemRow("mug-1", category=MUGS, price=8.0, currency="EUR"),
    ItemRow("mug-2", category=MUGS, price=9.0, currency="EUR"),
]


def successors(*rows: tuple[str, float, int]) -> tuple[Successor, ...]:
    return tuple(Successor(target, weight, users, users) for target, weight, users in sorted(rows))


RECORDS = [
    SuccessorRecord(
        Level.CATEGORY,
        CAMERAS,
        NOW,
        viewed=successors((TRIPODS, 60.0, 40), (MUGS, 5.0, 1)),
        bought=successors((CARDS, 40.0, 30), (MUGS, 2.0, 1)),
    ),
    SuccessorRecord(
        Level.CATEGORY,
        MUGS,
        NOW,
        viewed=successors((CAMERAS, 50.0, 40), (TRIPODS, 5.0, 5)),
        bought=successors((TRIPODS, 30.0, 25), (CARDS, 3.0, 3)),
    ),
    SuccessorRecord(
        Level.ITEM,
        "camera-1",
        NOW,
        viewed=successors(("camera-2", 25.0, 20), ("camera-3", 5.0, 4), ("tripod-1", 6.0, 6)),
        bought=successors(("card-2", 12.0, 12)),
    ),
]


def user(user_id: str, *viewed: str, bought: dict[str, int] | None = None, **interests: float) -> UserProfile:
    paths = {"cameras": CAMERAS, "cards": CARDS, "tripods": TRIPODS, "mugs": MUGS}
    history = [HistoryItem(item, Kind.VIEW, NOW - (len(viewed) - place)) for place, item in enumerate(viewed)]
    found = sorted((interest(paths[name], weight) for name, weight in interests.items()), key=lambda i: -i.rank_key)
    return UserProfile(user_id, NOW, found, history, bought or {}, {})


ANN = user("ann", "mug-1", "camera-1", cameras=5.0)
BOB = replace(ANN, user_id="bob", owned={"card-2": NOW - 29 * DAY_MS})
EVE = replace(ANN, user_id="eve", owned={"card-2": NOW - 31 * DAY_MS})
COLD = user("cold")


ROUND = ListSettings(
    category_feature=1.0,
    transition_feature=0.7,
    up_sell_transition_feature=0.7,
    embedding_feature=0.5,
    up_sell_embedding_feature=0.5,
    words_feature=0.0,
    popularity_feature=0.1,
    saturation=0.5,
)
QUARTER = RankingSettings(target_exponent=0.25)


def stepped(strength: float) -> float:
    """Return what transitions of this strength contribute."""
    return round(0.7 * strength / (strength + 1.0), 6)


"""What answers are easily worked out with; what is shipped may change with what is measured."""


def toy_shop(*profiles: UserProfile, settings: ListSettings | None = None) -> ToyShop:
    nothing = np.zeros(DIMENSIONS, dtype=np.float32)
    return ToyShop(
        rows=ROWS,
        records=RECORDS,
        profiles=profiles,
        vectors={row.item_id: nothing for row in ROWS},
        embeddings={profile.user_id: nothing for profile in profiles},
        ranking=QUARTER,
        settings=settings or ROUND.model_copy(update={"diversity": 0.0}),
    )


def ranked(profile: UserProfile, settings: ListSettings | None = None) -> UserLists:
    return toy_shop(profile, settings=settings).rank()[0]


def because(lists: UserLists, item_id: str) -> dict[str, Reason]:
    (entry,) = [entry for entry in lists.cross_sell if entry.item_id == item_id]
    return {reason.feature: reason for reason in entry.because}


def test_a_camera_leads_to_its_cards_then_to_tripods_then_to_what_is_popular() -> None:
    assert [entry.item_id for entry in ranked(ANN).cross_sell] == ["card-2", "card-1", "tripod-1", "mug-1", "mug-2"]


def test_the_card_is_there_because_cameras_lead_to_cards_and_this_camera_to_it() -> None:
    reasons = because(ranked(ANN), "card-2")
    lift = (40 / 42) * 75 / 43
    assert reasons["BOUGHT_NEXT"].lift == pytest.approx(lift, rel=1e-12)
    path = ("ann", CAMERAS, CARDS, "card-2")
    assert reasons["BOUGHT_NEXT"] == Reason("BOUGHT_NEXT", 1.0, path, 30, reasons["BOUGHT_NEXT"].lift)
    strength = 12 / math.sqrt(1 + 12) / (1 + 12) ** 0.25
    assert reasons["ITEM_BOUGHT_NEXT"] == Reason(
        "ITEM_BOUGHT_NEXT", stepped(strength), ("ann", "camera-1", "card-2"), 12
    )
    popularity = 0.1 * math.log(1 + 12) / math.log(1 + 25 + 5 + 6 + 12)
    assert reasons["POPULAR"] == Reason("POPULAR", round(popularity, 6), ("ann", "card-2"))
    assert "EMBEDDING" not in reasons


def test_views_count_half_of_what_their_measures_say() -> None:
    def strength(pair: float, source: float, target: float, total: float) -> float:
        return pair / source * math.log(pair * total / (source * target)) / -math.log(pair / total)

    bought = strength(40, 42, 43, 75)
    viewed = 0.5 * strength(60, 65, 65, 120)
    reason = because(ranked(ANN), "tripod-1")["VIEWED_NEXT"]
    assert reason.contribution == pytest.approx(viewed / bought, abs=1e-6)
    assert reason.path == ("ann", CAMERAS, TRIPODS, "tripod-1")
    assert reason.users == 40


def test_purchases_weigh_more_than_views_between_items_too() -> None:
    reason = because(ranked(ANN), "tripod-1")["ITEM_VIEWED_NEXT"]
    # weight / sqrt(1 + leaving) / (1 + reaching) ** 0.25, views halved
    assert reason.contribution == stepped(0.5 * 6 / math.sqrt(1 + 36) / (1 + 6) ** 0.25)


def test_the_users_own_categories_are_not_cross_sold_for_popularity() -> None:
    both = user("both", "camera-1", cameras=5.0, mugs=5.0, cards=1.0)
    listed = {entry.item_id: entry for entry in ranked(both).cross_sell}
    # mugs lead to cameras by views; nothing but popularity speaks for mugs, so they are out
    assert {item_id.split("-")[0] for item_id in listed} == {"card", "tripod", "camera"}
    assert because(ranked(both), "camera-4")["VIEWED_NEXT"].path == ("both", MUGS, CAMERAS, "camera-4")


def test_a_recent_purchase_is_left_out_and_its_category_demoted() -> None:
    assert "card-2" not in {entry.item_id for entry in ranked(BOB).cross_sell}
    assert because(ranked(BOB), "card-1")["BOUGHT_NEXT"].contribution == 0.5
    assert (
        because(ranked(BOB, ROUND.model_copy(update={"saturation": 0.0})), "card-1")["BOUGHT_NEXT"].contribution == 0.0
    )


def test_an_old_purchase_is_no_reason_to_leave_it_out() -> None:
    assert ranked(EVE).cross_sell[0].item_id == "card-2"
    assert because(ranked(EVE), "card-1")["BOUGHT_NEXT"].contribution == 1.0


def test_few_users_make_no_association() -> None:
    """One user's purchases and views lead from cameras to mugs."""
    assert because(ranked(ANN), "mug-1").keys() == {"POPULAR"}


def test_up_sell_is_what_people_moved_on_to_within_the_band() -> None:
    """camera-4 is too dear, camera-5 worse, camera-6 in another currency; of mug-1, mug-2 is dearer."""
    entries = ranked(ANN).up_sell
    assert [entry.item_id for entry in entries] == ["camera-2", "camera-3", "mug-2"]
    assert (entries[0].price, entries[0].anchor_item_id, entries[0].anchor_price) == (300.0, "camera-1", 200.0)
    moved = entries[0].because[0]
    step = stepped(25 / math.sqrt(1 + 36) / (1 + 25) ** 0.25)
    assert moved == Reason("VIEWED_NEXT", step, ("ann", "camera-1", "camera-2"), 20)
    middle, half = math.log(1.05 * 2.5) / 2, math.log(2.5 / 1.05) / 2
    gain = 1 - abs(math.log(1.5) - middle) / half
    assert entries[0].because[1] == Reason("PRICE", round(0.2 * gain, 6), ("ann", "camera-1", "camera-2"))
    assert entries[0].score == pytest.approx(step + round(0.2 * gain, 6), abs=1e-9)


def test_where_there_are_no_views_up_sell_is_what_was_bought_next() -> None:
    shop = toy_shop(user("ann", "mug-1", "camera-1", cameras=5.0))
    bought = successors(("camera-2", 3.0, 3), ("camera-3", 12.0, 11))
    shop.records = [SuccessorRecord(Level.ITEM, "camera-1", NOW, viewed=(), bought=bought)]
    entries = shop.rank()[0].up_sell
    assert [entry.item_id for entry in entries] == ["camera-3", "camera-2", "mug-2"]
    step = stepped(0.5 * 12 / math.sqrt(1 + 15) / (1 + 12) ** 0.25)
    assert entries[0].because[0] == Reason("ITEM_BOUGHT_NEXT", step, ("ann", "camera-1", "camera-3"), 11)


@pytest.mark.parametrize(("viewed", "named"), [(20.0, "VIEWED_NEXT"), (4.0, "ITEM_BOUGHT_NEXT")])
def test_up_sell_adds_both_families_and_names_the_stronger(viewed: float, named: str) -> None:
    shop = toy_shop(user("ann", "camera-1", cameras=5.0))
    of_views, of_purchases = (
        successors(("camera-2", viewed, 8), ("camera-3", 90.0, 9)),
        successors(("camera-2", 9.0, 5)),
    )
    shop.records = [SuccessorRecord(Level.ITEM, "camera-1", NOW, viewed=of_views, bought=of_purchases)]
    entries = {entry.item_id: entry.because[0] for entry in shop.rank()[0].up_sell}

    def strength(weight: float, out: float) -> float:
        return weight / math.sqrt(1 + out) / math.sqrt(math.sqrt(1 + weight))

    both = strength(viewed, viewed + 90.0) + 0.5 * strength(9.0, 9.0)
    assert entries["camera-3"].contribution == stepped(strength(90.0, viewed + 90.0))
    assert entries["camera-2"].contribution == stepped(both)
    assert (entries["camera-2"].feature, entries["camera-2"].users) == (named, 8 if named == "VIEWED_NEXT" else 5)


def test_a_candidate_of_two_anchors_keeps_its_best() -> None:
    """It is moderately dearer than camera-2, and there because of what people moved on to from camera-1."""
    two = user("two", "camera-1", "camera-2", cameras=5.0)
    entry = next(entry for entry in ranked(two).up_sell if entry.item_id == "camera-3")
    assert entry.anchor_item_id == "camera-2"
    assert {reason.feature: reason.path[1] for reason in entry.because} == {
        "VIEWED_NEXT": "camera-1",
        "PRICE": "camera-2",
    }


@pytest.mark.parametrize(("price", "path"), [(190.0, ("two", "camera-1", "camera-3")), (200.0, ("two", "camera-3"))])
def test_a_step_up_in_price_names_no_anchor_where_another_would_do_as_well(price: float, path: tuple[str, ...]) -> None:
    """Both cameras are within reach of camera-3's price; camera-1 costs 200."""
    shop = toy_shop(user("two", "camera-5", "camera-1", cameras=5.0))
    shop.ranking = RankingSettings(history_decay=1.0)
    shop.rows = [row if row.item_id != "camera-5" else msgspec.structs.replace(row, price=price) for row in ROWS]
    shop.records = []
    (entry,) = (entry for entry in shop.rank()[0].up_sell if entry.item_id == "camera-3")
    assert entry.anchor_item_id == "camera-1"
    assert (entry.because[-1].feature, entry.because[-1].path) == ("PRICE", path)


def test_up_sell_adds_the_steps_of_the_whole_history() -> None:
    """Of two cameras within the band, the one that the mug leads to as well is the better one."""
    shop = toy_shop(user("ann", "mug-1", "camera-1", cameras=5.0))
    shop.records = [
        SuccessorRecord(
            Level.ITEM, "camera-1", NOW, viewed=(), bought=successors(("camera-2", 5.0, 5), ("camera-3", 5.0, 5))
        ),
        SuccessorRecord(Level.ITEM, "mug-1", NOW, viewed=(), bought=successors(("camera-3", 30.0, 4))),
    ]
    first, second, *_ = shop.rank()[0].up_sell
    assert (first.item_id, second.item_id) == ("camera-3", "camera-2")
    from_camera = 5.0 / math.sqrt(1 + 10) / (1 + 35) ** 0.25, 5.0 / math.sqrt(1 + 10) / (1 + 5) ** 0.25
    from_mug = 0.7 * 30.0 / math.sqrt(1 + 30) / (1 + 35) ** 0.25
    scale = RankingSettings().bought_factor
    assert first.because[0].contribution == stepped(scale * (from_camera[0] + from_mug))
    assert second.because[0].contribution == stepped(scale * from_camera[1])
    assert first.because[0].path[1] == ("camera-1" if from_camera[0] > from_mug else "mug-1")


def test_of_two_anchors_alike_the_latest_is_named() -> None:
    shop = toy_shop(user("two", "camera-5", "camera-2"))
    shop.ranking = RankingSettings(history_decay=1.0)
    shop.rows = [row if row.item_id != "camera-5" else msgspec.structs.replace(row, price=300.0) for row in ROWS]
    (entry,) = shop.rank()[0].up_sell
    assert (entry.item_id, entry.anchor_item_id) == ("camera-3", "camera-2")


def test_of_two_categories_alike_the_first_by_path_is_followed() -> None:
    shop = toy_shop(user("ann", "camera-1", cameras=5.0, cards=1.0, tripods=1.0))
    shop.ranking = RankingSettings(target_categories=1)
    alike = successors((CARDS, 40.0, 30), (TRIPODS, 40.0, 30))
    others = successors((MUGS, 100.0, 30))
    shop.records = [
        SuccessorRecord(Level.CATEGORY, CAMERAS, NOW, bought=alike),
        SuccessorRecord(Level.CATEGORY, MUGS, NOW, bought=successors((CAMERAS, 100.0, 30))),
        SuccessorRecord(Level.CATEGORY, CARDS, NOW, viewed=others),
    ]
    for rows in (ROWS, ROWS[::-1]):
        followed = {entry.category for entry in shop.rank(rows=rows)[0].cross_sell if entry.because[0].lift}
        assert followed == {CARDS}


def test_a_cold_user_gets_what_is_popular() -> None:
    lists = ranked(COLD)
    assert [entry.item_id for entry in lists.cross_sell][:5] == [
        "camera-1",
        "camera-2",
        "card-2",
        "tripod-1",
        "camera-3",
    ]
    assert all(reason.feature == "POPULAR" for entry in lists.cross_sell for reason in entry.because)
    assert lists.up_sell == ()


def test_the_event_gives_price_and_category_where_the_catalogue_is_silent() -> None:
    stranger = replace(
        COLD,
        history=[HistoryItem("camera-x", Kind.VIEW, NOW, price=150.0, currency="EUR")],
        hints={"camera-x": CAMERAS},
    )
    lists = ranked(stranger)
    assert [(entry.item_id, entry.anchor_price) for entry in lists.up_sell] == [
        ("camera-1", 150.0),
        ("camera-2", 150.0),
        ("camera-5", 150.0),
    ]
    assert CAMERAS not in {entry.category for entry in lists.cross_sell}


def near(shop: ToyShop, *item_ids: str) -> None:
    """Point the only user's embedding and the vectors of some items the same way."""
    direction = np.eye(DIMENSIONS, dtype=np.float32)[0]
    shop.vectors = {**shop.vectors, **dict.fromkeys(item_ids, direction)}
    shop.embeddings = {shop.profiles[0].user_id: direction}


def test_meaning_brings_in_what_nobody_did_yet() -> None:
    shop = toy_shop(COLD, settings=ROUND.model_copy(update={"size": 1}))
    shop.ranking = RankingSettings(popular_items=1)
    assert [entry.item_id for entry in shop.rank()[0].cross_sell] == ["camera-1"]
    near(shop, "mug-2")
    (entry,) = shop.rank()[0].cross_sell
    assert entry.because == (Reason("EMBEDDING", 0.5, ("cold", "mug-2")),)


def test_meaning_brings_dearer_items_in_too() -> None:
    looking = replace(
        COLD, history=[HistoryItem("camera-x", Kind.VIEW, NOW, 150.0, "EUR")], hints={"camera-x": CAMERAS}
    )
    shop = toy_shop(looking)
    shop.ranking = RankingSettings(band_items=1, items_per_category=1)
    before = {entry.item_id for entry in shop.rank()[0].up_sell}
    assert "camera-5" not in before
    near(shop, "camera-5")
    assert {entry.item_id for entry in shop.rank()[0].up_sell} == before | {"camera-5"}
    assert shop.rank()[0].up_sell[0].because[0] == Reason("EMBEDDING", 0.5, ("cold", "camera-5"))


def test_an_up_sell_of_a_category_bought_in_is_demoted() -> None:
    owner = replace(ANN, owned={"camera-4": NOW})
    entries = {entry.item_id: entry for entry in ranked(owner).up_sell}
    as_before = next(e for e in ranked(ANN).up_sell if e.item_id == "camera-2")
    assert entries["camera-2"].because[0].contribution == pytest.approx(as_before.because[0].contribution / 2, abs=1e-6)
    assert entries["mug-2"].score == next(e.score for e in ranked(ANN).up_sell if e.item_id == "mug-2")


def test_who_owns_all_that_is_popular_gets_what_is_less_so() -> None:
    mugs = [f"mug-{number:02}" for number in range(12)]
    shop = toy_shop(user("ann", "card-1", cards=1.0, bought=dict.fromkeys(mugs[:5], NOW)))
    shop.settings = ListSettings(size=3)
    shop.records = []
    shop.rows = [ItemRow("card-1", category=CARDS), *(ItemRow(mug, category=MUGS) for mug in mugs)]
    shop.vectors = dict.fromkeys(["card-1", *mugs], np.zeros(DIMENSIONS, dtype=np.float32))
    assert [entry.item_id for entry in shop.rank()[0].cross_sell] == mugs[5:8]


def test_two_categories_are_enough_for_a_list() -> None:
    shop = toy_shop(user("ann", "card-1", cards=1.0, tripods=1.0))
    shop.rows = [row for row in ROWS if row.category in {CARDS, TRIPODS}]
    shop.records = []
    assert [entry.item_id for entry in shop.rank()[0].cross_sell] == ["card-1", "card-2", "tripod-1"]


def test_items_without_a_category_are_the_last_resort() -> None:
    shop = toy_shop(COLD)
    shop.rows = [ItemRow("plain"), ItemRow("mug-1", category=MUGS)]
    shop.vectors = {**shop.vectors, "plain": np.zeros(DIMENSIONS, dtype=np.float32)}
    assert [entry.item_id for entry in shop.rank()[0].cross_sell] == ["mug-1"]
    shop.rows = [ItemRow("plain")]
    assert [(entry.item_id, entry.category) for entry in shop.rank()[0].cross_sell] == [("plain", None)]


def test_a_category_without_listed_items_takes_no_share() -> None:
    """Once the cards are gone, tripods are the strongest that cameras lead to."""
    shop = toy_shop(ANN)
    shop.rows = [row if row.category != CARDS else msgspec.structs.replace(row, available=False) for row in ROWS]
    assert because(shop.rank()[0], "tripod-1")["VIEWED_NEXT"].contribution == 1.0


def test_an_empty_shop_has_empty_lists() -> None:
    shop = toy_shop(ANN)
    shop.rows, shop.records = [], []
    assert shop.rank() == [UserLists("ann", (), ())]
    assert shop.rank([]) == []


def test_the_lists_published_are_those_of_their_statistics() -> None:
    statistics = toy_shop().associations().statistics(Level.CATEGORY, Family.BOUGHT_NEXT, CAMERAS, CARDS)
    assert statistics is not None
    reason = because(ranked(ANN), "card-1")["BOUGHT_NEXT"]
    assert (reason.users, reason.lift) == (statistics.users, statistics.lift)


def test_arrays_that_do_not_fit_are_refused() -> None:
    items, associations = ItemIndex(), AssociationIndex(AssociationSettings())
    items.upsert(ROWS[0])
    ranker = Ranker(items, associations, ListSettings())
    one, nearest = np.zeros((1, DIMENSIONS), dtype=np.float32), np.zeros((1, 3), dtype=np.int64)
    with pytest.raises(ValueError, match="1 profiles, 1 embeddings, 0 rows"):
        ranker.rank([ANN], one, one, nearest[:0])
    with pytest.raises(ValueError, match="0 vectors for 1 items"):
        ranker.rank([ANN], one, one[:0], nearest)
