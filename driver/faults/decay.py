"""Decay of a disk: one bit in a chosen file of a node is inverted while the node is down.

What it may cost: a system with checksums refuses the file or repairs it from its peers; it must not answer with what
the bit made of it. On one node no acknowledged write may be lost. A node that dies of it gets its undamaged file back
at the end.
"""

from __future__ import annotations

import time
from pathlib import Path, PurePosixPath
from random import Random

from raftmon.driver.faults.base import Effect, Target, Unavailable
from raftmon.driver.faults.receipts import CONFIRMED, INCONCLUSIVE, MISMATCH, Receipt
from raftmon.driver.faults.selectors import select
from raftmon.driver.faults.wal import REFUSAL_S, flip, written_bytes
from raftmon.setup.errors import InputError, RaftmonError

__all__ = ["BitFlip", "files_of"]

_MOST_BYTES = 1 << 30


def files_of(folder: Path, pattern: str) -> list[Path]:
    """The files under a data folder whose path in it matches (``*.db``, ``member/snap/db``) and that hold anything.

    The biggest written part comes last. A pattern without a slash is matched with the file's name at any depth.
    """
    found = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    named = [path for path in found if PurePosixPath(path.relative_to(folder)).match(pattern)]
    sized = [(written_bytes(path), str(path), path) for path in named if path.stat().st_size <= _MOST_BYTES]
    return [path for size, _, path in sorted(sized) if size]


class BitFlip:
    """Kill a node, invert one bit of a file that ``pattern`` names, start it again.

    ``byte`` is the offset; without it, any byte of the written part of the biggest file that matches.
    """

    def __init__(self, name: str, selector: str, pattern: str, byte: int | None) -> None:
        parts = PurePosixPath(pattern).parts
        if not parts or pattern.startswith("/") or ".." in parts:
            raise InputError(
                f"--fault {name}: file is {pattern!r}: give a file of the node's data folder, such as *.wal"
            )
        self.name = name
        self._selector = selector
        self._pattern = pattern
        self._byte = byte
        self._node: str | None = None
        self._path: Path | None = None
        self._bytes: tuple[int, int, int] | None = None
        """The offset, the byte that was there, and what the bit made of it."""

    def available(self, target: Target) -> str | None:
        """None, unless the system has no nodes."""
        return None if target.topology.nodes else "this system has no nodes of its own"

    def start(self, target: Target, random: Random) -> Effect:
        """Kill, flip, start, and see whether the node dies of it."""
        (node,) = select(self._selector, target, random)
        if node not in target.alive():
            raise Unavailable(f"{node} is dead already")
        self._node = node
        target.kill(node)
        folder = target.log_folder(node)
        files = files_of(folder, self._pattern)
        if not files:
            raise Unavailable(f"{node} has written no file that matches {self._pattern!r} under {folder.name}")
        path = files[-1]
        end = written_bytes(path)
        if self._byte is not None and self._byte >= end:
            raise Unavailable(f"{path.name} of {node} has {end} written bytes: there is no byte {self._byte}")
        place = random.randrange(end) if self._byte is None else self._byte
        good = _byte_at(path, place)
        done = flip(path, place + 1, random, 1)
        self._path, self._bytes = path, (place, good, _byte_at(path, place))
        target.start(node)
        _wait(target, node)
        came = "it came up on that" if node in target.alive() else "it died on that"
        return Effect(f"killed {node} ({self._selector}), {done}; {came}", (node,))

    def receipt(self, target: Target) -> Receipt:
        """Confirmed where the file still has the other bit, or the node refused it."""
        if self._bytes is None or self._path is None or self._node is None:
            return Receipt(INCONCLUSIVE, "no bit was inverted")
        place, good, bad = self._bytes
        if bad == good:
            return Receipt(MISMATCH, f"byte {place} of {self._path.name} is what it was: {good:#04x}")
        if self._node not in target.alive():
            return Receipt(CONFIRMED, f"{self._node} refused {self._path.name} and stayed down")
        if not self._path.exists() or _byte_at(self._path, place) != bad:
            return Receipt(INCONCLUSIVE, f"{self._node} came up and wrote byte {place} of {self._path.name} again")
        return Receipt(CONFIRMED, f"byte {place} of {self._path.name} is {bad:#04x} and was {good:#04x}")

    def stop(self, target: Target) -> None:
        """A node that died of its file gets the good bit back, and starts. Raises RaftmonError if it dies again."""
        node = self._node
        if node is None or node in target.alive():
            return
        if self._path is not None and self._bytes is not None and self._path.exists():
            place, good, bad = self._bytes
            if _byte_at(self._path, place) == bad:  # else the node wrote it again, and what is there is its own
                with self._path.open("r+b") as file:
                    file.seek(place)
                    file.write(bytes([good]))
        target.start(node)
        _wait(target, node)
        if node not in target.alive():
            raise RaftmonError(f"{node} does not start on its undamaged file either")


def _byte_at(path: Path, place: int) -> int:
    """The byte there, -1 behind the end."""
    with path.open("rb") as file:
        file.seek(place)
        found = file.read(1)
    return found[0] if found else -1


def _wait(target: Target, node: str) -> None:
    """Until the node is seen to die, or had the time to."""
    deadline = time.monotonic() + REFUSAL_S
    while node in target.alive() and time.monotonic() < deadline:
        time.sleep(0.05)
