"""Wait for a condition, with a limit, and say what was waited for when the limit is over."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

__all__ = ["eventually"]

T = TypeVar("T")


def eventually(ask: Callable[[], T | None], what: str, timeout_s: float = 30.0, poll_s: float = 0.05) -> T:
    """The first true answer of ``ask``; raises AssertionError naming ``what`` after ``timeout_s`` seconds."""
    deadline = time.monotonic() + timeout_s
    while not (answer := ask()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come true within {timeout_s:g} s")
        time.sleep(poll_s)
    return answer
