from graph.model import Kind
from graph.state import HistoryEntry, ItemSums, UserState, encode_state
from graph.store import StoredUser
from stream.users import CachedUser, UserCache, loaded_user


def cached(*names: str, capacity: int = 3) -> UserCache:
    cache = UserCache(capacity)
    cache.put(CachedUser(name, 1, UserState()) for name in names)
    return cache


def present(cache: UserCache, names: str) -> str:
    return "".join(name for name in names if cache.get(name) is not None)


def test_the_least_recently_used_leaves_first() -> None:
    cache = cached("a", "b", "c")
    assert cache.get("a") is not None
    cache.put([CachedUser("d", 1, UserState())])
    assert len(cache) == 3
    assert present(cache, "abcd") == "acd"


def test_putting_again_replaces_and_counts_as_use() -> None:
    cache = cached("a", "b", "c")
    cache.put([CachedUser("a", 2, UserState()), CachedUser("d", 1, UserState())])
    assert present(cache, "abcd") == "acd"
    found = cache.get("a")
    assert found is not None
    assert found.version == 2


def test_a_batch_larger_than_the_cache_keeps_its_last() -> None:
    assert present(cached("a", "b", "c", "d", "e", capacity=2), "abcde") == "de"


def test_those_used_last_come_first_and_looking_is_no_use() -> None:
    cache = cached("a", "b", "c")
    assert cache.get("a") is not None
    for _ in range(2):
        assert [user.user_id for user in cache.latest()] == ["a", "c", "b"]


def test_dropping_and_clearing() -> None:
    cache = cached("a", "b")
    cache.drop(["a", "unknown"])
    assert present(cache, "ab") == "b"
    cache.clear()
    assert len(cache) == 0


def test_a_stored_user_goes_on_where_it_was() -> None:
    stored = StoredUser("u1", 7, encode_state(UserState(events=3, last_event_at=9)))
    user = loaded_user("u1", stored)
    assert (user.user_id, user.version, user.state.events, user.state.last_event_at) == ("u1", 7, 3, 9)


def test_new_users_share_nothing() -> None:
    one, other = loaded_user("u1", None), loaded_user("u2", None)
    one.state.items["i1"] = ItemSums(1.0)
    one.state.history.append(HistoryEntry(1, "e1", "i1", Kind.VIEW))
    assert (other.state.items, other.state.history, other.version) == ({}, [], 0)
