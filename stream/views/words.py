"""Times, weights, bars and reasons in words that an analyst reads without a manual."""

from collections.abc import Callable

from graph.model import Family
from stream.recommendations import Reason

_BAR_WIDTH = 20
_NOTHING = 1e-6


def minute(at: str) -> str:
    """Shorten a time of a published record to the minute; it is UTC.

    >>> minute("2011-10-03T09:12:00.123Z")
    '2011-10-03 09:12'
    """
    return at[:16].replace("T", " ")


def bar(share: float, width: int = _BAR_WIDTH) -> str:
    """Draw a share of 0 to 1 as blocks; whatever is more than nothing gets at least an eighth of one.

    >>> bar(0.5, 4), bar(0.0001, 4), bar(0.0, 4)
    ('██', '▏', '')
    """
    eighths = round(max(0.0, min(1.0, share)) * width * 8)
    if share > 0.0:
        eighths = max(1, eighths)
    return "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()


def number(value: float) -> str:
    """Write a weight so that small ones stay visible and large ones readable.

    >>> number(12.3456), number(0.00012), number(1e-200), number(0.0)
    ('12.35', '0.00012', '≈0', '0')
    """
    if value < _NOTHING:
        return "≈0" if value > 0.0 else "0"
    return f"{value:.2f}" if value >= 0.01 else f"{value:.2g}"


def as_it_is(name: str) -> str:
    """Return an item's id, where no titles are known."""
    return name


def reason_in_words(reason: Reason, title_of: Callable[[str], str] = as_it_is) -> str:
    """Say why an item is in a list, from the strongest path behind a feature; ``title_of`` gives an item's title.

    >>> reason_in_words(Reason("ITEM_BOUGHT_NEXT", 0.2, ("u1", "lantern", "candle"), users=12))
    'bought after lantern by 12 users'
    """
    steps = reason.path[1:-1]
    if len(steps) == 1:
        steps = (title_of(steps[0]),)
    start = steps[0] if steps else ""
    # None remember the pair any more when it is 0: its weight is older than their histories.
    counted = f" by {_plural(reason.users, 'user')}" if reason.users else ""
    by_chance = f", {reason.lift:.1f} times as often as by chance" if reason.lift is not None else ""
    match reason.feature:
        case Family.BOUGHT_NEXT | Family.VIEWED_NEXT if len(steps) > 1:
            verb = "bought" if reason.feature == Family.BOUGHT_NEXT else "viewed"
            return f"{steps[-1]} is {verb} after {start}{counted}{by_chance}"
        case Family.BOUGHT_NEXT | Family.VIEWED_NEXT if not steps:
            return "its category goes with one of the user's interests"
        case Family.BOUGHT_NEXT | "ITEM_BOUGHT_NEXT":
            return f"bought after {start}{counted}"
        case Family.VIEWED_NEXT | "ITEM_VIEWED_NEXT":
            return f"viewed after {start}{counted}"
        case "EMBEDDING":
            return f"resembles {start}" if start else "resembles the user's history"
        case "LIKENESS":
            return f"resembles {start}" if start else "resembles one of the user's latest items"
        case "WORDS":
            return f"shares words with {start}" if start else "shares words with the user's latest item"
        case "HISTORY" if reason.path[1] == reason.path[-1]:
            return "taken before"
        case "HISTORY":
            return f"because of {start}" if start else "because of the user's history"
        case "BOUGHT_BEFORE":
            return "bought before"
        case "POPULAR":
            return "popular"
        case "NEW":
            return "new in the shop"
        case "PRICE":
            return f"a moderate step up in price from {start}" if start else "a moderate step up in price"
    return " > ".join((reason.feature, *steps)) + counted + by_chance


def _plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
