"""``heads.json`` and ``messages.wanted`` of a live run: who leads, how far messages are decoded, who waits for them.

The recorder writes the one and looks at the other. Both are gone when the run's record is finished.
"""

from __future__ import annotations

import contextlib
import os
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from raftmon.monitor.raft.database.wanted import WANTED, want
from raftmon.monitor.recorder.head_scan import LinkHeads
from raftmon.setup.topology import Link

__all__ = ["HEADS", "BoardWriter", "Heads", "caught_up", "leader_of", "read_heads"]

HEADS = "heads.json"
_PAGE = 16_384
_POLL_S = 0.02
_SILENT_NS = 10_000_000_000


@dataclass(frozen=True, slots=True)
class Heads:
    """``leader`` sent what only a leader sends in ``term``, last at ``heard_ns``; None if nobody did, or somebody is in
    a newer term. ``nodes`` sent something. All messages that came before ``decoded_ns`` are in ``messages.sqlite``.
    Times are CLOCK_MONOTONIC; ``now_ns`` is when this was written. ``known`` is False for protocols whose heads are not
    scanned.
    """

    known: bool
    leader: str | None
    term: int
    heard_ns: int
    nodes: tuple[str, ...]
    decoded_ns: int
    now_ns: int


def leader_of(links: Sequence[Link], heads: Sequence[LinkHeads]) -> tuple[str | None, int, int, tuple[str, ...]]:
    """Leader, its term, when it was last heard, and the nodes that sent anything."""
    terms: dict[str, int] = {}
    leader, term, heard_ns = None, 0, 0
    for link, seen in zip(links, heads, strict=True):
        if not seen.heads:
            continue
        terms[link.source] = max(seen.term, terms.get(link.source, 0))
        if (seen.led_term, seen.led_ns) > (term, heard_ns):
            leader, term, heard_ns = link.source, seen.led_term, seen.led_ns
    if leader is not None and terms[leader] > term:
        leader = None  # it has seen a newer term, and leads no more
    return leader, term, heard_ns, tuple(sorted(terms))


class BoardWriter:
    """The recorder's side."""

    def __init__(self, folder: Path, links: Sequence[Link], *, known: bool) -> None:
        self._links, self.known = links, known
        self._path, self._wanted = folder / HEADS, folder / WANTED
        self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        with contextlib.suppress(OSError):
            self._wanted.write_bytes(b"")
            os.chmod(self._wanted, 0o666)
            os.utime(self._wanted, (0, 0))

    def write(self, heads: Sequence[LinkHeads], decoded_ns: int, now_ns: int) -> None:
        """Say who leads now."""
        leader, term, heard_ns, nodes = leader_of(self._links, heads) if self.known else (None, 0, 0, ())
        text = orjson.dumps([self.known, leader, term, heard_ns, nodes[:64], decoded_ns, now_ns])
        os.pwrite(self._file, b"%08x%08x" % (len(text), zlib.crc32(text)) + text, 0)

    def wanted(self, within_s: float) -> bool:
        """Whether somebody asked for messages so lately."""
        try:
            return time.time() - os.stat(self._wanted).st_mtime < within_s
        except OSError:
            return True  # nobody can say so: everybody is served

    def close(self) -> None:
        """The record is finished: both files go."""
        os.close(self._file)
        for path in (self._path, self._wanted):
            path.unlink(missing_ok=True)


def read_heads(folder: Path) -> Heads | None:
    """What the recorder of this run wrote last; None if there is none (not begun, finished, not live)."""
    for _ in range(3):  # it may be written just now
        try:
            with (folder / HEADS).open("rb") as file:
                raw = file.read(_PAGE)
            size, check = int(raw[:8], 16), int(raw[8:16], 16)
        except (OSError, ValueError):
            return None
        text = raw[16 : 16 + size]
        if len(text) == size and zlib.crc32(text) == check:
            known, leader, term, heard_ns, nodes, decoded_ns, now_ns = orjson.loads(text)
            return Heads(known, leader, term, heard_ns, tuple(nodes), decoded_ns, now_ns)
    return None


def caught_up(folder: Path, timeout_s: float = 5.0, clock_ns: Callable[[], int] = time.monotonic_ns) -> bool:
    """Wait until all messages that were sent before this call are in ``messages.sqlite``; whether they are."""
    since_ns = clock_ns()
    while clock_ns() - since_ns < timeout_s * 1e9:
        want(folder)
        heads = read_heads(folder)
        if heads is None or heads.decoded_ns >= since_ns or since_ns - heads.now_ns > _SILENT_NS:
            return True  # a recorder that was silent for so long was killed
        time.sleep(_POLL_S)
    return False
