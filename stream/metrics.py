"""Every metric of the product, in seconds and counts, without ids in labels.

Events are counted in interactions: a message with N products counts N, a message that is refused or ignored counts 1.
Over all workers: consumed = applied + duplicate + ignored + filtered + late + rejected.
"""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info

from graph.model import Kind
from stream.recommendations import LIST_IDS, mark_of, model_mark

LATENCY_BUCKETS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0)
STAGE_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_MOST_PLACES = 20
_MOST_MODELS = 8
"""With a new model each night, the lists of a week are told apart."""
_OTHER = "other"
SIZE_BUCKETS = (1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000)


class Metrics:
    """One instance per process, on a registry of its own, passed to whoever counts."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"interest_{name}", text, labels, registry=registry)

        self.consumed = counter("events_consumed_total", "Interactions that intake met.")
        self.applied = counter("events_applied_total", "Interactions in the graph because of this process.")
        self.duplicate = counter("events_duplicate_total", "Dropped: already applied (event id or redelivery).")
        self.ignored = counter("events_ignored_total", "Of a kind that is none of ours.")
        self.filtered = counter("events_filtered_total", "Without consent.")
        self.late = counter("events_late_total", "Older than trackers.max_late_seconds.")
        self.rejected = counter(
            "events_rejected_total",
            "Interactions refused as dead letters, by the stage that refused them and the reason.",
            "stage",
            "reason",
        )
        self.dead_letters = counter(
            "dead_letters_total",
            "Dead letters delivered, catalogue rows included, by the stage that refused them and the reason.",
            "stage",
            "reason",
        )
        self.feedback = counter(
            "list_feedback_total",
            "Interactions that intake met with a recommendation_id, by their kind, and the list and place they name.",
            "kind",
            "list",
            "position",
        )
        self.model_feedback = counter(
            "model_feedback_total",
            "Interactions that intake met with a recommendation_id, by kind, the list they name, and its model.",
            "kind",
            "list",
            "model",
        )
        self._models: dict[str, str] = {}  # names by their marks, the latest last
        self._begin_model(_OTHER)
        self.rows = counter("catalogue_rows_total", "Catalogue rows by what became of them.", "outcome")
        self.lists = counter("lists_published_total", "Recommendation records delivered.")
        self.empty_lists = counter("lists_empty_total", "Published lists without any item.", "list")
        self.refreshed = counter("users_refreshed_total", "Users re-ranked without a new interaction.")
        self.erased = counter("users_erased_total", "Users erased on request.")
        self.transactions = counter("graph_transactions_total", "By role and outcome.", "role", "outcome")
        self.waits = counter("server_waits_total", "Times a worker waited for a server.", "server")
        self.lost_to_retention = counter("records_lost_to_retention_total", "Deleted by the broker unread.", "role")
        self.text_encoded = counter("item_texts_encoded_total", "Item texts that went through the text encoder.")
        self.event_to_publish = Histogram(
            "interest_event_to_publish_seconds",
            "From the event record's timestamp to the delivery of the list: the product's promise.",
            buckets=LATENCY_BUCKETS,
            registry=registry,
        )
        self.stage = Histogram(
            "interest_stage_seconds",
            "Where a batch's time goes.",
            ("role", "stage"),
            buckets=STAGE_BUCKETS,
            registry=registry,
        )
        self.batch_events = Histogram(
            "interest_batch_events", "Interactions per micro-batch.", buckets=SIZE_BUCKETS, registry=registry
        )
        self.batch_users = Histogram(
            "interest_batch_users", "Distinct users per micro-batch.", buckets=SIZE_BUCKETS, registry=registry
        )
        self.ledger = Gauge(
            "interest_ledger_offset",
            "Next offset to apply, by topic and partition.",
            ("topic", "partition"),
            registry=registry,
        )
        self.partitions = Gauge("interest_partitions", "Partitions owned, by role.", ("role",), registry=registry)
        self.cached_users = Gauge("interest_cached_users", "User states in memory.", registry=registry)
        self.items = Gauge("interest_items", "Items the replica knows.", registry=registry)
        self.unknown_tokens = Gauge(
            "interest_item_text_unknown_share",
            "Share of the latest item texts' tokens that the text model does not know.",
            registry=registry,
        )
        self.model = Info("interest_model", "The encoders in use.", registry=registry)
        self.ranker = Info("interest_ranker", "The version of the weights in use.", registry=registry)
        self.ranker_changes = counter("ranker_changes_total", "New learned weights by what became of them.", "outcome")
        self.for_you = Info("interest_for_you", "The version of the for-you list's model.", registry=registry)
        self.for_you_changes = counter("for_you_changes_total", "New for-you models by what became of them.", "outcome")
        self.model_changes = counter("model_changes_total", "New user models by what became of them.", "outcome")
        for changes in (self.ranker_changes, self.model_changes, self.for_you_changes):
            for outcome in ("swapped", "refused"):
                changes.labels(outcome)  # Prometheus sees an increase only from a value it had read before

    def tell_model(self, text: str, user: str, device: str) -> None:
        """Say which encoders are in use; feedback on lists of the latest user models is counted by their names."""
        self.model.info({"text": text, "user": user, "device": device})
        self._models.pop(model_mark(user), None)  # one that serves again becomes the latest
        self._models[model_mark(user)] = user
        self._begin_model(user)
        if len(self._models) > _MOST_MODELS:
            self._forget_model(self._models.pop(next(iter(self._models))))

    def tell_ranker(self, version: str) -> None:
        """Say which weights are in use."""
        self.ranker.info({"version": version})

    def tell_for_you(self, version: str) -> None:
        """Say which model makes the for-you lists."""
        self.for_you.info({"version": version})

    def count_feedback(self, kind: str, list_id: str | None, position: int | None, recommendation_id: str) -> None:
        """Count one interaction with a recommendation; what is no list, place or model of ours is ``other``.

        The id only looks a model up: labels hold names that this process was told, never what an event says.
        """
        name = list_id if list_id in LIST_IDS else _OTHER
        place = str(position) if position is not None and 1 <= position <= _MOST_PLACES else _OTHER
        self.feedback.labels(kind, name, place).inc()
        model = self._models.get(mark_of(recommendation_id), _OTHER)
        self.model_feedback.labels(kind, name, model).inc()

    def _begin_model(self, model: str) -> None:
        """Show a model's counts from zero on: of a new model, the first few clicks are what one looks at."""
        for labels in _model_series(model):
            self.model_feedback.labels(*labels)

    def _forget_model(self, model: str) -> None:
        for labels in _model_series(model):
            self.model_feedback.remove(*labels)

    def count_rejected(self, stage: str, reason: str) -> None:
        """Count one refused event."""
        self.rejected.labels(stage, reason).inc()


def _model_series(model: str) -> Iterator[tuple[str, str, str]]:
    return ((kind.value, name, model) for kind in Kind for name in (*LIST_IDS, _OTHER))
