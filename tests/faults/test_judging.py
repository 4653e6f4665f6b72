"""The judge's rules, each shown to fail: what counts as growth, and when graph and lists may be compared."""

import os
import socket
from collections.abc import Iterator

from graph.neo4j_session import POOL_SIZE
from graph.store import UserView
from tests.faults.growth import Resources, growth, resources
from tests.faults.picture import Picture, read_steadily


def held(descriptors: int = 100, threads: int = 40, megabytes: int = 500, *connections: int) -> Resources:
    return Resources(megabytes, descriptors, threads, connections)


def test_a_pool_that_a_busy_moment_filled_is_no_leak() -> None:
    assert growth(held(100, 40, 500, 1, 2), held(105, 44, 590, 4, POOL_SIZE)) == []


def test_what_grows_beyond_its_allowance_is_found() -> None:
    [more] = growth(held(descriptors=100), held(descriptors=111))
    assert more == "descriptors: 100 before, 111 after"
    [more] = growth(held(threads=40), held(threads=45))
    assert "threads" in more
    [more] = growth(held(megabytes=500), held(megabytes=601))
    assert "megabytes" in more


def test_every_process_has_an_allowance_of_its_own() -> None:
    assert growth(held(39, 25, 500, 1, 1), held(49, 31, 500, 1, 1)) == []
    assert len(growth(held(39, 25, 500, 1, 1), held(50, 32, 500, 1, 1))) == 2
    assert len(growth(held(39, 25, 500, 1), held(45, 29, 500, 1))) == 2


def test_more_connections_than_a_pool_holds_are_found() -> None:
    [more] = growth(held(100, 40, 500, 3, 3), held(100, 40, 500, 3, POOL_SIZE + 1))
    assert f"{POOL_SIZE + 1} connections" in more


def test_connections_of_the_dead_are_found() -> None:
    [more] = growth(held(), held(), of_nobody=2)
    assert "2 connections of nobody" in more


def test_connections_to_the_graph_are_counted_apart_from_other_descriptors() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        before = resources([os.getpid()], port)
        with socket.create_connection(("127.0.0.1", port)):
            after = resources([os.getpid()], port)
    assert (before.connections, after.connections) == ((0,), (1,))
    assert after.descriptors == before.descriptors
    assert after.threads >= 1
    assert after.megabytes > 0


def view(version: int) -> UserView:
    return UserView("u", 1, 0, version, ["a"], [], [], [])


def test_a_list_that_is_older_than_the_graph_is_unlike_it() -> None:
    listed = (2, ["a"], list[str]())
    assert Picture({"u": view(2)}, {"u": listed}, {"u": 2}).unlike() == []
    assert Picture({"u": view(3)}, {"u": listed}, {"u": 2}).unlike() == ["u"]
    assert Picture({"u": view(2)}, {}, {}).unlike() == ["u"]


def after_each_other(*values: int) -> Iterator[int]:
    yield from values
    while True:
        yield values[-1]


def test_what_moved_while_it_was_read_is_read_again() -> None:
    marks, reads = after_each_other(1, 2, 2), after_each_other(10, 20)
    found, steady = read_steadily(lambda: next(marks), lambda: next(reads), lambda _: True, 60, 0)
    assert (found, steady) == (20, True)


def test_a_list_that_is_still_on_its_way_is_waited_for() -> None:
    reads = after_each_other(10, 20)
    assert read_steadily(lambda: 1, lambda: next(reads), lambda found: found == 20, 60, 0) == (20, True)


def test_what_never_agrees_is_returned_as_it_is() -> None:
    assert read_steadily(lambda: 1, lambda: 10, lambda _: False, 0, 0) == (10, True)
    moving = iter(range(10))
    assert read_steadily(lambda: next(moving), lambda: 10, lambda _: True, 0, 0) == (10, False)
