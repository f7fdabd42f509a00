"""Asking a node: until it says yes, or once, by a client that is made for the question."""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import TypeVar

from raftmon.adapters.base import Client, Definite, Indefinite

__all__ = ["ask_client", "ask_until", "http_date", "serves"]

_C = TypeVar("_C", bound=Client)
_T = TypeVar("_T")


def ask_until(ask: Callable[[float], bool], timeout_s: float, pause_s: float) -> bool:
    """``ask(left_s)`` until it is true, ``pause_s`` apart; False if it was not within ``timeout_s`` seconds."""
    deadline = time.monotonic() + timeout_s
    while (left_s := deadline - time.monotonic()) > 0:
        if ask(left_s):
            return True
        time.sleep(min(pause_s, max(0.0, deadline - time.monotonic())))
    return False


def ask_client(client: _C, ask: Callable[[_C], _T]) -> _T | None:
    """``ask(client)``, and the client closed afterwards; None if it failed or was not understood."""
    try:
        return ask(client)
    except (Definite, Indefinite, KeyError, TypeError, ValueError):
        return None
    finally:
        client.close()


def http_date(target: str, path: str, timeout_s: float) -> float | None:
    """The server's own time (``Date`` of its answer) in seconds since 1970; None without an answer. ``target`` is
    ``address:port``.
    """
    connection = http.client.HTTPConnection(target, timeout=timeout_s)
    try:
        connection.request("GET", path)
        said = connection.getresponse().getheader("Date")
        return None if said is None else parsedate_to_datetime(said).timestamp()
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()


def serves(
    connect: Callable[[float], _C], ask: Callable[[_C], object], *, timeout_s: float, each_s: float, pause_s: float
) -> bool:
    """Whether a node answers a question within ``timeout_s`` seconds, asked again and again, ``pause_s`` apart.

    ``connect(seconds)`` makes a client with that time-out, at most ``each_s``; ``ask`` raises Definite or Indefinite
    as long as the node does not serve.
    """

    def once(left_s: float) -> bool:
        def answered(client: _C) -> bool:
            ask(client)
            return True

        return ask_client(connect(min(left_s, each_s)), answered) is True

    return ask_until(once, timeout_s, pause_s)
