"""The names of lost events: looked up in the bundles once a user is known to miss some."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from hashlib import blake2b

from graph.state import UserState
from graph.store import GraphStore
from stream.checking.findings import Findings, Invariant
from stream.checking.letters import named
from stream.checking.replay import read_bundle
from stream.checking.topics import Record
from stream.checking.user_differences import remembered_ids, stored_state
from stream.settings import Settings

_MOST_USERS = 20
"""Of each partition: who misses more than that needs no list of names."""


async def name_lost_events(
    store: GraphStore,
    states: Mapping[str, UserState],
    records: Iterable[Record],
    settings: Settings,
    findings: Findings,
) -> None:
    """Report the events that users (recomputed states, by id) should remember and do not, by name and place."""
    user_ids = list(states)[:_MOST_USERS]
    stored = await store.load_users(user_ids)
    lost: dict[str, set[bytes]] = {}
    for user_id in user_ids:
        state = stored_state(stored[user_id]) if user_id in stored else None
        if ids := remembered_ids(states[user_id]) - (remembered_ids(state) if state else set()):
            lost[user_id] = ids
    if not lost:
        return
    named_already: defaultdict[str, set[bytes]] = defaultdict(set)
    for record in records:
        bundle = read_bundle(record, findings)
        for entry in bundle.entries if bundle else ():
            interaction = entry.interaction
            fingerprint = event_fingerprint(interaction.event_id)
            if fingerprint not in lost.get(interaction.user_id, ()):
                continue
            if bundle is None or fingerprint in named_already[interaction.user_id]:
                continue
            named_already[interaction.user_id].add(fingerprint)
            source = int(bundle.sources[entry.source].rpartition("/")[2])
            place = named((settings.topics.interactions, source, entry.offset))
            where = f"event {interaction.event_id} of user {interaction.user_id} ({place})"
            findings.differ(Invariant.ACCOUNTING, where, "is lost: its user does not remember it")


def event_fingerprint(event_id: str) -> bytes:
    """Return the eight bytes (BLAKE2b) under which states remember an event id."""
    return blake2b(event_id.encode(), digest_size=8).digest()
