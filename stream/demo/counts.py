"""What became of the events and how far the ledgers are, by the worker's own metrics."""

from typing import Any, NamedTuple

from stream.metrics import Metrics


class Counts(NamedTuple):
    """Interactions by outcome. ``refused`` are dead letters; ``others`` were ignored, filtered or late."""

    applied: int
    duplicates: int
    refused: int
    others: int

    @property
    def settled(self) -> int:
        """Return how many events have met their fate."""
        return sum(self)


def read_counts(metrics: Metrics) -> Counts:
    """Read the counters as they stand."""
    return Counts(
        applied=_total(metrics.applied),
        duplicates=_total(metrics.duplicate),
        refused=_total(metrics.rejected),
        others=sum(map(_total, (metrics.ignored, metrics.filtered, metrics.late))),
    )


def assigned_roles(metrics: Metrics) -> int:
    """Return how many roles own partitions."""
    return sum(1 for family in metrics.partitions.collect() for sample in family.samples if sample.value > 0)


def ledger_offset(metrics: Metrics, topic: str, partition: int) -> int:
    """Return the next offset to apply of a partition, -1 before the first commit."""
    labels = {"topic": topic, "partition": str(partition)}
    found = metrics.registry.get_sample_value("interest_ledger_offset", labels)
    return -1 if found is None else round(found)


def _total(counter: Any) -> int:
    """Return a counter's sum over its labels."""
    samples = (sample for family in counter.collect() for sample in family.samples)
    return sum(int(sample.value) for sample in samples if sample.name.endswith("_total"))
