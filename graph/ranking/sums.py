"""Sums that do not depend on the order of their terms."""

import math

import numpy as np
from numpy.typing import NDArray

from graph.ranking.ragged import FloatArray

_LEVELS = 3
_MANTISSA_BITS = 52
_LOWEST_EXPONENT = -1000


def order_free_sums(values: FloatArray, bins: NDArray[np.integer], size: int) -> FloatArray:
    """Sum values >= 0 by bin: bit for bit the same for the same terms in any order. Returns (size,).

    Each level cuts the values to multiples of a power of two so coarse that adding them all is exact, and hands the
    rest down. After three levels nothing above 2^-50 of the largest value loses more than rounding (relative 1e-12 for
    up to 2^21 terms). Two replicas that read the same records in different order agree exactly, ties included.
    Source: Demmel and Nguyen, "Fast Reproducible Floating-Point Summation" (ARITH 2013).
    """
    largest = float(values.max(initial=0.0))
    sums = np.zeros(size)
    if largest == 0.0:
        return sums
    terms = math.ceil(math.log2(len(values))) if len(values) > 1 else 0
    exponent = math.frexp(largest)[1]
    rest = values
    for _ in range(_LEVELS):
        exponent = max(exponent + terms - _MANTISSA_BITS, _LOWEST_EXPONENT)
        step = math.ldexp(1.0, exponent)
        part = np.rint(rest / step) * step
        sums += np.bincount(bins, weights=part, minlength=size)
        rest = rest - part
        if not rest.any():
            break
        exponent -= 1  # what is left of a value is at most half a step
    return sums
