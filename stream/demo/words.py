"""Published lists in words: what an analyst would read in the graph, for a shopper's picture in the terminal."""

from collections.abc import Callable

from graph.model import Kind, category_labels
from stream.recommendations import Reason

VERBS = {
    Kind.IMPRESSION: "saw",
    Kind.CLICK: "clicked",
    Kind.VIEW: "viewed",
    Kind.ADD_TO_CART: "wanted",
    Kind.REMOVE_FROM_CART: "left",
    Kind.PURCHASE: "bought",
    Kind.REFUND: "returned",
}


def readable(title: str) -> str:
    """Return a title without its capitals, if it is written in nothing else, and without double blanks.

    >>> readable("SET OF 10 LED DOLLY LIGHTS")
    'Set of 10 led dolly lights'
    """
    words = " ".join(title.split())
    return words.capitalize() if words.isupper() else words


def leaf(category: str | None) -> str:
    """Return the last label of a joined path.

    >>> leaf("Derived > Candle")
    'Candle'
    """
    return category_labels(category)[-1] if category else "no category"


def strongest(because: tuple[Reason, ...]) -> Reason | None:
    """Return the reason that adds most to the score; the first of equals."""
    return max(because, key=lambda reason: reason.contribution, default=None)


def in_words(reason: Reason, title_of: Callable[[str], str]) -> str:
    """Say a reason as a sentence; ``title_of`` gives an item's title by its id."""
    before = reason.path[-2] if len(reason.path) > 2 else ""
    shoppers = f"{reason.users:,} shopper{'' if reason.users == 1 else 's'}" if reason.users else "shoppers"
    match reason.feature:
        case "BOUGHT_NEXT" if len(reason.path) > 3:
            return f"{shoppers} went from {leaf(reason.path[1])} to {leaf(reason.path[2])}"
        case "VIEWED_NEXT" if len(reason.path) > 3:
            return f"{shoppers} looked from {leaf(reason.path[1])} to {leaf(reason.path[2])}"
        case "BOUGHT_NEXT" | "VIEWED_NEXT" if not before:
            return "goes with what this shopper is interested in"
        case "ITEM_BOUGHT_NEXT":
            return f"{shoppers} bought it after {title_of(before)}"
        case "ITEM_VIEWED_NEXT" | "VIEWED_NEXT":
            return f"{shoppers} moved on to it from {title_of(before)}"
        case "PRICE":
            return f"a step up from {title_of(before)}" if before else "a step up in price"
        case "EMBEDDING":
            return f"near to {title_of(before)}" if before else "near to what this shopper likes"
        case "LIKENESS":
            return f"alike to {title_of(before)}" if before else "alike to what this shopper took lately"
        case "WORDS":
            return f"called like {title_of(before)}" if before else "called like what this shopper took last"
        case "BOUGHT_BEFORE":
            return "bought before"
        case "NEW":
            return "new in the shop"
        case "POPULAR":
            return "popular in the shop now"
        case feature:
            return feature.lower().replace("_", " ")
