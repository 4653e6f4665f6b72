"""The state of one user: everything that the user's edges and lists are a function of.

What can still be taken back is kept one by one (purchases, cart additions, and their reversals); the rest is folded
into decayed sums. Encoded as one format byte and a msgpack array; a higher format than ours is refused.
"""

from bisect import insort
from hashlib import blake2b

import msgspec

from graph.decay import merge_decayed
from graph.model import VIEWING, Interaction, Kind
from graph.reversals import Action, reversed_additions
from graph.settings import InterestSettings
from graph.store import Refused

STATE_FORMAT = 1
_ID_BYTES = 8


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

    ``hint`` is the category that the latest event (``hint_at``, ``hint_id``) itself named.
    """

    value: float = 0.0
    at: int = 0
    views: int = 0
    purchases: int = 0
    last_at: int = 0
    hint: str | None = None
    hint_at: int = 0
    hint_id: str = ""


class CategorySums(msgspec.Struct, array_like=True):
    """Contributions of items that were folded into their category, and stay there."""

    value: float
    at: int
    views: int
    purchases: int


class UserState(msgspec.Struct, array_like=True):
    """See the module. Lists of actions and the history are sorted by (time, event id)."""

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


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(UserState)


def encode_state(state: UserState) -> bytes:
    """Return the bytes kept in the store."""
    return bytes([STATE_FORMAT]) + _encoder.encode(state)


def decode_state(data: bytes) -> UserState:
    """Read :func:`encode_state`'s bytes. Raises Refused when a newer version wrote them."""
    if data[0] != STATE_FORMAT:
        raise Refused(f"user state has format {data[0]}, this version reads {STATE_FORMAT}: upgrade all workers")
    return _decoder.decode(memoryview(data)[1:])


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
    too_many = len(state.purchases) > settings.max_purchases or len(state.cart_additions) > settings.max_cart_additions
    if not (state.refunds or state.cart_removals or too_many):
        return
    refunded = reversed_additions(state.purchases, state.refunds)
    removed = reversed_additions(state.cart_additions, state.cart_removals)
    for entry in state.history:
        if entry.kind is Kind.PURCHASE:
            entry.active = entry.event_id not in refunded
        elif entry.kind is Kind.ADD_TO_CART:
            entry.active = entry.event_id not in removed
    _fold_oldest(state, state.purchases, state.refunds, refunded, settings.max_purchases, True, settings)
    _fold_oldest(
        state, state.cart_additions, state.cart_removals, removed, settings.max_cart_additions, False, settings
    )


def _fold_oldest(
    state: UserState,
    additions: list[Action],
    reversals: list[Action],
    taken: dict[str, str],
    limit: int,
    bought: bool,
    settings: InterestSettings,
) -> None:
    while len(additions) > limit:
        oldest = additions.pop(0)
        reversal = taken.pop(oldest.event_id, None)
        if reversal is not None:
            reversals[:] = [r for r in reversals if r.event_id != reversal]
            continue
        # The item may have been folded into its category meanwhile; then it starts again with this contribution.
        sums = state.items.setdefault(oldest.item_id, ItemSums(last_at=oldest.at))
        if bought:
            sums.purchases += 1
        _fold(sums, settings.purchase_weight if bought else settings.add_to_cart_weight, oldest.at, settings)
    # A reversal whose addition is no longer remembered would wait for ever: the oldest waiting ones are counted out.
    settled = set(taken.values())
    waiting = [r for r in reversals if r.event_id not in settled]
    for forgotten in waiting[: max(0, len(waiting) - limit)]:
        reversals.remove(forgotten)
        state.forgotten_reversals += 1


def active_actions(additions: list[Action], reversals: list[Action]) -> list[Action]:
    """Return the additions that were not taken back, oldest first."""
    taken = reversed_additions(additions, reversals)
    return [addition for addition in additions if addition.event_id not in taken] if taken else list(additions)


def trim_history(state: UserState, settings: InterestSettings) -> None:
    """Let the oldest entries beyond the bound fall out of the history."""
    excess = len(state.history) - settings.max_history
    if excess > 0:
        del state.history[:excess]
