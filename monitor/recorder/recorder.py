"""The recorder: takes frames from the queue loop, writes them to ``packets.pcapng``, and gives them to its sinks.

``__main__`` runs it as a process. What it wrote is on disk in whole blocks at least every 100 ms.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from raftmon.monitor.config import MonitorConfig
from raftmon.monitor.fidelity import Histogram
from raftmon.monitor.packets.addresses import AddressBook
from raftmon.monitor.packets.pcapng_writer import PcapngWriter
from raftmon.monitor.raft.codecs.table import all_codecs, codec_of
from raftmon.monitor.recorder.frame_reader import NOBODY, RecordedPacket, RecordPath
from raftmon.monitor.recorder.head_scan import HeadScan
from raftmon.monitor.recorder.leader_board import BoardWriter
from raftmon.monitor.recorder.message_sink import MessageSink
from raftmon.monitor.recorder.pipe import BATCH_NS
from raftmon.monitor.recorder.spool import Spool
from raftmon.setup.errors import InputError
from raftmon.setup.topology import Link

__all__ = ["PcapngFile", "Recorder", "Sink", "default_board", "default_file", "default_sinks"]

_WRITE_BYTES = 1 << 18
_BOARD_NS = 20_000_000
_MOST_ERRORS = 20
_FILE = "pcapng"  # its name in the report


class Sink(Protocol):
    """What the recorder gives its packets to. A sink that raises is dropped, and the run's verdict is unknown."""

    def packet(self, packet: RecordedPacket) -> None:
        """Take one packet; in the order of the file."""

    def tick(self, now_ns: int) -> None:
        """Called about every 100 ms: flush, do what is due."""

    def close(self) -> dict[str, Any]:
        """End files; what is returned stands under the sink's name in ``monitor.json``."""


class PcapngFile:
    """``packets.pcapng``: one interface a directed link, in the order of ``links``, then ``?->?``.

    ``writer`` makes the blocks. Raises InputError if the file cannot be written.
    """

    def __init__(self, path: Path, links: Sequence[Link], wall_offset_ns: int) -> None:
        self.writer = PcapngWriter(map(str, (*links, NOBODY)), wall_offset_ns, "raftmon")
        try:
            self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise InputError(f"cannot write {path}: {error.strerror}; choose another folder") from error
        self._bytes = 0
        self.write(self.writer.header)

    def write(self, blocks: bytes) -> None:
        """Write whole blocks, so that the file can be read at any moment."""
        self._bytes += len(blocks)
        data = memoryview(blocks)
        while data:
            data = data[os.write(self._descriptor, data) :]

    def close(self) -> int:
        """Close the file; its size in bytes."""
        os.close(self._descriptor)
        return self._bytes


def default_file(config: MonitorConfig) -> PcapngFile | None:
    """The run's ``packets.pcapng``, None if nothing shall be recorded."""
    if not config.record:
        return None
    return PcapngFile(Path(config.folder) / "packets.pcapng", config.links(), config.wall_offset_ns)


def default_sinks(config: MonitorConfig) -> dict[str, Sink]:
    """The sinks of a run beside its file, by name, in the order in which they get each packet."""
    if not config.record or config.decode is None:
        return {}
    shared = Counter(host.address for host in config.hosts)  # on loopback only ports tell hosts apart
    names = {
        host.address if shared[host.address] == 1 else f"{host.address}:{host.port}": host.name for host in config.hosts
    }
    names |= {host.presented: host.name for host in config.hosts if host.presented}  # peers name each other so
    path = Path(config.folder) / "messages.sqlite"
    return {
        "messages": MessageSink(path, names, wall_offset_ns=config.wall_offset_ns, codecs=all_codecs(config.codecs))
    }


def default_board(config: MonitorConfig) -> BoardWriter | None:
    """Where the recorder says who leads, None if nothing is decoded."""
    if not config.record or config.decode is None:
        return None
    codec = codec_of(config.decode, all_codecs(config.codecs))
    return BoardWriter(Path(config.folder), config.links(), known=codec is not None and codec.editable)


class Recorder:
    """Numbers frames, turns their addresses into real ones and hands them to the sinks; measures how far behind it is.

    With a ``spool``, packets wait there for ``work``, which hands them to the sinks; without one the sinks have them at
    once. ``board`` is told who leads. Times are taken from ``clock_ns`` (CLOCK_MONOTONIC). No I/O of its own.
    """

    def __init__(
        self,
        book: AddressBook,
        file: PcapngFile | None,
        sinks: dict[str, Sink],
        clock_ns: Callable[[], int] = time.monotonic_ns,
        *,
        spool: Spool | None = None,
        board: BoardWriter | None = None,
    ) -> None:
        self._file = file
        self._path = RecordPath(book, file.writer if file is not None else None)
        self._later = RecordPath(book, None)
        self._sinks = dict(sinks)
        self._takers = [(name, sink.packet) for name, sink in sinks.items()]
        self._clock_ns = clock_ns
        self._spool = spool
        self._board = board
        self._heads = HeadScan(len(book.links)) if board is not None else None
        self._heads_since_ns = self._board_due_ns = self._decoded_ns = 0
        self.lag_ns = Histogram()
        self.heads_lag_ns = Histogram()
        self.last_lag_ns = 0
        self.packets = 0
        self.decoded = 0
        self.bytes = 0
        self.most_waiting_bytes = 0
        self.errors: list[str] = []
        self._closed: dict[str, Any] = {}

    @property
    def waiting_bytes(self) -> int:
        """How much waits for ``work``."""
        return self._spool.size if self._spool is not None else 0

    @property
    def must_work(self) -> bool:
        """Whether more waits than shall."""
        return self._spool is not None and self._spool.full

    def feed(self, data: bytes) -> None:
        """Take a piece of the pipe's stream."""
        later = self._spool is not None and bool(self._takers)
        packets: list[RecordedPacket] | None = [] if self._takers and not later else None
        fed = self._path.feed(data, self.packets, packets)
        self.packets += fed.packets
        self.bytes += fed.size
        if self._path.waiting_bytes >= _WRITE_BYTES:
            self._write()
        if later and self._spool is not None:
            self._spool.put(data)
            self.most_waiting_bytes = max(self.most_waiting_bytes, self._spool.size)
        self._hand_on(packets or ())
        if fed.packets:
            now_ns = self._clock_ns()
            self.last_lag_ns = now_ns - fed.oldest_ns
            self.lag_ns.add(self.last_lag_ns)
            if self._heads is not None:
                self._heads.feed(data)
                self._heads_since_ns = self._heads_since_ns or fed.oldest_ns
                if now_ns >= self._board_due_ns:
                    self._tell(now_ns)
        elif self._heads is not None:
            self._heads.feed(data)

    def work(self, most_bytes: int) -> None:
        """Hand the sinks the next packets that wait: at most so many bytes of the stream."""
        data = self._spool.take(most_bytes) if self._spool is not None else b""
        if data:
            packets: list[RecordedPacket] = []
            self.decoded += self._later.feed(data, self.decoded, packets).packets
            self._hand_on(packets)
            if packets:
                self._decoded_ns = packets[-1].time_ns

    def _hand_on(self, packets: Sequence[RecordedPacket]) -> None:
        for packet in packets:
            for name, take in self._takers:
                try:
                    take(packet)
                except Exception as error:
                    self._drop_sink(name, error)

    def _tell(self, now_ns: int) -> None:
        """Write who leads, as of what was read."""
        if self._board is None or self._heads is None:
            return
        try:
            self._board.write(self._heads.links(), self._decoded_ns, now_ns)
        except OSError as error:
            self._note("heads", error)
            self._board = None
        self._board_due_ns = now_ns + _BOARD_NS
        if self._heads_since_ns:
            self.heads_lag_ns.add(self._clock_ns() - self._heads_since_ns)
            self._heads_since_ns = 0

    def _write(self) -> None:
        blocks = self._path.take()
        if self._file is not None and blocks:
            try:
                self._file.write(blocks)
            except Exception as error:
                self._note(_FILE, error)
                self._file = None  # the rest of the file would have a hole

    def tick(self, *, drained: bool = False) -> None:
        """Write what waits, and let every sink flush. ``drained``: there was nothing more to read."""
        self._write()
        now_ns = self._clock_ns()
        if drained and not self.waiting_bytes:
            self._decoded_ns = now_ns - 2 * BATCH_NS  # what came before that was read
        for name, sink in tuple(self._sinks.items()):
            try:
                sink.tick(now_ns)
            except Exception as error:
                self._drop_sink(name, error)
        self._tell(now_ns)

    def close(self) -> None:
        """Close the file and every sink that still works; what waits for ``work`` is worked off first."""
        self._write()
        while self.waiting_bytes:
            self.work(_WRITE_BYTES)
        if self._spool is not None:
            self._spool.close()
        if self._file is not None:  # it has every packet so far: a failure would have ended it
            try:
                self._closed[_FILE] = {"packets": self.packets, "bytes": self._file.close()}
            except Exception as error:
                self._note(_FILE, error)
            self._file = None
        for name, sink in tuple(self._sinks.items()):
            try:
                self._closed[name] = sink.close()
            except Exception as error:
                self._drop_sink(name, error)
        self._sinks.clear()
        if self._board is not None:
            self._board.close()
            self._board = None

    def report(self) -> dict[str, Any]:
        """The recorder's part of ``monitor.json``."""
        return {
            "packets": self.packets,
            "bytes": self.bytes,
            "lag_ms": self.lag_ns.summary(1e6),
            "heads_lag_ms": self.heads_lag_ns.summary(1e6),
            "waiting_bytes": self.waiting_bytes,
            "most_waiting_bytes": self.most_waiting_bytes,
            "incomplete_bytes": self._path.pending_bytes,
            "errors": self.errors,
            "sinks": self._closed,
        }

    def _drop_sink(self, name: str, error: Exception) -> None:
        """One sink's failure must not cost the others their packets."""
        self._sinks.pop(name, None)
        self._takers = [taker for taker in self._takers if taker[0] != name]
        self._note(name, error)

    def _note(self, name: str, error: Exception) -> None:
        if len(self.errors) < _MOST_ERRORS:
            where = error.__traceback__
            while where is not None and where.tb_next is not None:
                where = where.tb_next
            place = f" ({Path(where.tb_frame.f_code.co_filename).name}:{where.tb_lineno})" if where else ""
            self.errors.append(f"{name}: {type(error).__name__}: {error}{place}")
