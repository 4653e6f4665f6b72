"""Which features belong to one idea, so that it can be taken out as a whole."""

FAMILIES = {
    "transitions": ("transitions", "slow transitions", "predecessors", "next step", "two hops"),
    "nearness": ("nearness", "two hops of nearness"),
    "taken together": ("same users", "same basket", "same basket of late"),
    "neighbours": ("neighbours", "like-minded users"),
    "own items": ("own", "own of late", "own and popular"),
    "latent": ("EASE", "latent neighbours", "item vectors"),
    "trained encoder": ("trained encoder",),
    "text": (
        *("text", "transitions of similar text", "text of transitions"),
        *("nearness of similar text", "text of nearness", "text vectors"),
    ),
    "brands and categories": (
        *(
            f"{led} {label}"
            for led in ("same", "next", "popular of next")
            for label in ("brand", "category", "top category")
        ),
    ),
    "popularity and age": ("popularity", "root of popularity"),
}
_BY_NAME = {name: family for family, names in FAMILIES.items() for name in names}
_FORMS = ("log ", "absolute ", "relative ")
_GROUPS = {"own": "own items", "item": "popularity and age", "history": "history"}
_BY_NAME["price over usual"] = "history"


def family_of(feature: str) -> str:
    """Return the family of a feature of the table. Raises KeyError for an unknown one."""
    for form in _FORMS:
        feature = feature.removeprefix(form)
    group, grouped, _ = feature.partition(":")
    return _GROUPS[group] if grouped else _BY_NAME[feature]
