"""Which partition owns a key: the Java client's murmur2, for every topic we write and whatever client wrote it."""

from functools import lru_cache

from aiokafka.partitioner import murmur2


@lru_cache(maxsize=262_144)  # the hash is pure Python; users come back
def partition_of(key: str, partitions: int) -> int:
    """Return the partition (0-based) of a text key among ``partitions``.

    >>> partition_of("u1", 8) == partition_of("u1", 8) < 8
    True
    """
    return partition_of_bytes(key.encode(), partitions)


def partition_of_bytes(key: bytes, partitions: int) -> int:
    """Return the partition (0-based) of any key among ``partitions``: strangers' keys need not be text."""
    return int((murmur2(key) & 0x7FFFFFFF) % partitions)
