"""Half-life arithmetic on (value, time) pairs.

A decayed sum is kept as its value at the time of its latest contribution. Merging two of them uses exponents <= 0
only, so nothing ever overflows, and the result does not depend on the order of arrival (up to rounding, about 1e-15).
Source: exponential forward decay (Cormode et al., "Forward Decay", ICDE 2009) in the stored form of Algebird's
DecayedValue.
"""

import math
from collections.abc import Iterable


def decay_factor(age_ms: float, half_life_seconds: float) -> float:
    """Return 2^(-age / half-life). age: milliseconds >= 0; half-life: seconds > 0.

    >>> decay_factor(7 * 86_400_000, 7 * 86_400)
    0.5
    """
    return math.exp2(-age_ms / (1000.0 * half_life_seconds))


def merge_decayed(value: float, at: int, other: float, other_at: int, half_life_seconds: float) -> tuple[float, int]:
    """Add two decayed sums; the result is valid at the later of the two times (ms).

    >>> merge_decayed(1.0, 0, 1.0, 1000, 1.0)
    (1.5, 1000)
    """
    if other_at >= at:
        return value * decay_factor(other_at - at, half_life_seconds) + other, other_at
    return value + other * decay_factor(at - other_at, half_life_seconds), at


def sum_decayed(parts: Iterable[tuple[float, int]], half_life_seconds: float) -> tuple[float, int]:
    """Add any number of decayed sums, correctly rounded (math.fsum), so that their order does not matter.

    Returns (value, time in ms of the latest part). Raises ValueError when there are no parts.
    """
    parts = list(parts)
    if not parts:
        raise ValueError("a decayed sum needs at least one part")
    latest = max(at for _, at in parts)
    return math.fsum(value * decay_factor(latest - at, half_life_seconds) for value, at in parts), latest


def rank_key(weight: float, updated_at: int, half_life_seconds: float) -> float:
    """Return log2(weight) + updated_at / half-life: orders decayed weights rightly at any time, never rewritten."""
    return math.log2(weight) + updated_at / (1000.0 * half_life_seconds)
