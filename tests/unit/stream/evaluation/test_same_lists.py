"""One interaction at a time and all at once give the same numbers and the same lists."""

import random

import numpy as np
import pytest

from stream.evaluation.interactions import Catalogue, Knowledge, Log
from stream.evaluation.pairs import PairCounter, PairCounts
from stream.evaluation.protocols.last_step import last_step_splits
from stream.evaluation.ranker.features import FeatureBuilder
from stream.evaluation.ranker.model import fit_ranker
from stream.evaluation.ranker.tuning import tune
from tests.unit.stream.evaluation.small_shops import catalogue_of, log_of


def walks(seed: int, users: int = 120, items: int = 40) -> tuple[Log, Catalogue]:
    random_ = random.Random(seed)
    sequences = []
    for _ in range(users):
        place = random_.randrange(items)
        sequence = []
        for _ in range(random_.randint(2, 15)):
            sequence.append(place)
            place = (place + random_.choice([1, 1, 1, 2, 7])) % items
        sequences.append(sequence)
    return log_of(*sequences), catalogue_of(*(f"i{code}" for code in range(items)))


def streamed(log: Log, n_items: int, seed: int) -> PairCounts:
    """Learn one interaction at a time: each user's in order, the users mixed at random."""
    random_ = random.Random(seed)
    waiting = {user: list(range(log.offsets[user], log.offsets[user + 1])) for user in range(log.n_users)}
    counter = PairCounter(n_items)
    while waiting:
        user = random_.choice(list(waiting))
        place = waiting[user].pop(0)
        counter.learn(user, int(log.items[place]))
        if not waiting[user]:
            del waiting[user]
    return counter.counts()


@pytest.mark.parametrize("seed", range(3))
def test_counts_of_a_stream_equal_counts_of_a_log(seed: int) -> None:
    log, catalogue = walks(seed)
    whole, one_by_one = PairCounts.of(log, len(catalogue)), streamed(log, len(catalogue), seed)
    for expected, found in zip(whole.buckets, one_by_one.buckets, strict=True):
        assert (expected != found).nnz == 0


def test_lists_from_a_stream_equal_lists_from_a_log() -> None:
    log, catalogue = walks(7)
    test, *earlier = list(last_step_splits(log, catalogue))[:3]
    ranker = fit_ranker(earlier, tune(earlier[0], 0), 0)
    batch = FeatureBuilder(test.knowledge, ranker.recipe)
    stream = FeatureBuilder(test.knowledge, ranker.recipe, streamed(test.knowledge.log, len(catalogue), 1))
    together = ranker.rank(batch, test.cases, test.candidates).lists
    for case in range(0, len(test.cases), 9):
        alone = ranker.rank(stream, test.cases.select(np.array([case])), test.candidates).lists
        assert alone.keys() == together.keys()
        for name, lists in alone.items():
            assert lists[0].tolist() == together[name][case].tolist(), name


def test_another_item_would_have_been_counted() -> None:
    log, catalogue = walks(0)
    other = Log(**{**vars(log), "items": np.roll(log.items, 1)})
    found = [PairCounts.of(part, len(catalogue)).buckets[0] for part in (log, other)]
    assert (found[0] != found[1]).nnz > 0
    assert Knowledge(log, catalogue, 0).counts.sum() == len(log)
