"""What the owner of a source knows about its successors: decayed weights, counts, distinct users.

Deltas of many users add up in any order. The state of a source is opaque bytes in the store and a
:class:`graph.model.SuccessorRecord` on the associations topic.
"""

import msgspec

from graph.decay import decay_factor, merge_decayed
from graph.model import Family, Level, Successor, SuccessorRecord
from graph.settings import AssociationSettings
from graph.store import Refused
from graph.transitions import Delta

SOURCE_FORMAT = 1
RECORD_BYTES = 1_500_000
"""Of a published record: a broker takes no larger ones, and whoever sends events chooses how long categories are."""
_CHARACTER_BYTES = 4
_SUCCESSOR_BYTES = 40
"""Of a successor besides its target, at most."""


class PairSums(msgspec.Struct, array_like=True):
    """One directed association: ``weight`` valid at ``at`` (ms), ``count`` transitions, ``users`` that hold it."""

    weight: float
    at: int
    count: int
    users: int


class SourceState(msgspec.Struct, array_like=True):
    """All successors of one source, by family and target."""

    level: Level
    source: str
    viewed: dict[str, PairSums] = {}
    bought: dict[str, PairSums] = {}

    def family(self, family: Family) -> dict[str, PairSums]:
        """Return the successors of one family."""
        return self.viewed if family is Family.VIEWED_NEXT else self.bought


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(SourceState)


def source_key(level: Level, source: str) -> str:
    """Return the key of a source: in the store, on the associations topic, and for choosing its owner."""
    return f"{level.value}|{source}"


def encode_source(state: SourceState) -> bytes:
    """Return the bytes kept in the store; empty when the source has no successor left."""
    if not state.viewed and not state.bought:
        return b""
    return bytes([SOURCE_FORMAT]) + _encoder.encode(state)


def decode_source(data: bytes) -> SourceState:
    """Read :func:`encode_source`'s bytes. Raises Refused when a newer version wrote them."""
    if data[0] != SOURCE_FORMAT:
        raise Refused(
            f"association state has format {data[0]}, this version reads {SOURCE_FORMAT}: upgrade all workers"
        )
    return _decoder.decode(memoryview(data)[1:])


def add_delta(state: SourceState, delta: Delta, settings: AssociationSettings) -> None:
    """Add one delta, in place. A pair whose last transition was taken back is gone, exactly."""
    successors = state.family(delta.family)
    sums = successors.get(delta.target)
    if sums is None:
        if delta.count > 0:
            weight = max(0.0, delta.weight)
            successors[delta.target] = PairSums(weight, delta.at, delta.count, max(0, delta.users))
        return  # what was already forgotten cannot be taken back
    sums.count += delta.count
    sums.users = max(0, sums.users + delta.users)
    if sums.count <= 0:
        del successors[delta.target]
    elif delta.at:
        weight, sums.at = merge_decayed(sums.weight, sums.at, delta.weight, delta.at, settings.half_life_seconds)
        sums.weight = max(0.0, weight)  # what is left after taking back may round to a hair below nothing


def forget_weakest(state: SourceState, family: Family, settings: AssociationSettings) -> list[str]:
    """Drop the weakest successors beyond the bound, in place; return their targets."""
    successors = state.family(family)
    limit = settings.max_category_successors if state.level is Level.CATEGORY else settings.max_item_successors
    excess = len(successors) - limit
    if excess <= 0:
        return []
    newest = max(sums.at for sums in successors.values())

    def strength(target: str) -> tuple[float, str]:
        sums = successors[target]
        return sums.weight * decay_factor(newest - sums.at, settings.half_life_seconds), target

    weakest = sorted(successors, key=strength)[:excess]
    for target in weakest:
        del successors[target]
    return weakest


def successor_record(
    state: SourceState, settings: AssociationSettings, max_bytes: int = RECORD_BYTES
) -> SuccessorRecord:
    """Return the published form: every weight brought to the time of the newest, successors ordered by target.

    What would make the record larger than about ``max_bytes`` is left out, the weakest first: with targets of ordinary
    length that is never the case.
    """
    every = [*state.viewed.values(), *state.bought.values()]
    newest = max((sums.at for sums in every), default=0)
    kept = _strongest_that_fit(state, newest, settings, max_bytes)

    def published(family: Family) -> tuple[Successor, ...]:
        return tuple(
            Successor(
                target,
                sums.weight * decay_factor(newest - sums.at, settings.half_life_seconds),
                sums.count,
                sums.users,
            )
            for target, sums in sorted(state.family(family).items())
            if kept is None or (family, target) in kept
        )

    viewed, bought = published(Family.VIEWED_NEXT), published(Family.BOUGHT_NEXT)
    return SuccessorRecord(state.level, state.source, newest, viewed, bought)


def _strongest_that_fit(
    state: SourceState, newest: int, settings: AssociationSettings, max_bytes: int
) -> set[tuple[Family, str]] | None:
    """Return the pairs that fit into ``max_bytes``, or None when all do."""
    pairs = [(family, target) for family in Family for target in state.family(family)]
    if sum(len(target) for _, target in pairs) * _CHARACTER_BYTES + len(pairs) * _SUCCESSOR_BYTES <= max_bytes:
        return None

    def strength(pair: tuple[Family, str]) -> tuple[float, str, str]:
        family, target = pair
        sums = state.family(family)[target]
        return sums.weight * decay_factor(newest - sums.at, settings.half_life_seconds), target, family.value

    kept: set[tuple[Family, str]] = set()
    size = 0
    for pair in sorted(pairs, key=strength, reverse=True):
        size += len(pair[1].encode()) + _SUCCESSOR_BYTES
        if size > max_bytes:
            break
        kept.add(pair)
    return kept
