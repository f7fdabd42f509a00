"""Reading lines into columns: compiled (``_scan.pyx``) where it was built, else every line goes through Python.

A scanner takes the lines that are as nearly all are, and stops before one that is anything else: the readers of
``jsonl`` and ``jepsen`` read that one, by the full rules of the format, and let the scanner go on behind it. What both
make of a file is the same (tests/driver/histories/test_scanning.py). ``RAFTMON_INTERPRETED=1`` takes Python.
"""

from __future__ import annotations

import contextlib
import os

from raftmon.driver.histories.events import Events

__all__ = ["EDN", "JSON", "Scanner", "ScannerInPython"]

JSON, EDN = range(2)


class ScannerInPython:
    """A scanner that takes no line: the readers in Python read them all."""

    def __init__(self, events: Events, syntax: int) -> None:
        pass

    def scan(self, data: bytes, position: int, line: int) -> tuple[int, int]:
        """Add the events of the lines of ``data`` from ``position``, where line number ``line`` begins.

        Returns where it stopped, the beginning of a line that it does not take or the end, and that line's number.
        """
        return position, line

    def scan_values(self, data: bytes, position: int, line: int) -> tuple[int, int]:
        """The same of events one behind the other, whatever the lines: the inside of a vector."""
        return position, line


Scanner: type[ScannerInPython] = ScannerInPython
"""The compiled one where it was built, else the interpreted one."""
if os.environ.get("RAFTMON_INTERPRETED", "") in ("", "0"):
    with contextlib.suppress(ImportError):
        from raftmon.driver.histories._scan import Scanner as Scanner
