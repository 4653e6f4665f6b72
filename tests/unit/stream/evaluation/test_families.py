import pytest

from stream.evaluation.ranker.families import family_of


@pytest.mark.parametrize(
    ("feature", "family"),
    [
        ("log two hops", "transitions"),
        ("absolute own", "own items"),
        ("own: steps since", "own items"),
        ("own", "own items"),
        ("item: trend", "popularity and age"),
        ("history: length", "history"),
        ("price over usual", "history"),
        ("relative next top category", "brands and categories"),
    ],
)
def test_forms_of_a_feature_belong_to_its_family(feature: str, family: str) -> None:
    assert family_of(feature) == family


def test_an_unknown_feature_is_an_error() -> None:
    with pytest.raises(KeyError):
        family_of("moon phase")
