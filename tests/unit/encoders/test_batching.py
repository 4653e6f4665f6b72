from hypothesis import given
from hypothesis import strategies as st

from encoders.batching import LENGTH_MULTIPLE, padded_length, plan_batches

lengths_of_texts = st.lists(st.integers(1, 300), max_size=60)


@given(lengths_of_texts, st.integers(8, 600))
def test_every_text_is_in_one_batch_within_the_budget(lengths: list[int], max_tokens: int) -> None:
    batches = plan_batches(lengths, max_tokens)
    assert sorted(position for batch in batches for position in batch) == list(range(len(lengths)))
    for batch in batches:
        padded = padded_length(max(lengths[position] for position in batch)) * len(batch)
        assert padded <= max_tokens or len(batch) == 1


@given(lengths_of_texts)
def test_texts_of_like_length_go_together(lengths: list[int]) -> None:
    planned = [lengths[position] for batch in plan_batches(lengths, 256) for position in batch]
    assert planned == sorted(lengths)


def test_a_batch_is_filled_before_the_next_begins() -> None:
    assert plan_batches([3, 20, 5, 19, 8], max_tokens=48) == [[0, 2, 4], [3, 1]]


def test_no_texts_need_no_batch() -> None:
    assert plan_batches([], 100) == []


@given(st.integers(1, 1000))
def test_lengths_are_padded_up_to_the_next_multiple(tokens: int) -> None:
    padded = padded_length(tokens)
    assert tokens <= padded < tokens + LENGTH_MULTIPLE
    assert padded % LENGTH_MULTIPLE == 0
