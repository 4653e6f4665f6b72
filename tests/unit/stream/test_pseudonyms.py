import hashlib
import hmac

from pydantic import SecretStr

from graph.model import Interaction, Kind
from stream.pseudonyms import Pseudonyms

KEY = "k" * 32


def interaction(user_id: str) -> Interaction:
    return Interaction("e1", Kind.VIEW, user_id, "i1", 7, order_id="o1")


def pseudonym(user_id: str, key: str = KEY) -> str:
    return Pseudonyms(SecretStr(key)).apply(interaction(user_id)).user_id


def test_without_a_key_nothing_changes() -> None:
    given = interaction("u1")
    assert Pseudonyms(None).apply(given) is given


def test_it_is_hmac_sha_256_so_that_others_can_compute_it() -> None:
    assert pseudonym("u1") == hmac.new(KEY.encode(), b"u1", hashlib.sha256).hexdigest()


def test_only_the_user_changes() -> None:
    applied = Pseudonyms(SecretStr(KEY)).apply(interaction("u1"))
    assert applied.user_id != "u1"
    assert (applied.event_id, applied.item_id, applied.occurred_at, applied.order_id) == ("e1", "i1", 7, "o1")


def test_the_same_user_is_the_same_again_and_another_another() -> None:
    assert pseudonym("u1") == pseudonym("u1")
    assert pseudonym("u1") != pseudonym("u2")
    assert pseudonym("u1") != pseudonym("u1", "another key")


def test_anonymous_users_stay_recognisable_and_apart() -> None:
    assert pseudonym("anon:u1").startswith("anon:")
    assert pseudonym("anon:u1").removeprefix("anon:") != pseudonym("u1")
