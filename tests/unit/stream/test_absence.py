import logging

import pytest

from stream.absence import Absence

log = logging.getLogger("stream.test_absence")


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def said(caplog: pytest.LogCaptureFixture) -> list[tuple[str, object]]:
    return [(record.message, vars(record)["seconds"]) for record in caplog.records]


def test_it_is_said_at_once_then_once_a_minute_then_when_it_is_over(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    clock = Clock()
    absence = Absence("store", log, clock)
    absence.over()
    for _ in range(300):  # asked twice a second
        absence.noted("refused", role="interest")
        clock.now += 0.5
    absence.over()
    absence.over()
    assert said(caplog) == [("store_away", 0), ("store_away", 60), ("store_away", 120), ("store_back", 150.0)]
    assert vars(caplog.records[0])["role"] == "interest"


def test_the_next_absence_is_said_at_once(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    absence = Absence("broker", log, clock)
    absence.noted("a")
    absence.over()
    clock.now += 1.0
    absence.noted("b")
    assert said(caplog) == [("broker_away", 0), ("broker_away", 0)]
