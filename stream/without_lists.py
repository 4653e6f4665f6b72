"""Users refreshed for their state alone: where a log is caught up with, and nobody reads the lists made meanwhile."""

from collections.abc import Sequence

from graph.advance import awaited_items
from graph.interest import interests
from graph.ranking.lists import UserLists
from stream.refresher import RefreshedUser, Refresher
from stream.users import CachedUser


class UserWithoutLists(RefreshedUser):
    """A user whose lists are empty because none were made; no arrival of an item would change that."""

    @property
    def waits_for(self) -> list[str]:
        """Items whose catalogue row changes the user's interests."""
        return self.awaited


class RefresherWithoutLists(Refresher):
    """Neither encodes nor ranks: of the cost of an event what the state, the associations and the graph take."""

    async def refresh(self, users: Sequence[CachedUser], now: int) -> list[RefreshedUser]:
        """Give each user its next version; its interests have no score."""
        category_of, weights = self.knowledge.items.category_of, self.knowledge.weights
        refreshed: list[RefreshedUser] = []
        for user in users:
            user.version = max(user.version + 1, now)
            user.cross_sell = ()
            shown = interests(user.state, category_of, self._settings.interest)[: self._settings.interest.max_edges]
            nothing = UserLists(user.user_id, (), ())
            awaited = awaited_items(user.state, category_of)
            refreshed.append(UserWithoutLists(user, shown, nothing, awaited, "", weights.version))
        return refreshed
