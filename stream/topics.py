"""The one table of topics: who owns them, how many partitions, what the broker keeps, and for how long."""

from dataclasses import dataclass
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field, PositiveInt

DAY_MS = 86_400_000


class Cleanup(StrEnum):
    """What the broker does with old records."""

    DELETE = "delete"
    COMPACT = "compact"
    BOTH = "compact,delete"


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic as it should be. ``retention_ms`` is None where compaction alone keeps the last record per key."""

    role: str
    name: str
    partitions: int
    cleanup: Cleanup
    retention_ms: int | None
    internal: bool
    purpose: str

    def config(self) -> dict[str, str]:
        """Return the broker's topic configuration."""
        config = {"cleanup.policy": self.cleanup.value, "max.message.bytes": str(MAX_MESSAGE_BYTES)}
        if self.retention_ms is not None:
            config["retention.ms"] = str(self.retention_ms)
        if self.cleanup is Cleanup.COMPACT:
            # The active segment is never compacted: without these a quiet topic would keep erased users for weeks.
            config["segment.ms"] = str(DAY_MS)
            config["max.compaction.lag.ms"] = str(DAY_MS)
            config["delete.retention.ms"] = str(7 * DAY_MS)  # the longest a subscriber may be away and still see it
        return config


MAX_MESSAGE_BYTES = 2_097_152
"""Twice the largest event we accept, so that its dead letter (value plus headers) always fits."""


class TopicSettings(BaseModel):
    """Names and sizes. Partition counts are fixed at birth: they cap the number of workers per role."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    interactions: str = Field("shop.interactions.v1", description="Events from trackers, any key.")
    catalogue: str = Field("shop.catalogue.v1", description="Item rows, key item_id.")
    recommendations: str = Field("shop.recommendations.v1", description="Published lists, key user_id.")
    popular: str = Field("shop.popular.v1", description="Popular items, key: the shop or a category.")
    signals: str = Field("shop.signals.v1", description="Warnings and news per user, key: the signal.")
    dead_letters: str = Field("shop.interactions.v1.dlq", description="Whatever was refused, byte for byte.")
    bundles: str = Field("interestream.interactions.v1", description="Internal: interactions keyed by user.")
    transitions: str = Field("interestream.transitions.v1", description="Internal: association deltas.")
    items: str = Field("interestream.items.v1", description="Internal: items with their text vectors.")
    associations: str = Field("interestream.associations.v1", description="Internal: successor records.")
    partitions: PositiveInt = Field(8, description="Partitions of every topic created by `topics apply`.")
    replication_factor: PositiveInt = Field(1, description="Replicas; 3 in production.")
    interactions_retention_days: PositiveInt = Field(7, description="How far back events can be replayed.")

    def table(self) -> tuple[Topic, ...]:
        """Return every topic as it should be."""
        n, keep = self.partitions, self.interactions_retention_days * DAY_MS
        delete, compact = Cleanup.DELETE, Cleanup.COMPACT
        return (
            Topic("interactions", self.interactions, n, delete, keep, False, "events from trackers"),
            Topic("catalogue", self.catalogue, n, compact, None, False, "item rows"),
            Topic("recommendations", self.recommendations, n, compact, None, False, "lists per user"),
            Topic("popular", self.popular, n, compact, None, False, "popular items per context"),
            Topic("signals", self.signals, n, Cleanup.BOTH, 14 * DAY_MS, False, "warnings and news per user"),
            Topic("dead_letters", self.dead_letters, n, delete, 14 * DAY_MS, False, "refused messages"),
            Topic("bundles", self.bundles, n, delete, keep, True, "interactions keyed by user"),
            Topic("transitions", self.transitions, n, delete, keep, True, "association deltas"),
            Topic("items", self.items, n, compact, None, True, "items with text vectors"),
            Topic("associations", self.associations, n, compact, None, True, "successor records"),
        )
