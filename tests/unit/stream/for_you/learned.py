"""A small made-up shop as a worker hears of it, and the model that is learned of it."""

from functools import cache
from pathlib import Path

from graph.advance import advance
from graph.model import Interaction, ItemRow
from graph.settings import GraphSettings
from graph.state import UserState
from stream.evaluation.contest import Contest
from stream.evaluation.plan import Shop
from stream.event_files import read_catalogue
from stream.for_you.log import shop_of
from stream.for_you.training import Learned, train_for_you
from stream.settings import TrackerSettings
from stream.training_files import latest_rows, read_interactions
from stream.users import CachedUser
from tests.unit.stream.evaluation.small_shops import unseen, write_shop

SHIFT_MS = 1_700_000_000_000


def rows_and_interactions(folder: Path) -> tuple[list[ItemRow], list[Interaction]]:
    """What the files of :func:`write_shop` say, to a worker."""
    events, items = write_shop(folder)
    rows, refused_rows = latest_rows(read_catalogue(items), TrackerSettings())
    interactions, refused = read_interactions(events, TrackerSettings(), SHIFT_MS, lambda: None)
    assert not refused
    assert not refused_rows
    return rows, interactions


@cache
def learned_of(folder: Path, occasion: str) -> tuple[Shop, list[Interaction], Learned]:
    """The shop, its interactions and what is learned; once for all tests that ask with one folder."""
    rows, interactions = rows_and_interactions(folder)
    shop = shop_of(interactions, rows, sessions=occasion == "next-visit")
    return shop, interactions, train_for_you(shop, occasion, Contest(0, unseen, baselines=False))


def users_of(interactions: list[Interaction]) -> dict[str, CachedUser]:
    """Every user as a worker remembers them, one interaction after the other."""
    users: dict[str, CachedUser] = {}
    for one in interactions:
        user = users.setdefault(one.user_id, CachedUser(one.user_id, 0, UserState()))
        advance(user.state, [one], lambda _: None, GraphSettings())
    return users
