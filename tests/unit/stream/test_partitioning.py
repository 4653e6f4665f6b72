import pytest
from aiokafka.partitioner import DefaultPartitioner
from hypothesis import given
from hypothesis import strategies as st

from stream.partitioning import partition_of


@pytest.mark.parametrize(
    ("key", "expected"),
    # kafka-clients' Utils.toPositive(Utils.murmur2(key)), from its own test vectors.
    [("21", -973932308), ("foobar", -790332482), ("a-little-bit-long-string", -985981536), ("", 275646681)],
)
def test_the_hash_is_the_java_clients(key: str, expected: int) -> None:
    assert partition_of(key, 1 << 31) == expected & 0x7FFFFFFF


@given(st.text(max_size=40), st.integers(1, 64))
def test_whatever_client_writes_a_key_it_goes_where_we_look_for_it(key: str, partitions: int) -> None:
    every = list(range(partitions))
    assert partition_of(key, partitions) == DefaultPartitioner()(key.encode(), every, every)


def test_keys_spread() -> None:
    counts = [0] * 8
    for n in range(8_000):
        counts[partition_of(f"user-{n}", 8)] += 1
    assert min(counts) > 800
