"""The whole check: reads topics and graph, in a process of its own, and returns what it found."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from graph.model import Interaction
from graph.store import GraphStore
from stream.checking.associations import AssociationCheck
from stream.checking.catalogue import Catalogue
from stream.checking.causes import Causes
from stream.checking.deltas import DeltaCheck, Placements
from stream.checking.dispositions import Dispositions, judge_good_letters
from stream.checking.findings import Findings, Invariant
from stream.checking.ledgers import check_ledgers
from stream.checking.letters import Letters
from stream.checking.lost_events import event_fingerprint
from stream.checking.pairs import CategoryPairs
from stream.checking.published import PublishedLists
from stream.checking.replay import read_bundle
from stream.checking.report import Report, verdicts
from stream.checking.rest import Standing, wait_for_rest
from stream.checking.topics import Record, Topics
from stream.checking.user_differences import remembered_ids, stored_state
from stream.checking.users import Look, UserCheck, UserTotals, users_by_partition
from stream.progress import Progress
from stream.settings import Settings

if TYPE_CHECKING:
    from stream.checking.lists import ListCheck  # brings torch with it

Step = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Options:
    """How a check is done. ``sample``: how many older lists are compared with the prefix that they name."""

    patience_seconds: float = 60.0
    settle_seconds: float = 5.0
    look: Look = field(default_factory=Look)
    sample: int = 200
    seed: int = 0
    limit: int = 100
    accept_unappliable: bool = False


async def check(
    settings: Settings,
    store: GraphStore,
    topics: Topics,
    options: Options,
    progress: Progress,
    say: Callable[[str], None],
    ranking: "ListCheck | None" = None,
) -> Report:
    """Wait for rest, then compare everything; with ``ranking`` every user is ranked anew too.

    Raises what the store and the topics raise when a server is away, and stream.bundles.NewerFormat.
    """
    started = time.monotonic()
    standing = await wait_for_rest(topics, store, settings, options.patience_seconds, options.settle_seconds, say)
    return await _Check(settings, store, topics, options, progress, standing, ranking).run(started)


class _Check:
    def __init__(
        self,
        settings: Settings,
        store: GraphStore,
        topics: Topics,
        options: Options,
        progress: Progress,
        standing: Standing,
        ranking: "ListCheck | None",
    ) -> None:
        self.settings = settings
        self.names = settings.topics
        self.store = store
        self.topics = topics
        self.options = options
        self.progress = progress
        self.standing = standing
        self.findings = findings = Findings(options.limit)
        self.letters = Letters(findings, complete=standing.complete(self.names.dead_letters))
        self.catalogue = Catalogue(settings, self.letters, findings)
        self.published = PublishedLists(findings, options.sample, options.seed)
        self.pairs = CategoryPairs(settings.graph.association, findings)
        self.associations = AssociationCheck(
            topics, store, settings.topics, settings.graph.association, standing, findings
        )
        self.ranking = ranking
        self.bundles_complete = standing.complete(self.names.bundles)
        self.deltas_complete = standing.complete(self.names.transitions)

    async def run(self, started: float) -> Report:
        """Do everything in order: what later steps need is read first."""
        self.note_gaps()
        self.read_letters_and_catalogue()
        dispositions, former = self.judge_sources()
        isolated = await self.judge_letters(dispositions)
        with self.progress("lists", self.standing.records(self.names.recommendations)) as step:
            self.published.read_on(self.topics, self.names.recommendations, step)
        with self.progress("associations", self.standing.records(self.names.transitions)) as step:
            await self.associations.check(step)
        totals, placements = await self.check_users(isolated)
        self.published.judge_versions()
        resting = self.standing.at_rest and not await self.moved()
        if resting and self.ranking is not None:
            await self.ranking.check_popular(self.topics, self.options.settle_seconds, self.findings)
        if resting and self.bundles_complete and self.standing.complete(self.names.interactions) and not former:
            messages = "interactions in all bundles, those of applied events and of duplicates"
            expected, found = dispositions.accounts.interactions, totals.applied + totals.duplicates
            self.findings.compare(Invariant.ACCOUNTING, "all partitions", messages, expected, found)
        if resting and self.bundles_complete and self.deltas_complete:
            self.pairs.compare(self.associations.stored, placements, totals.changing)
        if resting:
            exact = self.bundles_complete and not totals.placed_otherwise and not totals.in_motion
            with self.progress("catalogue", None) as step:
                await self.catalogue.check_items(self.store, step)
                await self.catalogue.check_categories(self.store, totals.interested if exact else None, step)
        check_ledgers(
            self.standing,
            self.settings,
            totals.sources,
            self.associations.last_causes,
            self.findings,
        )
        spans = {name: self.topics.spans(name) for name in (self.names.interactions, self.names.catalogue)}
        dispositions.judge_unmet_letters(spans)
        if totals.placed_otherwise:
            cause = "users whose items changed their category since their last refresh"
            self.findings.undecided[cause] += len(totals.placed_otherwise)
        if totals.in_motion:
            self.findings.undecided["users with bundles that were applied during the check"] += totals.in_motion
        if totals.beyond_the_log:
            self.findings.undecided["users with events from before the log: only what it has is judged"] += len(
                totals.beyond_the_log
            )
        return Report(
            ok=not self.findings.total,
            differences=self.findings.total,
            at_rest=self.standing.at_rest,
            moved=await self.moved(),
            lag=self.standing.lag,
            source=dispositions.accounts,
            events={"applied": totals.applied, "duplicates": totals.duplicates, "of_former_topics": former},
            users=totals.users,
            lists={"records": self.published.records, "went_back": self.published.went_back},
            invariants=verdicts(self.findings),
            undecided=dict(self.findings.undecided),
            gaps=self.findings.gaps,
            found=self.findings.kept,
            seconds=round(time.monotonic() - started, 2),
        )

    def records(self, topic: str, step: Step) -> Iterator[Record]:
        """Yield what a topic held when the check began, partition by partition."""
        for partition, span in self.standing.spans[topic].items():
            for record in self.topics.records(topic, partition, span.first, span.end):
                step()
                yield record

    def note_gaps(self) -> None:
        """Say what retention took."""
        for topic in (self.names.interactions, self.names.bundles, self.names.transitions, self.names.dead_letters):
            for partition, span in self.standing.spans[topic].items():
                if span.first:
                    self.findings.gaps.append(f"{topic}/{partition}: offsets 0 to {span.first - 1}")

    def read_letters_and_catalogue(self) -> None:
        """Read the dead letters, then the rows that are applied, and the items made of them."""
        total = sum(self.standing.records(t) for t in (self.names.dead_letters, self.names.catalogue, self.names.items))
        with self.progress("catalogue and dead letters", total) as step:
            for record in self.records(self.names.dead_letters, step):
                self.letters.take(record)
            for record in self.records(self.names.catalogue, step):
                if record.offset < self.standing.applied(self.names.catalogue, record.partition):
                    self.catalogue.take_row(record)
            for record in self.records(self.names.items, step):
                self.catalogue.take_item(record)

    def judge_sources(self) -> tuple[Dispositions, int]:
        """I1: compare source records with bundles and dead letters; return also how many have no source any more."""
        findings, bundles = self.findings, self.names.bundles
        causes = Causes(self.topics.topic_id(self.names.interactions), len(self.standing.spans[bundles]), findings)
        total = self.standing.records(bundles) + self.standing.records(self.names.interactions)
        dispositions = Dispositions(self.settings, causes, self.letters, findings, bundles=self.standing.spans[bundles])
        with self.progress("events", total) as step:
            for record in self.records(bundles, step):
                if (bundle := read_bundle(record, findings)) is not None:
                    causes.take(record, bundle)
            self.letters.former_topics = causes.of_former_topics > 0
            for partition, span in self.standing.spans[self.names.interactions].items():
                records = self.topics.records(self.names.interactions, partition, span.first, span.end)
                settled = self.standing.intake.get(partition, 0)
                dispositions.judge(partition, _counted(records, step), span, settled)
        return dispositions, causes.of_former_topics

    async def judge_letters(self, dispositions: Dispositions) -> set[tuple[str, int]]:
        """I10: look up good events of dead letters in the graph; return what interest left out, by source."""
        user_ids = {i.user_id for letter in dispositions.good_letters for i in letter.interactions}
        stored = await self.store.load_users(sorted(user_ids))
        states = {user_id: stored_state(user) for user_id, user in stored.items()}
        ids = {user_id: remembered_ids(state) for user_id, state in states.items() if state is not None}

        def remembered(interaction: Interaction) -> bool:
            return event_fingerprint(interaction.event_id) in ids.get(interaction.user_id, ())

        isolated = judge_good_letters(
            dispositions, self.findings, remembered, accept_unappliable=self.options.accept_unappliable
        )
        topic_id = self.topics.topic_id(self.names.interactions)
        return {(f"{topic_id}/{partition}", offset) for _, partition, offset in isolated}

    async def check_users(self, isolated: set[tuple[str, int]]) -> tuple[UserTotals, Placements]:
        """Recompute users from the bundles, partition by partition, and compare them with the graph."""
        topic = self.names.bundles
        partitions, placements = len(self.standing.spans[topic]), Placements()
        known = await users_by_partition(self.store, partitions)
        users = UserCheck(
            self.topics,
            self.store,
            self.settings,
            self.catalogue,
            self.published,
            self.pairs,
            lambda source, offset: (source, offset) in isolated,
            self.findings,
            self.options.look,
        )
        with self.progress("users", self.standing.records(topic)) as step:
            if self.ranking is not None:
                self.ranking.read(self.topics, lambda: None)
            for partition, span in self.standing.spans[topic].items():
                applied = min(self.standing.applied(topic, partition), span.end)
                deltas = None
                if span.first == 0 and self.deltas_complete:
                    sent = self.associations.sent.of_source(partition)
                    transitions = len(self.standing.spans[self.names.transitions])
                    deltas = DeltaCheck(topic, partition, sent, transitions, placements, self.findings)
                done = await users.check(partition, span, applied, deltas, known[partition], step)
                placements.trimmed_users += len(done.trimmed)
                if deltas is not None:
                    deltas.finish(applied)
                if self.ranking is not None and span.first == 0:
                    await self.ranking.check(done.users, self.published, self.findings)
        placements.judge(self.findings)
        return users.totals, placements

    async def moved(self) -> bool:
        """Tell whether a ledger moved since the check began."""
        now = await self.store.read_ledgers(sorted(self.standing.ledgers))
        return any(
            key not in now or (now[key].applied, now[key].sources) != (entry.applied, entry.sources)
            for key, entry in self.standing.ledgers.items()
        )


def _counted(records: Iterator[Record], step: Step) -> Iterator[Record]:
    for record in records:
        step()
        yield record
