"""A watchdog for user code in the packet path: a rule that does not return is interrupted, named and taken out.

The engine says which rule it is about to call (``enter``) and that it came back (``leave``). A thread looks a few times
a second whether one has been inside for too long, and raises ``UserCodeHung`` there (PyThreadState_SetAsyncExc of
Python's C API). Code that never comes back to the interpreter cannot be interrupted so.
"""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Callable

__all__ = ["LIMIT_S", "UserCodeHung", "Watchdog"]

LIMIT_S = 1.0
"""How long one call of a user's rule may take: no packet moves meanwhile."""
_LOOKS_S = 0.1


class UserCodeHung(BaseException):
    """Raised inside user code that did not return; no ``Exception``, so that its own handlers do not swallow it."""


class Watchdog:
    """``enter`` and ``leave`` are for the thread that calls user code; they cost two stores."""

    def __init__(self, limit_s: float = LIMIT_S, clock_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self.limit_s = limit_s
        self._clock_ns = clock_ns
        self._inside: tuple[str, int] | None = None
        self._ident = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, name="rule-watchdog", daemon=True)

    def start(self) -> None:
        """Watch the thread that calls this."""
        self._ident = threading.get_ident()
        self._thread.start()

    def stop(self) -> None:
        """Watch no more."""
        self._ended.set()

    def enter(self, name: str) -> None:
        """The rule ``name`` is about to be called."""
        self._inside = (name, self._clock_ns())

    def leave(self) -> None:
        """It came back."""
        self._inside = None

    def overdue(self) -> str | None:
        """The name of the rule that has been inside for more than the limit, None if none has."""
        inside = self._inside
        if inside is None or self._clock_ns() - inside[1] < self.limit_s * 1e9:
            return None
        return inside[0]

    def _look(self) -> None:
        interrupted: tuple[str, int] | None = None
        while not self._ended.wait(_LOOKS_S):
            inside = self._inside
            if self.overdue() is None or inside is None or inside is not self._inside:
                interrupted = None
                continue
            if inside is interrupted:  # once more only after another limit
                self._inside = (inside[0], self._clock_ns())
                interrupted = None
                continue
            interrupted = inside
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._ident), ctypes.py_object(UserCodeHung))
