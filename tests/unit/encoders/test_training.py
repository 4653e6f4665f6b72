import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from encoders.base import ITEM_DIMENSIONS, EncoderError
from encoders.hashing import HashingTextEncoder
from encoders.projection import normalise
from encoders.training.catalogue import CatalogueItem, read_catalogue
from encoders.training.categories import train_categories
from encoders.training.clusters import FormerCentroids, TrainedCentroids
from encoders.training.names import name_clusters, nouns
from encoders.training.projection import fit_projection
from stream.demo.sample import load_sample

THINGS = {
    "mug": ["coffee mug", "mugs", "tea mug", "mug with lid"],
    "lantern": ["lantern", "garden lantern", "lanterns", "candle lantern"],
    "necklace": ["bead necklace", "necklace", "shell necklace", "necklaces"],
}
LOOKS = ["red", "SET OF 3 BLUE", "vintage", "small pink", "large white"]
TITLES = [f"{look} {thing}" for things in THINGS.values() for thing in things for look in LOOKS]
ENCODE = HashingTextEncoder().encode


def test_only_what_names_a_thing_is_left_of_a_title() -> None:
    assert nouns("SET/6 RED RETROSPOT T-LIGHT HOLDERS 10cm") == ["t-light", "holders"]
    assert nouns("HEART OF WICKER SMALL") == ["heart", "of", "wicker", "small"]
    assert nouns("12 / 7") == []


def test_clusters_are_of_things_and_named_by_them() -> None:
    made = train_categories(TITLES, TITLES, ENCODE, clusters=3, seed=0)
    assert sorted(made.names) == ["Lantern", "Mug", "Necklace"]
    assert made.sizes == [20, 20, 20]
    assert made.centroids.shape == (3, ITEM_DIMENSIONS)
    np.testing.assert_allclose(np.linalg.norm(made.centroids, axis=1), 1, atol=1e-5)
    assert made.metrics["agreement"] == 1
    assert made.metrics["named"] == 1
    nearest = np.argmax(ENCODE(["green mug"]) @ made.centroids.T)
    assert made.names[nearest] == "Mug"


def test_the_same_seed_gives_the_same_categories() -> None:
    first, second = (train_categories(TITLES, TITLES, ENCODE, clusters=5, seed=1) for _ in range(2))
    assert first.names == second.names
    np.testing.assert_array_equal(first.centroids, second.centroids)
    assert first.sizes == sorted(first.sizes, reverse=True)


def test_categories_grown_on_themselves_are_themselves() -> None:
    first = train_categories(TITLES, TITLES, ENCODE, clusters=5, seed=1)
    former = FormerCentroids(first.names, first.centroids)
    again = train_categories(TITLES, TITLES, ENCODE, clusters=2, seed=9, former=former)
    assert again.names == first.names
    assert again.metrics["kept"] == 1.0


def test_a_category_that_became_another_thing_is_renamed_and_the_others_are_not() -> None:
    first = train_categories(TITLES, TITLES, ENCODE, clusters=3, seed=0)
    necklaces = [title for title in TITLES if "necklace" in title]
    clocks = dict(zip(necklaces, [f"{look} wall clock" for look in LOOKS] * 4, strict=True))
    changed = [clocks.get(title, title) for title in TITLES]
    former = FormerCentroids(first.names, first.centroids)
    grown = train_categories(changed, changed, ENCODE, clusters=3, seed=0, former=former)
    same = [new for old, new in zip(first.names, grown.names, strict=True) if old == new]
    assert "Lantern" in same
    assert "Wall Clock" in set(grown.names) - set(first.names)
    assert grown.metrics["kept"] == pytest.approx(len(same) / 3, abs=1e-3)


def test_a_grown_catalogue_leaves_most_items_where_they_were() -> None:
    """Seven in eight titles of a shop, then all of them: with the former categories, and afresh."""
    titles = [item.title for item in load_sample().items.values()][:900]
    some = [title for place, title in enumerate(titles) if place % 8]
    first = train_categories(some, some, ENCODE, clusters=30, seed=0)
    former = FormerCentroids(first.names, first.centroids)
    vectors = ENCODE(some)

    def same(other: TrainedCentroids) -> float:
        pairs = zip(
            (vectors @ first.centroids.T).argmax(axis=1), (vectors @ other.centroids.T).argmax(axis=1), strict=True
        )
        return float(np.mean([first.names[one] == other.names[two] for one, two in pairs]))

    grown = train_categories(titles, titles, ENCODE, clusters=30, seed=0, former=former)
    afresh = train_categories(titles, titles, ENCODE, clusters=30, seed=0)
    assert same(grown) > 0.8 > same(afresh)


def test_more_clusters_than_titles_are_refused() -> None:
    with pytest.raises(EncoderError, match="2 distinct titles are too few for 3 clusters"):
        train_categories(["mug", "mug", "clock"], ["mug", "mug", "clock"], ENCODE, clusters=3, seed=0)


def test_a_word_grows_to_the_term_it_stands_in() -> None:
    titles = ["hot water bottle", "red hot water bottle", "hot water bottle pink", "clock", "clock", "blue clock"]
    assert name_clusters(titles, [0, 0, 0, 1, 1, 1], 2) == ["Hot Water Bottle", "Clock"]


def test_a_mixed_cluster_is_named_by_two_terms() -> None:
    titles = ["mug", "mugs", "plate", "plates", "bowl", "clock", "clock"]
    assert name_clusters(titles, [0, 0, 0, 0, 0, 1, 1], 2) == ["Mug & Plate", "Clock"]


def test_names_are_unique_and_never_empty() -> None:
    titles = ["mug", "mug", "mug", "mug", "12", "7"]
    names = name_clusters(titles, [0, 0, 1, 1, 2, 2], 4)
    assert names == ["Mug", "Group 2", "Group 3", "Group 4"]


def test_a_name_is_spelled_as_the_shop_does() -> None:
    titles = ["EARRINGS", "drop earrings", "an earring", "clock"]
    assert name_clusters(titles, [0, 0, 0, 1], 2)[0] == "Earrings"


def test_a_fitted_projection_spreads_what_was_crowded() -> None:
    random = np.random.default_rng(0)
    scales = np.linspace(1, 0.05, 100)
    crowded = normalise(random.standard_normal((500, 100)) * scales + 3)
    fitted = fit_projection(crowded)
    assert fitted.metrics["mean_cosine_text"] > 0.5
    assert abs(fitted.metrics["mean_cosine_items"]) < 0.05
    assert 0.5 < fitted.metrics["variance_kept"] < 1
    assert 0.3 < fitted.metrics["neighbours_kept"] < 1
    items = (crowded - fitted.projection.mean) @ fitted.projection.matrix
    covariance = np.cov(items, rowvar=False, bias=True)
    # eigenvalue^-0.25 twice: what is left of each variance is its square root.
    eigenvalues = np.linalg.eigvalsh(np.cov(crowded, rowvar=False, bias=True))[::-1][:ITEM_DIMENSIONS]
    np.testing.assert_allclose(np.diag(covariance), np.sqrt(eigenvalues), rtol=1e-3)
    np.testing.assert_allclose(covariance - np.diag(np.diag(covariance)), 0, atol=1e-4)


def test_fitting_is_deterministic() -> None:
    vectors = normalise(np.random.default_rng(1).standard_normal((200, 90)))
    np.testing.assert_array_equal(
        fit_projection(vectors).projection.matrix, fit_projection(vectors.copy()).projection.matrix
    )


def test_too_few_or_too_equal_items_are_refused() -> None:
    vectors = normalise(np.random.default_rng(1).standard_normal((200, 90)))
    with pytest.raises(EncoderError, match="64 items are too few"):
        fit_projection(vectors[:64])
    with pytest.raises(EncoderError, match="fewer than 64 directions"):
        fit_projection(np.repeat(vectors[:20], 10, axis=0))


ROWS = [
    {"item_id": "1", "title": " Red mug ", "category": "Kitchen > Mugs", "brand": "Emma"},
    {"item_id": "2", "title": "Grüner Becher", "category": "", "brand": ""},
    {"item_id": "3", "title": "", "category": "Kitchen", "brand": "Emma"},
]
EXPECTED = [CatalogueItem("Red mug", "Emma", "Kitchen > Mugs"), CatalogueItem("Grüner Becher", "", "")]


def _csv(column: str) -> str:
    lines = [f"item_id,title,{column},brand"]
    lines += [f"{row['item_id']},{row['title']},{row['category']},{row['brand']}" for row in ROWS]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("items.csv", _csv("category")),
        ("items.csv.gz", _csv("category_path")),
        ("items.jsonl", "\n\n".join(json.dumps(row) for row in ROWS)),
        ("items.ndjson.gz", "\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS)),
    ],
)
def test_items_with_a_title_are_read(tmp_path: Path, name: str, content: str) -> None:
    data = content.encode()
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    assert read_catalogue(tmp_path / name) == EXPECTED


def test_missing_columns_and_category_lists_are_fine(tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text("title\nmug\n")
    assert read_catalogue(tmp_path / "items.csv") == [CatalogueItem("mug", "", "")]
    (tmp_path / "items.jsonl").write_text('{"title": "mug", "category": ["Kitchen", "Mugs"], "brand": null}')
    assert read_catalogue(tmp_path / "items.jsonl") == [CatalogueItem("mug", "", "Kitchen > Mugs")]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("items.csv", b"name,price\nmug,3\n", "the first line must name the columns, `title` among them"),
        ("items.csv", b"", "the first line must name the columns"),
        ("items.csv", b"title\n\n", "no item with a title"),
        ("items.csv", b"title\n\xff\xfe\n", "cannot be read"),
        ("items.jsonl", b'{"title": "mug"}\n{"title": ', "line 2 is not JSON"),
        ("items.jsonl", b"[1]", "line 1 is not a JSON object"),
        ("items.csv.gz", b"title\nmug\n", "cannot be read"),
        ("items.csv.gz", gzip.compress(b"title\nmug\n" * 50)[:-12], "cannot be read"),
    ],
)
def test_files_that_cannot_be_used_say_why(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(EncoderError, match=reason):
        read_catalogue(tmp_path / name)
