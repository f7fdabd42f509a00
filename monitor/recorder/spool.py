"""What the recorder has taken and not decoded yet, in order: a little in memory, the rest in a file without a name."""

from __future__ import annotations

import os
import tempfile
from collections import deque
from pathlib import Path

__all__ = ["Spool"]

_MEMORY_BYTES = 4 << 20
_READ_BYTES = 1 << 18


class Spool:
    """A queue of bytes of at most ``limit`` bytes; pieces come out in order, cut anew.

    ``folder`` is where the file is made, at the first piece for which there is no room in memory. A disk that cannot
    take it leaves the piece in memory: nothing is ever lost here.
    """

    def __init__(self, folder: Path, limit: int = 32 << 20) -> None:
        self.limit = limit
        self._folder = folder
        self._pieces: deque[bytes] = deque()
        self._in_memory = 0
        self._file: int | None = None
        self._start = self._end = 0  # of what the file holds

    @property
    def size(self) -> int:
        """How many bytes wait."""
        return self._in_memory + self._end - self._start

    @property
    def full(self) -> bool:
        """Whether more waits than shall."""
        return self.size > self.limit

    def put(self, data: bytes) -> None:
        """Add a piece."""
        if (self._end > self._start or self._in_memory + len(data) > _MEMORY_BYTES) and self._write(data):
            return
        self._pieces.append(data)
        self._in_memory += len(data)

    def take(self, most: int) -> bytes:
        """The next bytes, at most so many; none if nothing waits."""
        if not self._pieces:
            self._refill()
        if not self._pieces:
            return b""
        piece = self._pieces.popleft()
        if len(piece) > most:
            self._pieces.appendleft(piece[most:])
            piece = piece[:most]
        self._in_memory -= len(piece)
        return piece

    def close(self) -> None:
        """Let the file go."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
        self._start = self._end = 0

    def _write(self, data: bytes) -> bool:
        try:
            if self._file is None:
                file, path = tempfile.mkstemp(prefix=".spool-", dir=self._folder)
                os.unlink(path)
                self._file = file
            written = 0
            while written < len(data):
                written += os.pwrite(self._file, data[written:], self._end + written)
        except OSError:
            if self._end > self._start:  # what is in the file comes first: take all of it back
                self._refill(self._end - self._start)
            return False
        self._end += len(data)
        return True

    def _refill(self, size: int = _READ_BYTES) -> None:
        while size > 0 and self._start < self._end and self._file is not None:
            data = os.pread(self._file, min(size, self._end - self._start), self._start)
            if not data:
                raise OSError("the file of what waits to be decoded is shorter than what was written to it")
            self._start += len(data)
            size -= len(data)
            self._pieces.append(data)
            self._in_memory += len(data)
        if self._start == self._end and self._end and self._file is not None:
            self._start = self._end = 0
            os.ftruncate(self._file, 0)
