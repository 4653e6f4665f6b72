"""How far the ranker looks for candidates, and how it scales what it finds."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, PositiveFloat, PositiveInt


class RankingSettings(BaseModel):
    """Bounds and exponents of the ranking core; the weights and rules of the lists are in ListSettings."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    interest_sources: PositiveInt = Field(10, description="Strongest interests that category associations start from.")
    home_interests: PositiveInt = Field(3, description="Strongest interests whose categories are not 'other' ones.")
    target_categories: PositiveInt = Field(5, description="Associated categories whose items become candidates.")
    items_per_category: PositiveInt = Field(20, description="Most popular items taken from such a category.")
    category_successors: PositiveInt = Field(50, description="Strongest associations kept per category.")
    history_items: PositiveInt = Field(40, description="Latest distinct items that item transitions start from.")
    history_decay: float = Field(0.7, gt=0, le=1, description="Each older distinct item counts this much less.")
    history_floor: float = Field(0.1, ge=0, le=1, description="But none counts less than this, the latest being 1.")
    transition_half: PositiveFloat = Field(1.0, description="Transitions of this strength count half of the most.")
    likeness_items: PositiveInt = Field(1, description="Latest distinct items that cross-sell compares an item with.")
    word_items: PositiveInt = Field(20, description="Items offered that share most words with the latest one.")
    repeat_half: PositiveFloat = Field(1.0, description="So many repeat purchases make half of a full habit.")
    item_successors: PositiveInt = Field(
        100, description="Heaviest transitions followed from the latest item, per family; fewer from what counts less."
    )
    source_exponent: float = Field(0.5, ge=0, le=1, description="Damps items that lead to much: (out + 1)^-x.")
    target_exponent: float = Field(0.1, ge=0, le=1, description="Damps items that much leads to: (in + 1)^-x.")
    viewed_factor: float = Field(0.5, ge=0, le=1, description="In cross-sell: a VIEWED_NEXT against a BOUGHT_NEXT.")
    bought_factor: float = Field(0.5, ge=0, le=1, description="In up-sell: a BOUGHT_NEXT against a VIEWED_NEXT.")
    popular_items: PositiveInt = Field(60, description="Popular items offered to every user, spread over categories.")
    band_items: PositiveInt = Field(40, description="Items taken from the middle of an anchor's price band.")
    price_feature: PositiveFloat = Field(0.2, description="Weight of a moderate gain in price (up-sell).")
    pool: PositiveInt = Field(50, description="Best candidates among which diversity chooses.")
    newcomers: PositiveInt = Field(200, description="Latest new items that are offered to every user.")
    tried_weight: PositiveFloat = Field(5.0, description="A new item is tried once its transitions weigh so much.")
    learned_file: Path | None = Field(
        None, description="Learned weights (`train ranker`) instead of those of `graph.lists` and `price_feature`."
    )
    learned_watch_seconds: NonNegativeFloat = Field(
        10.0, description="How often a worker looks for a new file there; 0: only when it starts."
    )
