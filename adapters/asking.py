"""Asking a node until it says yes."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["ask_until"]


def ask_until(ask: Callable[[float], bool], timeout_s: float, pause_s: float) -> bool:
    """``ask(left_s)`` until it is true, ``pause_s`` apart; False where it was not within ``timeout_s`` seconds."""
    deadline = time.monotonic() + timeout_s
    while (left_s := deadline - time.monotonic()) > 0:
        if ask(left_s):
            return True
        time.sleep(min(pause_s, max(0.0, deadline - time.monotonic())))
    return False
