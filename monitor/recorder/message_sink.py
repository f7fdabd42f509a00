"""Decoding while a run goes on, and decoding a capture: packets in, ``messages.sqlite`` out."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, Protocol

from raftmon.monitor.fidelity import Histogram
from raftmon.monitor.message_rules.comments import HELD, EditLog
from raftmon.monitor.packets.capture_reader import read_capture
from raftmon.monitor.raft.database.store import MessageStore
from raftmon.monitor.raft.decoder import Decoder
from raftmon.monitor.raft.invariants import INVARIANTS, LIMITS, InvariantChecker
from raftmon.monitor.raft.message import Channel, RaftMessage
from raftmon.monitor.raft.tracker import Tracker

__all__ = ["MessageRecord", "MessageSink", "decode_capture"]

_FLUSH_AT = 2000
_FLUSH_NS = 50_000_000
_FREEZE_EVERY = 50
_STATE_EVERY_NS = 500_000_000
_COUNTERS_EVERY_NS = 1_000_000_000


class _Recorded(Protocol):
    """raftmon.monitor.recorder.frame_reader.RecordedPacket, as far as it is read here."""

    number: int
    time_ns: int
    data: bytes
    verdict_comment: str
    delivered: bool


class MessageRecord:
    """Decoder, tracker, invariants and store in one: give it packets, it keeps the record."""

    def __init__(
        self,
        path: Path,
        names: Mapping[str, str] | None = None,
        *,
        live: bool,
        ports: Collection[int] | None = None,
        **meta: Any,
    ) -> None:
        """``names`` maps IP addresses to node names; ``live`` keeps the file fit for reading all the time; ``ports``
        are the servers' ports that are looked at, None for all.
        """
        self.decoder = Decoder(names, ports=ports)
        self.tracker = Tracker()
        self.invariants = InvariantChecker(self.decoder.directory.renamed)
        self.store = MessageStore(path, meta, live=live)
        self._edits = EditLog()
        self._channels: dict[int, Channel] = {}
        self._renamed: dict[str, str] = {}
        self._state_due_ns = 0
        self._counters_due_ns = 0

    def packet(self, number: int, time_ns: int, data: bytes, comment: str | None, delivered: bool | None) -> int:
        """Take one packet; how many messages it completed."""
        messages = self.decoder.packet(number, time_ns, data)
        if comment:
            comment = self._edits.note(number, comment)
            if comment == HELD:
                delivered = True  # it goes on with the next segment
        if messages:
            for message in messages:
                self._take(message, *self._edits.verdict(message, comment, delivered))
            if time_ns >= self._state_due_ns:
                self._state_due_ns = time_ns + _STATE_EVERY_NS
                self.store.add_states(time_ns, self.tracker)
        return len(messages)

    def _take(self, message: RaftMessage, comment: str | None, delivered: bool | None) -> None:
        self.store.add(message, comment, delivered)
        if changes := self.tracker.feed(message, delivered=delivered is not False):
            self.store.add_changes(changes)
            self._state_due_ns = 0
        for violation in self.invariants.feed(message):
            self.store.add_violation(violation)

    def flush(self) -> None:
        """Write everything so far."""
        decoder = self.decoder
        renamed = decoder.directory.renamed
        if len(renamed) != len(self._renamed):
            for old, new in renamed.items():
                if old not in self._renamed:
                    self.tracker.rename(old, new)
            self._renamed = dict(renamed)
        if decoder.channels:
            self._channels.update((channel.stream, channel) for channel in decoder.channels)
            self.store.add_channels(decoder.channels)
            decoder.channels.clear()
        if decoder.events:
            self.store.add_events(decoder.events)
            decoder.events.clear()
        if decoder.now_ns >= self._counters_due_ns:
            self._counters_due_ns = decoder.now_ns + _COUNTERS_EVERY_NS
            self.store.set_meta({"counters": self._counters()})
        self.store.flush()
        if len(self._channels) > 50_000:
            for key in list(self._channels)[:25_000]:
                del self._channels[key]

    def finish(self) -> dict[str, Any]:
        """Write the rest and close; what there is to say of the record."""
        for message in self.decoder.finish():
            self._take(message, *self._edits.verdict(message, None, None))
        self.store.add_states(self.decoder.now_ns, self.tracker)
        result = self.summary()
        self.store.set_meta({"counters": self._counters(), "invariants": result["invariants"], "finished": True})
        self.flush()
        self.store.finish(self.tracker.elections, self.decoder.directory.renamed, self._channels.values())
        return result

    def _counters(self) -> dict[str, Any]:
        return {**self.decoder.counters(), "entries_left_out": self.store.entries_left_out}

    def summary(self) -> dict[str, Any]:
        """Counters of the decoder, and per invariant how often it was checked and broken and what it cannot see."""
        broken = dict.fromkeys(INVARIANTS, 0)
        for violation in self.invariants.violations:
            broken[violation.invariant] += 1
        return {
            **self._counters(),
            "violations": len(self.invariants.violations),
            "invariants": {
                name: {"checked": self.invariants.checked[name], "broken": broken[name], "not_visible": LIMITS[name]}
                for name in INVARIANTS
            },
        }


class MessageSink:
    """The recorder's sink that decodes while the run goes on (``raftmon.monitor.recorder.recorder.Sink``).

    The lag is the time from a packet's arrival at the monitor to its messages being readable in the file.
    """

    name = "messages"

    def __init__(
        self,
        path: Path,
        names: Mapping[str, str] | None = None,
        *,
        wall_offset_ns: int = 0,
        clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.record = MessageRecord(path, names, live=True, clock="monotonic", wall_offset_ns=wall_offset_ns)
        self._clock_ns = clock_ns
        self._oldest_ns = 0
        self._flushes = 0
        self.lag_ns = Histogram()

    def packet(self, packet: _Recorded) -> None:
        """Decode one packet."""
        record = self.record
        found = record.packet(packet.number, packet.time_ns, packet.data, packet.verdict_comment, packet.delivered)
        if found:
            if not self._oldest_ns:
                self._oldest_ns = packet.time_ns
            if packet.time_ns - self._oldest_ns >= _FLUSH_NS or record.store.waiting >= _FLUSH_AT:
                self.tick(self._clock_ns())

    def tick(self, now_ns: int) -> None:
        """Write what was decoded since the last tick."""
        self.record.flush()
        if self._oldest_ns:
            self.lag_ns.add(self._clock_ns() - self._oldest_ns)
            self._oldest_ns = 0
            self._flushes += 1
            if self._flushes % _FREEZE_EVERY == 0:
                gc.freeze()  # what is remembered of the log makes no cycles: it need not be scanned again and again

    def close(self) -> dict[str, Any]:
        """Write the rest; the decoder's counters, the invariants, and the lag in ms."""
        self.tick(self._clock_ns())
        return {**self.record.finish(), "lag_ms": self.lag_ns.summary(1e6), "flushes": self._flushes}


def decode_capture(
    path: Path, target: Path, names: Mapping[str, str] | None = None, *, ports: Collection[int] | None = None
) -> dict[str, Any]:
    """Decode a capture file into a new ``messages.sqlite``; the record's summary. ``ports`` as in ``Decoder``.

    Raises InputError where either file cannot be used.
    """
    packets = read_capture(path)
    first = next(packets, None)
    record = MessageRecord(target, names, live=False, ports=ports, clock="utc", wall_offset_ns=0, capture=str(path))
    if ports is not None:
        record.store.set_meta({"ports": sorted(ports)})
    collecting = gc.isenabled()
    gc.disable()  # nothing here makes cycles; scanning for them would cost a third of the time
    try:
        if first is not None:
            record.packet(first.number, first.time_ns, first.data, first.comment, None)
        for packet in packets:
            record.packet(packet.number, packet.time_ns, packet.data, packet.comment, None)
            if record.store.waiting >= _FLUSH_AT:
                record.flush()
        return record.finish()
    finally:
        if collecting:
            gc.enable()
