"""Micro-topics: made the same from the same items in any order, with names that outlive a grown catalogue."""

import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from encoders.base import EncoderError, FloatArray
from encoders.card import card_path
from encoders.centroids import CentroidsCard, save_centroids
from encoders.factory import load_micro_topics
from encoders.hashing import HashingTextEncoder
from encoders.micro_topics import MicroTopics
from encoders.settings import EncoderSettings, TextEncoderName
from encoders.training.clusters import FormerCentroids, TrainedCentroids
from encoders.training.micro_topics import default_clusters, train_micro_topics
from encoders.training.names import telling_words
from stream.demo.sample import load_sample

ENCODER = HashingTextEncoder()
ENCODE = ENCODER.encode
THINGS = ["coffee mug", "garden lantern", "bead necklace", "wall clock", "hot water bottle"]
LOOKS = ["red", "SET OF 3 BLUE", "vintage", "small pink", "large white", "retrospot"]
TITLES = [f"{look} {thing}" for thing in THINGS for look in LOOKS]
SAMPLE = [item.title for item in load_sample().items.values()]


def by_thing(titles: Sequence[str]) -> FloatArray:
    """Encode what a title is about, and not how that looks."""
    return np.array([[float(thing in title) for thing in THINGS] for title in titles], np.float32)


def train(titles: list[str], clusters: int | None = None, former: TrainedCentroids | None = None) -> TrainedCentroids:
    grown = None if former is None else FormerCentroids(former.names, former.centroids)
    return train_micro_topics(titles, titles, ENCODE, clusters, 0, grown)


def save(path: Path, made: TrainedCentroids, text_model: str = ENCODER.model) -> Path:
    card = CentroidsCard(
        format=MicroTopics.format, text_model=text_model, text_dimensions=ENCODER.dimensions, names=made.names
    )
    save_centroids(path, made.centroids, card)
    return path


def name_of(made: TrainedCentroids, titles: list[str]) -> list[str]:
    return MicroTopics(ENCODER.model, made.names, made.centroids).assign(ENCODE(titles))


def test_clusters_are_named_by_what_tells_them_apart() -> None:
    made = train_micro_topics(TITLES, TITLES, by_thing, 5, 0)
    assert sorted(made.names) == ["Bead Necklace", "Coffee Mug", "Garden Lantern", "Hot Water Bottle", "Wall Clock"]
    assert made.sizes == [6] * 5
    assert made.metrics["named"] == 1
    assert "kept" not in made.metrics
    assert made.names[int((by_thing(["green coffee mug"]) @ made.centroids.T).argmax())] == "Coffee Mug"


def test_looks_name_too_and_counts_do_not() -> None:
    assert telling_words("SET OF 6 RED RETROSPOT MUGS") == ["red", "retrospot", "mugs"]
    assert telling_words("SET OF SMALL") == ["set", "of", "small"]


def test_a_larger_catalogue_gets_more_and_larger_topics() -> None:
    counts = [default_clusters(items) for items in (2, 50, 400, 1_790, 10_000, 100_000, 10_000_000)]
    assert counts == [2, 10, 80, 169, 400, 1265, 4096]
    assert len(train(SAMPLE).names) == default_clusters(len(set(SAMPLE))) == 169


def test_two_runs_over_shuffled_and_repeated_rows_give_the_same_file(tmp_path: Path) -> None:
    """A catalogue file is in no order, and may say an item twice."""
    shuffled = [*SAMPLE, *SAMPLE[:100]]
    random.Random(1).shuffle(shuffled)
    first, second = save(tmp_path / "a.safetensors", train(SAMPLE)), save(tmp_path / "b.safetensors", train(shuffled))
    assert first.read_bytes() == second.read_bytes()
    assert card_path(first).read_bytes() == card_path(second).read_bytes()


def test_names_are_unique_and_few_are_numbers() -> None:
    names = train(SAMPLE).names
    assert len(set(names)) == len(names)
    assert all(names)
    assert sum(name.startswith("Group ") for name in names) / len(names) < 0.02


def test_another_seed_is_another_start() -> None:
    first = train_micro_topics(SAMPLE, SAMPLE, ENCODE, 40, 0)
    second = train_micro_topics(SAMPLE, SAMPLE, ENCODE, 40, 1)
    assert first.names != second.names


@pytest.mark.parametrize("new_share", [0.02, 0.05])
def test_almost_all_old_items_keep_a_topic_of_the_same_name_when_new_ones_come(new_share: float) -> None:
    """Grown on the former ones; made afresh, most would not: `tests/bench/measure_micro_topics.py` has the figures."""
    old = [title for title in SAMPLE if random.Random(title).random() >= new_share]
    first = train(old)
    grown, afresh = train(SAMPLE, former=first), train(SAMPLE)
    before = name_of(first, old)

    def same(other: TrainedCentroids) -> float:
        return float(np.mean([one == two for one, two in zip(before, name_of(other, old), strict=True)]))

    assert same(grown) > 0.95
    assert same(afresh) < 0.5
    assert grown.metrics["kept"] > 0.95
    assert len(grown.names) == default_clusters(len(set(SAMPLE)))


def test_topics_grown_on_themselves_are_themselves() -> None:
    first = train(SAMPLE)
    again = train(SAMPLE, former=first)
    assert again.names == first.names
    assert again.metrics["kept"] == 1.0
    np.testing.assert_allclose(again.centroids, first.centroids, atol=1e-6)


def test_new_things_get_topics_of_their_own() -> None:
    first = train(TITLES, 5)
    umbrellas = [f"{look} folding umbrella" for look in LOOKS]
    grown = train(TITLES + umbrellas, 6, former=first)
    assert grown.names[:5] == first.names
    assert set(name_of(grown, umbrellas)) == {grown.names[5]}
    assert "Umbrella" in grown.names[5]


def test_a_topic_without_items_keeps_its_name_when_it_is_a_former_one() -> None:
    first = train_micro_topics(TITLES, TITLES, by_thing, 5, 0)
    without = [title for title in TITLES if "clock" not in title]
    former = FormerCentroids(first.names, first.centroids)
    grown = train_micro_topics(without, without, by_thing, 5, 0, former)
    assert grown.names == first.names
    assert grown.sizes[grown.names.index("Wall Clock")] == 0


def test_fewer_distinct_texts_than_topics_are_refused() -> None:
    with pytest.raises(EncoderError, match="2 distinct texts are too few for 3 micro-topics"):
        train(["mug", "clock", "mug"], 3)
    with pytest.raises(EncoderError, match="1 distinct texts are too few"):
        train(["mug"])


def test_texts_that_look_all_alike_are_one_topic() -> None:
    """The encoder tells only two things apart; the third cluster stays empty, and is not kept."""
    made = train(["mug 1", "mug 2", "mug 3", "clock 4", "clock 5"], 3)
    assert sum(made.sizes) == 5
    assert min(made.sizes) > 0


def test_there_are_none_without_a_file_and_a_file_of_another_kind_or_model_is_refused(tmp_path: Path) -> None:
    assert load_micro_topics(EncoderSettings(), ENCODER) is None
    made = train(TITLES, 5)

    def load(path: Path) -> MicroTopics | None:
        settings = EncoderSettings(text=TextEncoderName.HASHING, micro_topics_file=path)
        return load_micro_topics(settings, ENCODER)

    good = save(tmp_path / "good.safetensors", made)
    loaded = load(good)
    assert loaded is not None
    assert loaded.assign(ENCODE(["blue wall clock"])) == ["Wall Clock"]
    with pytest.raises(EncoderError, match=r"made with other/1, but .*train micro-topics.*unset encoder.micro_topics"):
        load(save(tmp_path / "other.safetensors", made, "other/1"))
    with pytest.raises(EncoderError, match=r"gone\.json"):
        load(tmp_path / "gone.safetensors")
    good.write_bytes(good.read_bytes()[:-1] + b"\x01")
    with pytest.raises(EncoderError, match="SHA-256 differs"):
        load(good)


def test_a_file_of_categories_is_none_of_micro_topics(tmp_path: Path) -> None:
    path = save(tmp_path / "file.safetensors", train(TITLES, 5))
    card = card_path(path)
    card.write_text(card.read_text().replace(MicroTopics.format, "interestream.categories/1"))
    with pytest.raises(EncoderError, match=r"here only 'interestream\.micro-topics/1' can be used"):
        MicroTopics.load(path, ENCODER.model)


def test_a_file_without_centroids_is_refused(tmp_path: Path) -> None:
    nothing = TrainedCentroids([], np.zeros((0, ENCODER.dimensions), np.float32), [], {})
    path = save(tmp_path / "file.safetensors", nothing)
    with pytest.raises(EncoderError, match="no centroid"):
        MicroTopics.load(path, ENCODER.model)
