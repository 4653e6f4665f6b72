"""The lists of a worker are those of the evaluation, hold what is on offer, and their reasons are true."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from graph.model import ItemRow
from graph.ranking.items import ItemIndex
from stream.evaluation.cases import cases_from_log
from stream.evaluation.ranker.features import FeatureBuilder
from stream.for_you.history import History, history_of
from stream.for_you.lists import ForYou
from stream.for_you.model import ForYouModel
from stream.ranker_file import RankerFileError
from tests.unit.stream.for_you.learned import learned_of, users_of

OCCASIONS = ("next-step", "next-visit")


def offered(model: ForYouModel, *but: str) -> ItemIndex:
    items = ItemIndex()
    for item_id in model.knowledge.catalogue.item_ids:
        items.upsert(ItemRow(item_id, available=item_id not in but))
    return items


def histories_of(folder: Path, occasion: str) -> list[History]:
    shop, interactions, _ = learned_of(folder, occasion)
    users = users_of(interactions)
    return [history_of(users[name]) for name in shop.users]


@pytest.mark.parametrize("occasion", OCCASIONS)
def test_one_event_at_a_time_and_the_evaluation_give_the_same_lists(folder: Path, occasion: str) -> None:
    shop, _, learned = learned_of(folder, occasion)
    model = learned.model
    ends = shop.log.offsets[1:]
    cases = cases_from_log(shop.log, np.arange(len(shop.users)), ends, ends)
    builder = FeatureBuilder(model.knowledge, model.ranker.recipe)
    batch = model.ranker.rank(builder, cases, model.candidates).lists["ranker"][:, :10]
    serving = ForYou(model, "v", 10, 0)
    histories = histories_of(folder, occasion)
    lists = serving.lists(histories, serving.gone(offered(model)))
    for places, codes in zip(lists, batch, strict=True):
        assert [place.item_id for place in places] == [shop.catalogue.item_ids[code] for code in codes if code >= 0]
        assert [place.score for place in places] == sorted((place.score for place in places), reverse=True)
    alone = [serving.lists([history], serving.gone(offered(model)))[0] for history in histories[:20]]
    assert alone == lists[:20]
    assert len({tuple(place.item_id for place in places) for places in lists}) > len(lists) / 2


def test_what_is_not_on_offer_is_not_listed(folder: Path) -> None:
    _, _, learned = learned_of(folder, "next-step")
    serving, history = ForYou(learned.model, "v", 10, 0), histories_of(folder, "next-step")[0]
    items = offered(learned.model)
    (before,) = serving.lists([history], serving.gone(items))
    items.remove(before[0].item_id)
    items.upsert(ItemRow(before[1].item_id, available=False))
    (after,) = serving.lists([history], serving.gone(items))
    assert not {place.item_id for place in before[:2]} & {place.item_id for place in after}
    assert after[0].item_id == before[2].item_id
    assert len(after) == 10
    (nothing,) = serving.lists([history], ForYou(learned.model, "v", 10, 0).gone(ItemIndex()))
    assert nothing == ()


def test_without_a_reason_the_item_scores_less_by_what_it_says(folder: Path) -> None:
    _, _, learned = learned_of(folder, "next-step")
    serving = ForYou(learned.model, "v", 10, 3)
    gone = serving.gone(offered(learned.model))
    plain = ForYou(learned.model, "v", 60, 0)
    told = 0
    for history in histories_of(folder, "next-step")[:15]:
        (places,) = serving.lists([history], gone)
        for place in places:
            assert [hold.fall for hold in place.because] == sorted((h.fall for h in place.because), reverse=True)
            for hold in place.because:
                assert hold.item_id in history.latest(3)
                (without,) = plain.lists([history.without(hold.item_id)], gone)
                score = {other.item_id: other.score for other in without}[place.item_id]
                assert place.score - score == pytest.approx(hold.fall, abs=2e-6)
                told += 1
    assert told > 100


def test_an_unknown_user_without_a_past_gets_what_is_popular(folder: Path) -> None:
    _, _, learned = learned_of(folder, "next-step")
    serving = ForYou(learned.model, "v", 10, 3)
    (places,) = serving.lists([History("nobody", (), ())], serving.gone(offered(learned.model)))
    assert len(places) == 10
    assert all(place.because == () for place in places)


def test_a_model_of_other_features_is_refused_before_it_is_asked(folder: Path) -> None:
    _, _, learned = learned_of(folder, "next-step")
    ranker = learned.model.ranker
    for names, said in (
        (("log of nothing", *ranker.names[1:]), "log of nothing"),
        (ranker.names[::-1], "in another order"),
    ):
        other = replace(learned.model, ranker=replace(ranker, names=names))
        with pytest.raises(RankerFileError, match=f"{said}.*train again"):
            ForYou(other, "v", 10, 0)


def test_the_size_is_that_of_the_settings(folder: Path) -> None:
    _, _, learned = learned_of(folder, "next-step")
    serving = ForYou(replace(learned.model), "v", 4, 0)
    (places,) = serving.lists([histories_of(folder, "next-step")[0]], serving.gone(offered(learned.model)))
    assert len(places) == 4
