"""I1 and I10: what became of every source record."""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import msgspec

from graph.model import Interaction
from stream.checking.causes import Causes, Held, cause_key, digest_of, offset_of
from stream.checking.findings import Findings, Invariant
from stream.checking.letters import Letter, Letters, Place, named
from stream.checking.topics import Record, Span
from stream.partitioning import partition_of
from stream.pseudonyms import Pseudonyms
from stream.settings import Settings
from stream.trackers import Decoded, Reason, Rejected, Stage, decode

_ANY_CLOCK_MS = 1 << 62
"""With such a clock nothing is in the future: whether it was, the worker's clock had decided."""


class Accounts(msgspec.Struct):
    """What the source records came to: interactions, and messages that hold none for us."""

    records: int = 0
    interactions: int = 0
    ignored: int = 0
    filtered: int = 0
    late: int = 0
    dead_letters: int = 0
    replayed_letters: int = 0
    """Of the dead letters: messages that today's rules accept, and that were sent again and applied."""
    unappliable: int = 0
    pending: int = 0


class GoodLetter(NamedTuple):
    """A dead letter about a message that today's rules accept: it is in the graph by another way, or wrong."""

    place: Place
    interactions: tuple[Interaction, ...]
    letter: Letter


Remembered = Callable[[Interaction], bool]
"""Whether the graph's user remembers the event."""


class Dispositions:
    """Judges source records, partition by partition."""

    def __init__(
        self,
        settings: Settings,
        causes: Causes,
        letters: Letters,
        findings: Findings,
        *,
        bundles: Mapping[int, Span],
    ) -> None:
        self._settings = settings
        self._causes = causes
        self._letters = letters
        self._findings = findings
        self._bundles = bundles
        self._pseudonyms = Pseudonyms(settings.pseudonym_key)
        self.accounts = Accounts()
        self.good_letters: list[GoodLetter] = []
        """Dead letters about messages that today's rules accept."""

    def judge(self, partition: int, records: Iterable[Record], span: Span, settled: int) -> None:
        """Judge one partition. Records from offset ``settled`` on may still be waiting for intake."""
        first = span.first
        held = self._causes.of_partition(partition)
        self._findings.checked[Invariant.ACCOUNTING] += len(held)
        topic, expected = self._settings.topics.interactions, first
        for record in records:
            if record.offset != expected:
                self._findings.gaps.append(
                    f"{topic}/{partition}: no records at offsets {expected} to {record.offset - 1}"
                )
            expected = record.offset + 1
            self._judge_record(record, held, settled)
        for key in held:
            if first <= offset_of(key) < span.end:
                where = named((topic, partition, offset_of(key)))
                self._findings.differ(
                    Invariant.ACCOUNTING, where, "bundles hold an interaction that the record does not"
                )

    def judge_unmet_letters(self, known: Mapping[str, Mapping[int, Span]]) -> None:
        """Report letters about records that do not exist. ``known``: topic -> partition -> what it holds."""
        for place, letter in self._letters.unmet():
            topic, partition, offset = place
            first, end = known.get(topic, {}).get(partition, Span(0, 0))
            if first <= offset < end:
                continue  # compaction or retention took the record
            if offset < first or self._letters.former_topics:
                self._findings.undecided["dead letters about records that the broker no longer has"] += 1
            else:
                what = f"is about {named(place)}, which does not exist"
                self._findings.differ(Invariant.DEAD_LETTERS, f"dead letter {letter.found_at}", what)

    def _judge_record(self, record: Record, held: dict[int, Held], settled: int) -> None:
        place = record.topic, record.partition, record.offset
        letter = self._letters.about(record)
        decoded = self._decode(record)
        self.accounts.records += 1
        self._findings.checked[Invariant.ACCOUNTING] += 1
        if isinstance(decoded, Rejected):
            self._judge_refused(record, decoded, letter, settled)
            return
        wanted = {cause_key(record.offset, i): interaction for i, interaction in enumerate(decoded.interactions)}
        there = {key: held.pop(key) for key in wanted if key in held}
        if letter is None:
            self._judge_bundled(record, wanted, there, settled)
        else:
            self.accounts.dead_letters += 1
            if there and not letter.unappliable:
                self.accounts.interactions += len(there)
                where = f"dead letter {letter.found_at}"
                what = f"{named(place)} was applied as well"
                self._findings.differ(Invariant.DEAD_LETTERS, where, what, "", letter.reason)
            elif not (self._clock_decides(record, decoded) and letter.reason == Reason.IN_THE_FUTURE):
                self.good_letters.append(GoodLetter(place, tuple(wanted.values()), letter))
            if letter.unappliable and len(there) < len(wanted) and all(map(self._held_whole, wanted.values())):
                where = f"dead letter {letter.found_at}"
                self._findings.differ(Invariant.DEAD_LETTERS, where, f"{named(place)} never was in a bundle")
        if letter is None and not decoded.interactions:
            self.accounts.ignored += decoded.ignored
            self.accounts.filtered += decoded.filtered
            self.accounts.late += decoded.late

    def _decode(self, record: Record) -> Decoded | Rejected:
        try:
            found = decode(
                record.value, record_at=record.timestamp, now=_ANY_CLOCK_MS, settings=self._settings.trackers
            )
        except Rejected as rejected:
            return rejected
        applied = tuple(self._pseudonyms.apply(interaction) for interaction in found.interactions)
        return msgspec.structs.replace(found, interactions=applied)

    def _clock_decides(self, record: Record, decoded: Decoded) -> bool:
        latest = record.timestamp + self._settings.trackers.max_ahead_seconds * 1000
        return any(interaction.occurred_at > latest for interaction in decoded.interactions)

    def _judge_refused(self, record: Record, rejected: Rejected, letter: Letter | None, settled: int) -> None:
        where = named((record.topic, record.partition, record.offset))
        expected = str(rejected.stage), str(rejected.reason), rejected.field
        if letter is not None:
            self.accounts.dead_letters += 1
            found = letter.stage, letter.reason, letter.field
            if found != expected:
                what = "says another reason than today's rules"
                self._findings.differ(
                    Invariant.DEAD_LETTERS, f"dead letter {letter.found_at}", what, "/".join(expected), "/".join(found)
                )
        elif record.offset >= settled:
            self.accounts.pending += 1
        elif not self._letters.complete:
            self._findings.undecided["bad events whose dead letters the broker may no longer have"] += 1
        else:
            self._findings.differ(Invariant.ACCOUNTING, where, "a bad event without a dead letter", rejected.reason)

    def _judge_bundled(
        self, record: Record, wanted: Mapping[int, Interaction], there: Mapping[int, Held], settled: int
    ) -> None:
        for index, (key, interaction) in enumerate(wanted.items()):
            where = f"event {interaction.event_id} of user {interaction.user_id}"
            where += f" ({named((record.topic, record.partition, record.offset))}#{index})"
            found = there.get(key)
            if found is None:
                self._judge_missing(record, interaction, where, settled)
                continue
            self.accounts.interactions += 1
            if found.digest != digest_of(interaction, record.timestamp) or found.differing:
                self._findings.differ(Invariant.ACCOUNTING, where, "its bundle says something else than the record")
            if found.fresh == 0:
                what = "came behind a later event of its source partition, and was dropped as a redelivery"
                self._findings.differ(Invariant.ACCOUNTING, where, what)
            elif found.fresh > 1:
                self._findings.differ(Invariant.ONCE, where, "counts more than once", 1, found.fresh)

    def _held_whole(self, interaction: Interaction) -> bool:
        """Tell whether the broker still has every bundle of an interaction's user."""
        return self._bundles[partition_of(interaction.user_id, len(self._bundles))].first == 0

    def _judge_missing(self, record: Record, interaction: Interaction, where: str, settled: int) -> None:
        if record.offset >= settled:
            self.accounts.pending += 1
        elif self._held_whole(interaction):
            self._findings.differ(Invariant.ACCOUNTING, where, "is lost: neither in a bundle nor a dead letter")
        else:
            self._findings.undecided["events whose bundles the broker may no longer have"] += 1


def judge_good_letters(
    dispositions: Dispositions, findings: Findings, remembered: Remembered, *, accept_unappliable: bool
) -> set[Place]:
    """Report good events that are nowhere but in the dead letters; those that were sent again are fine.

    Returns the places of the messages that interest isolated and left out.
    """
    isolated: set[Place] = set()
    accounts = dispositions.accounts
    for place, interactions, letter in dispositions.good_letters:
        where = f"dead letter {letter.found_at}"
        applied = bool(interactions) and all(map(remembered, interactions))
        if letter.unappliable:
            accounts.unappliable += 1
            if applied:
                findings.differ(Invariant.DEAD_LETTERS, where, f"{named(place)} was applied as well")
                continue
            isolated.add(place)
            if not accept_unappliable:
                what = f"{named(place)} was isolated as unappliable, though it is a good event"
                findings.differ(Invariant.DEAD_LETTERS, where, what)
        elif letter.stage == Stage.DECODE and applied:
            accounts.replayed_letters += 1
        else:
            what = f"{named(place)} is a good event by today's rules; `interestream replay --from-dlq` sends it again"
            findings.differ(Invariant.DEAD_LETTERS, where, what, "", letter.reason)
    return isolated
