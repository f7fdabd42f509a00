"""A node is asked until it says yes or its time is over."""

from __future__ import annotations

import pytest

from raftmon.adapters.asking import ask_client, ask_until, serves
from raftmon.adapters.base import Definite, Indefinite


def test_it_is_asked_again_until_it_says_yes_with_the_time_that_is_left() -> None:
    left: list[float] = []

    def ask(left_s: float) -> bool:
        left.append(left_s)
        return len(left) == 3

    assert ask_until(ask, 60.0, 0.001)
    assert len(left) == 3
    assert 60.0 >= left[0] > left[1] > left[2] > 0


def test_who_never_says_yes_is_given_up() -> None:
    assert not ask_until(lambda left_s: False, 0.02, 0.005)


def test_without_time_nobody_is_asked() -> None:
    asked: list[float] = []
    assert not ask_until(lambda left_s: asked.append(left_s) is None, 0.0, 0.005)
    assert asked == []


class Asked:
    """A client that fails some times before it answers, and knows whether it was closed."""

    def __init__(self, made, errors, seconds):
        self.error = errors.pop(0) if errors else None
        self.seconds, self.closed = seconds, False
        made.append(self)

    def read(self, key):
        if self.error is not None:
            raise self.error
        return key

    def close(self):
        self.closed = True


def test_a_node_serves_once_it_answers_and_every_client_was_closed():
    made, errors = [], [Definite("no leader"), Indefinite("lost")]
    connect = lambda seconds: Asked(made, errors, seconds)  # noqa: E731
    assert serves(connect, lambda client: client.read("x"), timeout_s=60.0, each_s=2.0, pause_s=0.0)
    assert [client.seconds for client in made] == [2.0, 2.0, 2.0]
    assert all(client.closed for client in made)


def test_a_node_that_never_answers_does_not_serve():
    made = []
    connect = lambda seconds: Asked(made, [Definite("no")], seconds)  # noqa: E731
    assert not serves(connect, lambda client: client.read("x"), timeout_s=0.02, each_s=2.0, pause_s=0.001)
    assert made
    assert all(client.closed and client.seconds <= 0.02 for client in made)


@pytest.mark.parametrize("error", [Definite("no"), Indefinite("lost"), KeyError("term"), ValueError("x"), None])
def test_a_client_that_is_asked_once_is_closed_and_gives_none_where_it_fails(error):
    client = Asked([], [error], 1.0)
    assert ask_client(client, lambda one: one.read("x")) == (None if error else "x")
    assert client.closed
