"""Every number of the graph that an operator may change, with its unit and its reason."""

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt

from graph.ranking.settings import RankingSettings

DAY_SECONDS = 86_400.0


class InterestSettings(BaseModel):
    """How interactions become interests."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    half_life_seconds: PositiveFloat = Field(7 * DAY_SECONDS, description="An interest halves in this time.")
    click_weight: float = Field(1.0, ge=0, description="What a click adds.")
    view_weight: float = Field(1.0, ge=0, description="What a view adds.")
    add_to_cart_weight: float = Field(3.0, ge=0, description="What an addition to the cart adds.")
    purchase_weight: float = Field(5.0, ge=0, description="What a purchase adds; quantity never weighs.")
    max_edges: PositiveInt = Field(50, description="Interests of a user that are drawn in the graph.")
    max_items: PositiveInt = Field(200, description="Items kept apart per user; older ones fold into their category.")
    max_categories: PositiveInt = Field(200, description="Categories whose sums stay in a user's state.")
    max_purchases: PositiveInt = Field(
        4096, description="Purchases of a user that a refund can still take back, and that lists know of."
    )
    max_cart_additions: PositiveInt = Field(256, description="Cart additions that a removal can still take back.")
    max_event_ids: PositiveInt = Field(4096, description="Event ids remembered per user to drop producer retries.")
    max_history: PositiveInt = Field(64, description="Interactions of a user that encoders and transitions see.")


class AssociationSettings(BaseModel):
    """How users' transitions become associations of categories and items."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    half_life_seconds: PositiveFloat = Field(60 * DAY_SECONDS, description="A transition's weight halves in this time.")
    max_gap: PositiveInt = Field(5, description="A transition spans at most so many steps; its weight is 1/steps.")
    view_window_seconds: PositiveFloat = Field(DAY_SECONDS, description="Longest time between two viewed items.")
    purchase_window_seconds: PositiveFloat = Field(180 * DAY_SECONDS, description="Longest time between purchases.")
    min_users: PositiveInt = Field(5, description="An association of categories counts from this many users on.")
    min_log_likelihood_ratio: float = Field(10.83, ge=0, description="Evidence gate: chi-squared, 1 df, p = 0.001.")
    max_category_successors: PositiveInt = Field(1000, description="Kept per category and family; the weakest leave.")
    max_item_successors: PositiveInt = Field(200, description="Kept per item and family; the weakest leave first.")


class ListSettings(BaseModel):
    """The rules and weights of the two lists."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: PositiveInt = Field(10, description="Items per list.")
    owned_seconds: PositiveFloat = Field(30 * DAY_SECONDS, description="An item bought within this time is left out.")
    saturation: float = Field(
        0.9, ge=0, le=1, description="Factor on a category bought in within `owned_seconds`; repeats are spared."
    )
    up_sell_min_ratio: float = Field(1.05, gt=1, description="Lowest price of an up-sell item over its anchor's.")
    up_sell_max_ratio: float = Field(2.5, gt=1, description="Highest price of an up-sell item over its anchor's.")
    anchors: PositiveInt = Field(5, description="Latest distinct items that up-sell starts from.")
    category_feature: float = Field(0.2, ge=0, description="Weight of the category association.")
    transition_feature: float = Field(4.0, ge=0, description="Weight of the item transitions in cross-sell.")
    up_sell_transition_feature: float = Field(
        8.0, ge=0, description="The same in up-sell, where few of the steps from the history end."
    )
    embedding_feature: float = Field(0.4, ge=0, description="Weight of the embedding's cosine in cross-sell.")
    up_sell_embedding_feature: float = Field(0.8, ge=0, description="The same in up-sell.")
    likeness_feature: float = Field(
        0.2, ge=0, description="Weight of the cosine with one of the latest items of other categories."
    )
    words_feature: float = Field(
        1.0, ge=0, description="Weight of the words shared with the latest item, where that is of another category."
    )
    repeat_feature: float = Field(
        1.5, ge=0, description="Weight of having bought the item before, for users who do buy again."
    )
    popularity_feature: float = Field(0.05, ge=0, description="Weight of the decayed popularity.")
    up_sell_repeat_feature: float = Field(0.5, ge=0, description="The same in up-sell.")
    up_sell_popularity_feature: float = Field(0.0, ge=0, description="The same in up-sell.")
    diversity: float = Field(0.1, ge=0, le=1, description="Share of maximal marginal relevance given to novelty.")
    max_per_category: PositiveInt = Field(4, description="Cross-sell items of one category while others are left.")
    calibration: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Share given to a mix of categories like that of the user's associations.",
    )
    max_per_brand: PositiveInt | None = Field(None, description="Items of one brand in a list while others are left.")
    max_head_items: PositiveInt | None = Field(
        None, description="Items of the head in a list while others are left: the rest is the long tail's."
    )
    head_share: float = Field(0.5, ge=0, le=1, description="The head: the fewest items with this part of all weight.")
    ignored_factor: float = Field(0.8, gt=0, le=1, description="On the score, for each time it was shown in vain.")
    ignored_half_life_seconds: PositiveFloat = Field(2 * DAY_SECONDS, description="Such a time counts half after that.")
    exploration: float = Field(
        0.0, ge=0, le=1, description="Probability that the last cross-sell place shows a candidate drawn by lot."
    )
    new_items: int = Field(1, ge=0, description="Places of the cross-sell list for new, untried items that fit.")
    new_seconds: PositiveFloat = Field(30 * DAY_SECONDS, description="An item is new for so long, untried.")
    new_item_users: int = Field(
        1000, ge=0, description="Users ranked again at once when new items come, for all that come together; 0: nobody."
    )
    micro_topics: int = Field(
        5, ge=0, description="Micro-topics of the user that a message names, where items have any."
    )


class NextVisitSettings(BaseModel):
    """Lists for the user's next visit, beside those for the next step: the same candidates under other weights."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    enabled: bool = Field(True, description="Whether every message also holds lists for the user's next visit.")
    category_feature: float = Field(0.0, ge=0, description="Weight of the category association.")
    transition_feature: float = Field(4.0, ge=0, description="Weight of the item transitions in cross-sell.")
    up_sell_transition_feature: float = Field(8.0, ge=0, description="The same in up-sell.")
    embedding_feature: float = Field(2.0, ge=0, description="Weight of the embedding's cosine in cross-sell.")
    likeness_feature: float = Field(0.0, ge=0, description="Weight of the likeness to one of the latest items.")
    words_feature: float = Field(1.0, ge=0, description="Weight of the words shared with the latest item.")
    repeat_feature: float = Field(6.0, ge=0, description="Weight of having bought the item before.")
    popularity_feature: float = Field(1.0, ge=0, description="Weight of the decayed popularity.")
    up_sell_embedding_feature: float = Field(1.6, ge=0, description="Weight of the embedding's cosine in up-sell.")
    up_sell_price_feature: float = Field(0.1, ge=0, description="Weight of a moderate gain in price.")
    up_sell_repeat_feature: float = Field(6.0, ge=0, description="Weight of having bought it before, in up-sell.")
    up_sell_popularity_feature: float = Field(2.0, ge=0, description="Weight of the decayed popularity, in up-sell.")
    saturation: float = Field(
        1.0, ge=0, le=1, description="Factor on a category bought in within `graph.lists.owned_seconds`."
    )


class SignalSettings(BaseModel):
    """When silence becomes a warning, and which news of an item reach whom."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    visit_half_life_seconds: PositiveFloat = Field(180 * DAY_SECONDS, description="A visit counts half after so long.")
    prior_visits: PositiveFloat = Field(0.08, description="Visits that every user is taken to have made before.")
    prior_seconds: PositiveFloat = Field(62 * DAY_SECONDS, description="In so much time.")
    horizon_seconds: PositiveFloat = Field(60 * DAY_SECONDS, description="A warning says: no visit within this time.")
    threshold: float = Field(0.7, gt=0, lt=1, description="Probability of that from which on it is said.")
    min_category_visits: PositiveInt = Field(2, description="Visits to a category before its loss is a loss.")
    min_price_drop: float = Field(0.1, gt=0, lt=1, description="Least part of the price that a drop takes off.")
    min_interest: PositiveFloat = Field(1.0, description="Least weight now of the interest that an item's news fits.")
    max_users: int = Field(1000, ge=0, description="Users who are told of one item, the most interested; 0: nobody.")


class GraphSettings(BaseModel):
    """All of the above."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    interest: InterestSettings = InterestSettings()
    association: AssociationSettings = AssociationSettings()
    lists: ListSettings = ListSettings()
    next_visit: NextVisitSettings = NextVisitSettings()
    ranking: RankingSettings = RankingSettings()
    signals: SignalSettings = SignalSettings()
