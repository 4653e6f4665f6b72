"""Keyed pseudonyms for user ids: HMAC-SHA-256, used in graph and topics alike when a key is configured."""

import hmac
from functools import lru_cache

import msgspec
from pydantic import SecretStr

from graph.model import ANONYMOUS_PREFIX, Interaction


class Pseudonyms:
    """Replaces user ids, or leaves them alone without a key. Anonymous users stay recognisable as such."""

    def __init__(self, key: SecretStr | None) -> None:
        self._key = key.get_secret_value().encode() if key is not None else None
        self._cached = lru_cache(maxsize=65_536)(self._compute)

    def of(self, user_id: str) -> str:
        """Return a user's pseudonym; the id itself without a key."""
        return self._cached(user_id)

    def apply(self, interaction: Interaction) -> Interaction:
        """Return the interaction under the user's pseudonym."""
        if self._key is None:
            return interaction
        return msgspec.structs.replace(interaction, user_id=self.of(interaction.user_id))

    def _compute(self, user_id: str) -> str:
        if self._key is None:
            return user_id
        digest = hmac.digest(self._key, user_id.encode(), "sha256").hex()
        return f"{ANONYMOUS_PREFIX}{digest}" if user_id.startswith(ANONYMOUS_PREFIX) else digest
