"""The recorder process: takes frames from the queue loop and gives them to sinks, the first of which writes pcapng.

``python -m monitor.recorder CONFIG.json`` reads frames from descriptor 0 until its end, and says on descriptor 1, one
JSON object a line, how it does: once a second, and a last time with ``"finished": true``. It outlives the monitor: when
that dies, it ends its files properly. What it wrote is on disk in whole blocks at least every 100 ms.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import orjson

from monitor import scheduling
from monitor.addresses import AddressBook
from monitor.config import MonitorConfig
from monitor.fidelity import Histogram
from monitor.pcapng import PcapngWriter
from monitor.pipe import NO_LINK, FrameDecoder
from monitor.raft.record import MessageSink
from setup.errors import EXIT_INTERNAL, EXIT_USAGE, InputError, RaftmonError
from setup.topology import Link

__all__ = ["NOBODY", "PcapngSink", "RecordedPacket", "Recorder", "Sink", "default_sinks"]

NOBODY = Link("?", "?")
"""The link of packets between addresses that are nobody's in the topology."""

_READ_BYTES = 1 << 18  # small enough to stay in the processor's cache on its way to the file
_WRITE_BYTES = 1 << 18
_LATE_NS = 100_000_000  # from a packet's arrival to its being taken: later than that and it is behind
_HURRY_NS = 1_000_000_000  # how long it takes its large share then
_TICK_S = 0.1
_REPORT_NS = 1_000_000_000
_MOST_ERRORS = 20


@dataclass(slots=True)
class RecordedPacket:
    """One packet as the record has it: ``number`` from 1 in file order, ``time_ns`` CLOCK_MONOTONIC at arrival.

    ``data`` is the IP packet between real addresses, as it came; ``sent`` is what left where it differs. ``link_id`` is
    the link's place in the configuration's ``links()``, NO_LINK for NOBODY.
    """

    number: int
    time_ns: int
    link: Link
    data: bytes
    verdict_comment: str
    delivered: bool
    sent: bytes | None
    link_id: int = NO_LINK


class Sink(Protocol):
    """What the recorder gives its packets to. A sink that raises is dropped, and the run's verdict is unknown."""

    def packet(self, packet: RecordedPacket) -> None:
        """Take one packet; in the order of the file."""

    def tick(self, now_ns: int) -> None:
        """Called about every 100 ms: flush, do what is due."""

    def close(self) -> dict[str, Any]:
        """End files; what is returned stands under the sink's name in ``monitor.json``."""


class PcapngSink:
    """Writes ``packets.pcapng``: one interface a directed link, in the order of ``links``, then ``?->?``."""

    name = "pcapng"

    def __init__(self, path: Path, links: Sequence[Link], wall_offset_ns: int) -> None:
        self._writer = PcapngWriter(map(str, (*links, NOBODY)), wall_offset_ns, "raftmon")
        self._last_interface = len(links)
        self._blocks: list[bytes] = [self._writer.header]
        try:
            self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise InputError(f"cannot write {path}: {error.strerror}; choose another folder") from error
        self._packets = 0
        self._bytes = 0
        self._waiting_bytes = 0
        self.tick(0)

    def packet(self, packet: RecordedPacket) -> None:
        """Queue one block; written at the next tick, or when there is enough for a write."""
        self._packets += 1
        interface = packet.link_id if packet.link_id != NO_LINK else self._last_interface
        block = self._writer.packet(interface, packet.time_ns, packet.data, packet.verdict_comment)
        self._blocks.append(block)
        self._waiting_bytes += len(block)
        if self._waiting_bytes >= _WRITE_BYTES:
            self.tick(packet.time_ns)

    def tick(self, now_ns: int) -> None:
        """Write whole blocks, so that the file can be read at any moment."""
        if not self._blocks:
            return
        data = memoryview(b"".join(self._blocks))
        self._blocks.clear()
        self._waiting_bytes = 0
        self._bytes += len(data)
        while data:
            data = data[os.write(self._descriptor, data) :]

    def close(self) -> dict[str, Any]:
        """Write the rest."""
        self.tick(0)
        os.close(self._descriptor)
        return {"packets": self._packets, "bytes": self._bytes}


def default_sinks(config: MonitorConfig) -> dict[str, Sink]:
    """The sinks of a run, by name, in the order in which they get each packet."""
    sinks: dict[str, Sink] = {}
    if config.record:
        links = config.links()
        path = Path(config.folder) / "packets.pcapng"
        offset_ns = config.wall_ns - config.monotonic_ns
        sinks["pcapng"] = PcapngSink(path, links, offset_ns)
        if config.decode is not None:
            shared = Counter(host.address for host in config.hosts)  # on loopback only ports tell hosts apart
            names = {
                host.address if shared[host.address] == 1 else f"{host.address}:{host.port}": host.name
                for host in config.hosts
            }
            names |= {host.presented: host.name for host in config.hosts if host.presented}  # peers name each other so
            sinks["messages"] = MessageSink(Path(config.folder) / "messages.sqlite", names, wall_offset_ns=offset_ns)
    return sinks


class Recorder:
    """Numbers frames, turns their addresses into real ones and hands them to the sinks; measures how far behind it is.

    Times are taken from ``clock_ns`` (CLOCK_MONOTONIC). No I/O of its own.
    """

    def __init__(
        self, book: AddressBook, sinks: dict[str, Sink], clock_ns: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self._lines = [(link, book.recorder(link_id)) for link_id, link in enumerate(book.links)]
        self._nobody = (NOBODY, lambda data: data)
        self._sinks = dict(sinks)
        self._takers = [(name, sink.packet) for name, sink in sinks.items()]
        self._clock_ns = clock_ns
        self._decoder = FrameDecoder()
        self.lag_ns = Histogram()
        self.last_lag_ns = 0
        self.packets = 0
        self.bytes = 0
        self.errors: list[str] = []
        self._closed: dict[str, Any] = {}

    def feed(self, data: bytes) -> None:
        """Take a piece of the pipe's stream."""
        oldest_ns = 0
        number, size = self.packets, 0
        lines, nobody = self._lines, self._nobody
        for time_ns, link_id, arrived, comment, delivered, sent in self._decoder.feed(data):
            number += 1
            size += len(arrived)
            oldest_ns = oldest_ns or time_ns
            link, real = nobody if link_id == NO_LINK else lines[link_id]
            packet = RecordedPacket(
                number, time_ns, link, real(arrived), comment, delivered, real(sent) if sent else sent, link_id
            )
            for name, take in self._takers:
                try:
                    take(packet)
                except Exception as error:
                    self._drop_sink(name, error)
        self.packets, self.bytes = number, self.bytes + size
        if oldest_ns:
            self.last_lag_ns = self._clock_ns() - oldest_ns
            self.lag_ns.add(self.last_lag_ns)

    def tick(self) -> None:
        """Let every sink flush."""
        now_ns = self._clock_ns()
        for name, sink in tuple(self._sinks.items()):
            try:
                sink.tick(now_ns)
            except Exception as error:
                self._drop_sink(name, error)

    def close(self) -> None:
        """Close every sink that still works."""
        for name, sink in tuple(self._sinks.items()):
            try:
                self._closed[name] = sink.close()
            except Exception as error:
                self._drop_sink(name, error)
        self._sinks.clear()

    def report(self) -> dict[str, Any]:
        """The recorder's part of ``monitor.json``."""
        return {
            "packets": self.packets,
            "bytes": self.bytes,
            "lag_ms": self.lag_ns.summary(1e6),
            "incomplete_bytes": self._decoder.pending_bytes,
            "errors": self.errors,
            "sinks": self._closed,
        }

    def _drop_sink(self, name: str, error: Exception) -> None:
        """One sink's failure must not cost the others their packets."""
        self._sinks.pop(name, None)
        self._takers = [taker for taker in self._takers if taker[0] != name]
        if len(self.errors) < _MOST_ERRORS:
            where = error.__traceback__
            while where is not None and where.tb_next is not None:
                where = where.tb_next
            place = f" ({Path(where.tb_frame.f_code.co_filename).name}:{where.tb_lineno})" if where else ""
            self.errors.append(f"{name}: {type(error).__name__}: {error}{place}")


def _say(recorder: Recorder, *, finished: bool) -> None:
    """One line to the monitor; a monitor that is gone does not matter."""
    line = orjson.dumps({**recorder.report(), "finished": finished}) + b"\n"
    try:
        os.write(1, line)
    except OSError:
        return


def record(recorder: Recorder, descriptor: int) -> None:
    """Feed ``recorder`` from ``descriptor`` until its end."""
    next_tick = time.monotonic_ns()
    next_report = next_tick + _REPORT_NS
    os.set_blocking(descriptor, True)
    share, behind_until_ns = scheduling.Share(), 0
    share.behind(False)
    _say(recorder, finished=False)  # the monitor waits for this before it says that it is ready
    while True:
        ready, _, _ = select.select([descriptor], [], [], _TICK_S)
        if ready:
            data = os.read(descriptor, _READ_BYTES)
            if not data:
                share.behind(True)  # somebody waits for the files
                return
            recorder.feed(data)
        now_ns = time.monotonic_ns()
        if ready and (recorder.last_lag_ns > _LATE_NS or share.hurried):
            behind_until_ns = now_ns + _HURRY_NS
        share.behind(now_ns < behind_until_ns)
        if now_ns >= next_tick:
            recorder.tick()
            next_tick = now_ns + int(_TICK_S * 1e9)
        if now_ns >= next_report:
            _say(recorder, finished=False)
            next_report = now_ns + _REPORT_NS


def main(argv: Sequence[str]) -> int:
    """The process: ``argv`` is the path of the monitor's configuration."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # only the end of the pipe ends it, so that nothing already fed is lost
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    try:
        config = MonitorConfig.from_json(Path(argv[0]).read_bytes(), argv[0])
        recorder = Recorder(AddressBook(config), default_sinks(config))
    except InputError as error:
        print(f"raftmon recorder: {error}", file=sys.stderr)
        return EXIT_USAGE
    except (RaftmonError, OSError) as error:
        print(f"raftmon recorder: {error}", file=sys.stderr)
        return EXIT_INTERNAL
    gc.freeze()
    scheduling.batch()
    record(recorder, 0)
    recorder.close()
    _say(recorder, finished=True)
    return EXIT_INTERNAL if recorder.errors else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
