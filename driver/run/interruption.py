"""What SIGINT, SIGTERM and SIGHUP do to a run: the first ends it early, within END_S, a second one immediately."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

__all__ = ["END_S", "EXIT_INTERRUPTED", "Interruption"]

END_S = 10.0
"""How long a run that was interrupted may take to end with a verdict on what there is."""

EXIT_INTERRUPTED = 130  # 128 + SIGINT, as shells have it

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interruption:
    """A context manager of the main thread; inside it the first signal raises KeyboardInterrupt there.

    A second signal, or the end of ``END_S`` after the first, calls ``give_up`` with the reason, on whatever thread, and
    ends the process with EXIT_INTERRUPTED, and so the sandbox with all that is in it. Signals that do not raise
    KeyboardInterrupt when it is entered (SIGHUP under nohup) are left alone.
    """

    def __init__(
        self, give_up: Callable[[str], None], end_s: float = END_S, leave: Callable[[int], Any] = os._exit
    ) -> None:
        self._give_up = give_up
        self._end_s = end_s
        self._leave = leave
        self._pid = os.getpid()
        self._before: dict[signal.Signals, Any] = {}
        self._timer: threading.Timer | None = None

    def __enter__(self) -> Interruption:
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                if signal.getsignal(number) is signal.default_int_handler:
                    self._before[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()
        if self._timer is not None:
            self._timer.cancel()

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if os.getpid() != self._pid:  # a checker's process, forked from this one
            raise KeyboardInterrupt
        if self._timer is None:
            self._timer = threading.Timer(self._end_s, self._end, (f"it did not end within {self._end_s:g} s",))
            self._timer.daemon = True
            self._timer.start()
            raise KeyboardInterrupt
        self._end(f"a second {signal.Signals(number).name}")

    def _end(self, why: str) -> None:
        try:
            self._give_up(why)
        finally:
            self._leave(EXIT_INTERRUPTED)
