"""When two decayed sums are the same: at one common time, to nine digits."""

import math

from graph.decay import decay_factor

RELATIVE_TOLERANCE = 1e-9
_ABSOLUTE_TOLERANCE = 1e-12
"""Of what is left when nearly everything was taken back; the least that an event adds is many times more."""


def close(one: float, other: float) -> bool:
    """Tell whether two numbers agree to 1e-9.

    >>> close(1.0, 1.0 + 1e-10), close(1.0, 1.0 + 1e-8)
    (True, False)
    """
    return math.isclose(one, other, rel_tol=RELATIVE_TOLERANCE, abs_tol=_ABSOLUTE_TOLERANCE)


def close_at_one_time(one: float, at: int, other: float, other_at: int, half_life_seconds: float) -> bool:
    """Tell whether two decayed sums, each valid at its own time (ms), agree at the later of the two."""
    latest = max(at, other_at)
    return close(
        one * decay_factor(latest - at, half_life_seconds), other * decay_factor(latest - other_at, half_life_seconds)
    )
