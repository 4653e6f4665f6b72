"""Ctrl-C and the Kafka client's callbacks."""

import signal
import threading
from collections.abc import Iterator

import pytest
from confluent_kafka import Producer

from stream.interrupts import Interrupts, uninterrupted


def interrupt() -> None:
    signal.raise_signal(signal.SIGINT)


def test_a_held_call_ends_first_and_the_interrupt_comes_behind_it() -> None:
    done: list[str] = []

    def call() -> None:
        interrupt()
        done.append("whole")

    with pytest.raises(KeyboardInterrupt), Interrupts() as interrupts:
        interrupts.hold(call)
    assert done == ["whole"]


def test_between_two_held_calls_it_comes_at_once() -> None:
    with Interrupts() as interrupts:
        assert interrupts.hold(abs, -1) == 1
        with pytest.raises(KeyboardInterrupt):
            interrupt()
        assert interrupts.hold(abs, -2) == 2  # told once


def test_whoever_handled_it_before_does_so_again() -> None:
    former = signal.getsignal(signal.SIGINT)
    assert uninterrupted(abs, -1) == 1
    with pytest.raises(KeyboardInterrupt):
        uninterrupted(interrupt)
    assert signal.getsignal(signal.SIGINT) is former


def test_another_thread_is_never_interrupted() -> None:
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(uninterrupted(abs, -1)))
    thread.start()
    thread.join()
    assert found == [1]


@pytest.fixture
def producer() -> Iterator[Producer]:
    producer = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "embedded", "log_level": 0})
    yield producer
    producer.flush(1)


def test_an_interrupt_in_a_delivery_callback_comes_out_as_what_it_is(producer: Producer) -> None:
    producer.produce("topic", b"x", on_delivery=lambda error, message: interrupt())
    with pytest.raises(KeyboardInterrupt):
        uninterrupted(producer.flush, 10)
