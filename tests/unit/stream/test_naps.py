"""A gap between two beats is a nap when it is long."""

from stream.naps import Naps


def test_a_long_gap_is_a_nap_and_a_short_one_is_none() -> None:
    now = [100.0]
    naps = Naps(3.0, clock=lambda: now[0])
    for at in (101.0, 104.0, 107.0):
        now[0] = at
        assert naps.beat() == float("-inf")
    now[0] = 110.5
    assert naps.beat() == 110.5
    now[0] = 111.0
    assert naps.beat() == 110.5, "what was in hand before we woke stays void"
