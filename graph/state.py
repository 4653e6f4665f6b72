"""The state of one user: everything that the user's edges and lists are a function of.

What can still be taken back is kept one by one (purchases, cart additions, and their reversals); the rest is folded
into decayed sums. Encoded as one format byte and a compressed msgpack array; a higher format than ours is refused.
"""

import zlib
from bisect import insort
from hashlib import blake2b

import msgspec

from graph.decay import merge_decayed
from graph.model import VIEWING, Interaction, Kind
from graph.reversals import Action, is_lost, reversed_additions
from graph.settings import InterestSettings
from graph.store import Refused

STATE_FORMAT = 1
_ID_BYTES = 8
_SHOWN_TIMES = 8
_SHOWN_ITEMS = 100


class HistoryEntry(msgspec.Struct, array_like=True):
    """One interaction that counts for encoders and transitions.

    ``category`` is the one used when transitions were last emitted, so that they can be taken back exactly.
    ``active`` is False once the purchase was refunded or the cart addition removed.
    """

    at: int
    event_id: str
    item_id: str
    kind: Kind
    price: float | None = None
    currency: str | None = None
    category: str | None = None
    active: bool = True

    @property
    def key(self) -> tuple[int, str]:
        """Position in time: (ms, event id)."""
        return self.at, self.event_id


class ItemSums(msgspec.Struct, array_like=True):
    """Folded contributions of one item: ``value`` valid at ``at`` (ms); counts are never decayed.

    ``hint`` is the category that the latest event (``hint_at``, ``hint_id``) itself named. ``cart_additions`` only
    tells that there are some which can no longer be taken back.
    """

    value: float = 0.0
    at: int = 0
    views: int = 0
    purchases: int = 0
    last_at: int = 0
    hint: str | None = None
    hint_at: int = 0
    hint_id: str = ""
    cart_additions: int = 0


class CategorySums(msgspec.Struct, array_like=True):
    """Contributions of items that were folded into their category, and stay there."""

    value: float
    at: int
    views: int
    purchases: int


class UserState(msgspec.Struct, array_like=True):
    """See the module. Lists of actions and the history are sorted by (time, event id).

    ``shown``: the latest times (ms) at which a recommendation showed an item, ascending, for the items shown last.
    """

    events: int = 0
    last_event_at: int = 0
    event_ids: bytes = b""
    history: list[HistoryEntry] = []
    items: dict[str, ItemSums] = {}
    categories: dict[str, CategorySums] = {}
    purchases: list[Action] = []
    refunds: list[Action] = []
    cart_additions: list[Action] = []
    cart_removals: list[Action] = []
    forgotten_reversals: int = 0
    shown: dict[str, list[int]] = {}


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(UserState)
_COMPRESSION = 1
"""The fastest level: ids and categories repeat so often that it keeps a third (15 interactions: 3.5 KB to 1.1 KB)."""


def encode_state(state: UserState) -> bytes:
    """Return the bytes kept in the store."""
    return bytes([STATE_FORMAT]) + zlib.compress(_encoder.encode(state), _COMPRESSION)


def decode_state(data: bytes) -> UserState:
    """Read :func:`encode_state`'s bytes. Raises Refused when a newer version wrote them."""
    if data[0] != STATE_FORMAT:
        raise Refused(f"user state has format {data[0]}, this version reads {STATE_FORMAT}: upgrade all workers")
    return _decoder.decode(zlib.decompress(memoryview(data)[1:]))


def _fingerprint(event_id: str) -> bytes:
    return blake2b(event_id.encode(), digest_size=_ID_BYTES).digest()


def _remembers(event_ids: bytes, fingerprint: bytes) -> bool:
    at = event_ids.find(fingerprint)
    while at >= 0 and at % _ID_BYTES:
        at = event_ids.find(fingerprint, at + 1)
    return at >= 0


def add_interaction(state: UserState, interaction: Interaction, settings: InterestSettings) -> bool:
    """Add one interaction to the state, in place; return False when its event id is already known.

    Call :func:`settle` after the last one of a bundle. Order of arrival does not matter to the result, within the
    bounds of the settings.
    """
    fingerprint = _fingerprint(interaction.event_id)
    if _remembers(state.event_ids, fingerprint):
        return False
    state.event_ids = (state.event_ids + fingerprint)[-settings.max_event_ids * _ID_BYTES :]
    state.events += 1
    state.last_event_at = max(state.last_event_at, interaction.occurred_at)
    kind = interaction.kind
    if kind is Kind.IMPRESSION:
        if interaction.recommendation_id:
            _note_shown(state, interaction)
        return True
    action = Action(interaction.occurred_at, interaction.event_id, interaction.item_id, interaction.order_id)
    if kind is Kind.REFUND:
        insort(state.refunds, action, key=_key)
        return True
    if kind is Kind.REMOVE_FROM_CART:
        insort(state.cart_removals, action, key=_key)
        return True
    _touch_item(state, interaction, settings)
    if kind is Kind.PURCHASE:
        insort(state.purchases, action, key=_key)
    elif kind is Kind.ADD_TO_CART:
        insort(state.cart_additions, action, key=_key)
    entry = HistoryEntry(
        interaction.occurred_at,
        interaction.event_id,
        interaction.item_id,
        kind,
        interaction.price,
        interaction.currency,
    )
    insort(state.history, entry, key=_key)
    return True


def _note_shown(state: UserState, interaction: Interaction) -> None:
    times = sorted([*state.shown.get(interaction.item_id, ()), interaction.occurred_at])
    state.shown[interaction.item_id] = times[-_SHOWN_TIMES:]
    if len(state.shown) > _SHOWN_ITEMS:
        del state.shown[min(state.shown, key=lambda item_id: (state.shown[item_id][-1], item_id))]


def _key(entry: Action | HistoryEntry) -> tuple[int, str]:
    return entry.at, entry.event_id


def _touch_item(state: UserState, interaction: Interaction, settings: InterestSettings) -> None:
    sums = state.items.get(interaction.item_id)
    if sums is None:
        sums = state.items[interaction.item_id] = ItemSums()
    sums.last_at = max(sums.last_at, interaction.occurred_at)
    if interaction.category and (interaction.occurred_at, interaction.event_id) >= (sums.hint_at, sums.hint_id):
        sums.hint, sums.hint_at, sums.hint_id = interaction.category, interaction.occurred_at, interaction.event_id
    if interaction.kind in VIEWING:
        weight = settings.view_weight if interaction.kind is Kind.VIEW else settings.click_weight
        sums.views += 1
        _fold(sums, weight, interaction.occurred_at, settings)


def _fold(sums: ItemSums | CategorySums, value: float, at: int, settings: InterestSettings) -> None:
    if value == 0.0:
        return
    if sums.value == 0.0:
        sums.value, sums.at = value, at
    else:
        sums.value, sums.at = merge_decayed(sums.value, sums.at, value, at, settings.half_life_seconds)


def settle(state: UserState, settings: InterestSettings) -> None:
    """Mark in the history what was taken back, and fold what exceeds the bounds, oldest first."""
    bought = Kind.PURCHASE, state.purchases, state.refunds, settings.max_purchases
    carted = Kind.ADD_TO_CART, state.cart_additions, state.cart_removals, settings.max_cart_additions
    for kind, additions, reversals, limit in (bought, carted):
        if not reversals and len(additions) <= limit:
            continue
        forgotten = _forgotten_items(state, kind, reversals)
        taken = reversed_additions(additions, reversals, forgotten)
        _mark_history(state.history, kind, additions, taken)
        _fold_oldest(state, kind, additions, reversals, taken, limit, settings)
        _count_out(state, reversals, taken, forgotten, limit)


def _forgotten_items(state: UserState, kind: Kind, reversals: list[Action]) -> set[str]:
    """Return the items with a reversal that have additions which are no longer kept one by one."""
    found = set()
    for reversal in reversals:
        sums = state.items.get(reversal.item_id)
        if sums is not None and (sums.purchases if kind is Kind.PURCHASE else sums.cart_additions):
            found.add(reversal.item_id)
    return found


def _mark_history(history: list[HistoryEntry], kind: Kind, additions: list[Action], taken: dict[str, str]) -> None:
    if not additions:
        return
    oldest = additions[0].key
    for entry in history:
        if entry.kind is kind and entry.key >= oldest:  # what is older was folded, and stays as it was
            entry.active = entry.event_id not in taken


def _fold_oldest(
    state: UserState,
    kind: Kind,
    additions: list[Action],
    reversals: list[Action],
    taken: dict[str, str],
    limit: int,
    settings: InterestSettings,
) -> None:
    excess = max(0, len(additions) - limit)
    oldest, additions[:] = additions[:excess], additions[excess:]
    done = {reversal for addition in oldest if (reversal := taken.get(addition.event_id))}
    reversals[:] = [reversal for reversal in reversals if reversal.event_id not in done]
    for addition in oldest:
        if taken.pop(addition.event_id, None) is not None:
            continue
        # The item may have been folded into its category meanwhile; then it starts again with this contribution.
        sums = state.items.setdefault(addition.item_id, ItemSums(last_at=addition.at))
        if kind is Kind.PURCHASE:
            sums.purchases += 1
            _fold(sums, settings.purchase_weight, addition.at, settings)
        else:
            sums.cart_additions += 1
            _fold(sums, settings.add_to_cart_weight, addition.at, settings)


def _count_out(
    state: UserState, reversals: list[Action], taken: dict[str, str], forgotten: set[str], limit: int
) -> None:
    """Count and drop the reversals whose addition is no longer kept, and the oldest waiting ones beyond the bound."""
    met = set(taken.values())
    unmet = [reversal for reversal in reversals if reversal.event_id not in met]
    waiting = [reversal for reversal in unmet if not is_lost(reversal, reversal.item_id in forgotten)]
    kept = met.union(reversal.event_id for reversal in waiting[max(0, len(waiting) - limit) :])
    before = len(reversals)
    reversals[:] = [reversal for reversal in reversals if reversal.event_id in kept]
    state.forgotten_reversals += before - len(reversals)


def active_actions(additions: list[Action], reversals: list[Action]) -> list[Action]:
    """Return the additions that were not taken back, oldest first."""
    taken = reversed_additions(additions, reversals)
    return [addition for addition in additions if addition.event_id not in taken] if taken else list(additions)


def trim_history(state: UserState, settings: InterestSettings) -> None:
    """Let the oldest entries beyond the bound fall out of the history."""
    excess = len(state.history) - settings.max_history
    if excess > 0:
        del state.history[:excess]
