"""The dead letters, by the record that each is about."""

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import NamedTuple

import msgspec

from stream.checking.findings import Findings, Invariant
from stream.checking.topics import Record
from stream.deadletter import HEADER_PREFIX, DeadLetter, NotADeadLetter, build_dead_letter, parse_dead_letter
from stream.trackers import Reason, Stage

_encode = msgspec.msgpack.Encoder().encode
_SAID_IN_WORDS = f"{HEADER_PREFIX}message"
"""The only header that may differ between two letters about one record: it can name seconds by the clock."""

Place = tuple[str, int, int]
"""Topic, partition, offset."""


class Letter(NamedTuple):
    """What a dead letter says, and a digest of everything in it but the words of its message."""

    stage: str
    reason: str
    field: str
    digest: bytes
    found_at: str

    @property
    def unappliable(self) -> bool:
        """Tell whether interest could not apply a message that intake had accepted."""
        return (self.stage, self.reason) == (Stage.APPLY, Reason.UNAPPLIABLE)


class Letters:
    """Every letter of the dead-letter topic. A crash may repeat one; what is repeated must be the same."""

    def __init__(self, findings: Findings, *, complete: bool) -> None:
        self._findings = findings
        self.complete = complete
        """Whether the broker still has all letters."""
        self.former_topics = False
        """Whether a topic was deleted and made again: letters may be about records of the one before."""
        self._by_place: dict[Place, list[Letter]] = {}
        self._met: set[Place] = set()

    def take(self, record: Record) -> None:
        """Take in one record of the dead-letter topic."""
        self._findings.checked[Invariant.DEAD_LETTERS] += 1
        found_at = f"{record.topic}/{record.partition}@{record.offset}"
        try:
            letter = parse_dead_letter(record.headers)
        except NotADeadLetter as error:
            self._findings.differ(Invariant.DEAD_LETTERS, found_at, f"not a dead letter of ours: {error}")
            return
        place = letter.topic, letter.partition, letter.offset
        digest = _digest(record.key, record.value, record.headers)
        read = Letter(letter.stage, letter.reason, letter.field, digest, found_at)
        known = self._by_place.setdefault(place, [])
        if all(letter[:4] != read[:4] for letter in known):
            known.append(read)

    def about(self, record: Record) -> Letter | None:
        """Return the letter about a record, and report what is wrong with it."""
        place = record.topic, record.partition, record.offset
        self._met.add(place)
        letters = self._by_place.get(place, [])
        if self.former_topics:
            letters = [letter for letter in letters if same_bytes(letter, record)]
        for letter in letters:
            if not same_bytes(letter, record):
                where = f"dead letter {letter.found_at}"
                self._findings.differ(Invariant.DEAD_LETTERS, where, f"is not {named(place)} byte for byte")
        if len(letters) > 1:
            where = f"the dead letters {letters[0].found_at} and {letters[1].found_at}"
            what = f"say different things about {named(place)}"
            self._findings.differ(Invariant.DEAD_LETTERS, where, what)
        return letters[0] if letters else None

    def unmet(self) -> Iterable[tuple[Place, Letter]]:
        """Yield the letters about records that nobody asked for."""
        return ((place, letters[0]) for place, letters in self._by_place.items() if place not in self._met)


def same_bytes(letter: Letter, record: Record) -> bool:
    """Tell whether a letter holds its record's key, value and headers byte for byte."""
    told = DeadLetter(
        record.topic, record.partition, record.offset, letter.stage, letter.reason, letter.field, message=""
    )
    return letter.digest == _digest(*build_dead_letter(told, record.key, record.value, record.headers))


def named(place: Place) -> str:
    """Name a place."""
    topic, partition, offset = place
    return f"{topic}/{partition}@{offset}"


def _digest(key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes | None]]) -> bytes:
    counted = [(name, content) for name, content in headers if name != _SAID_IN_WORDS]
    return blake2b(_encode((key, value, counted)), digest_size=16).digest()
