"""A worker that starts itself again: how often, and what it takes along."""

import os

import pytest

from stream.restart import WINDOW_SECONDS, inherit_nothing, restarts_before
from stream.settings import RESTARTS_VARIABLE


def test_only_the_restarts_of_the_last_minutes_count() -> None:
    environment = {RESTARTS_VARIABLE: f"100,{100 + WINDOW_SECONDS / 2:.0f}"}
    assert restarts_before(environment, 100 + WINDOW_SECONDS) == [100 + WINDOW_SECONDS / 2]
    assert restarts_before({}, 0) == []


def test_descriptors_that_a_library_left_inheritable_are_not_taken_along() -> None:
    reading, writing = os.pipe()
    try:
        os.set_inheritable(writing, True)
        inherit_nothing()
        assert not os.get_inheritable(writing)
        assert all(os.get_inheritable(standard) for standard in (0, 1, 2) if _is_open(standard))
    finally:
        os.close(reading)
        os.close(writing)


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


@pytest.mark.parametrize("text", ["", ","])
def test_a_variable_without_a_time_is_no_restart(text: str) -> None:
    assert restarts_before({RESTARTS_VARIABLE: text}, 0) == []
