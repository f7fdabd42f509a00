"""Decoding while a run goes on, and decoding a capture: packets in, ``messages.sqlite`` out."""

from __future__ import annotations

import contextlib
import gc
import os
import sqlite3
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import orjson

from raftmon.monitor.fidelity import Histogram, codec_failures
from raftmon.monitor.message_rules.comments import HELD, EditLog
from raftmon.monitor.packets.capture_reader import CaptureNotes, read_capture
from raftmon.monitor.raft.codecs.base import Codec
from raftmon.monitor.raft.codecs.table import BUILT_IN
from raftmon.monitor.raft.conformance.checker import ConformanceChecker
from raftmon.monitor.raft.conformance.rules import RULES, UNSEEN
from raftmon.monitor.raft.database.store import MessageStore, open_store
from raftmon.monitor.raft.decoder import Decoder
from raftmon.monitor.raft.invariants import INVARIANTS, LIMITS, InvariantChecker
from raftmon.monitor.raft.message import Channel, RaftMessage
from raftmon.monitor.raft.tracker import Tracker
from raftmon.setup.errors import InputError

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
        codecs: Sequence[Codec] = BUILT_IN,
        **meta: Any,
    ) -> None:
        """``names`` maps IP addresses to node names; ``live`` keeps the file fit for reading all the time; ``ports``
        are the servers' ports that are looked at, None for all; ``codecs`` the protocols that are read.
        """
        self.decoder = Decoder(names, ports=ports, codecs=codecs, forgiving=True)
        self.tracker = Tracker()
        self.invariants = InvariantChecker(self.decoder.directory.renamed)
        self.conformance = ConformanceChecker(self.decoder.directory.renamed)
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
        for violation in self.conformance.feed(message, comment):
            self.store.add_violation(violation)

    def flush(self) -> None:
        """Write everything so far."""
        decoder = self.decoder
        if self.conformance.complete and decoder.bytes_missing():
            self.conformance.complete = False
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
        self.store.set_meta(
            {
                "counters": self._counters(),
                "invariants": result["invariants"],
                "conformance": result["conformance"],
                "finished": True,
            }
        )
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
            "violations": len(self.invariants.violations) + len(self.conformance.violations),
            "entries_forgotten": self.invariants.forgotten,
            "invariants": {
                name: {"checked": self.invariants.checked[name], "broken": broken[name], "not_visible": LIMITS[name]}
                for name in INVARIANTS
            },
            "conformance": self._conformance(),
        }

    def _conformance(self) -> dict[str, Any]:
        """Per rule how often it was asked and broken and what it cannot see; the systems' deviations."""
        found = self.conformance
        broken = dict.fromkeys(RULES, 0)
        for violation in found.violations:
            broken[violation.invariant] += 1
        rules = {
            name: {"checked": found.checked[name], "broken": broken[name], "not_visible": UNSEEN[name]}
            for name in RULES
        }
        return {"complete": found.complete, "deviations": found.deviations, "rules": rules}


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
        codecs: Sequence[Codec] = BUILT_IN,
        clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.record = MessageRecord(
            path, names, live=True, codecs=codecs, clock="monotonic", wall_offset_ns=wall_offset_ns
        )
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


def _refuse_foreign(target: Path, capture: Path) -> None:
    """Raise InputError if ``target`` is there and is not what decoding this capture wrote before."""
    if not target.exists() and not target.is_symlink():
        return
    what = "something else"
    if target.is_file() and not target.is_symlink():
        if target.samefile(capture):
            raise InputError(f"{target} is the capture itself: name another file with -o")
        try:
            with contextlib.closing(open_store(target)) as connection:
                row = connection.execute("SELECT value FROM meta WHERE key = 'capture'").fetchone()
            of = orjson.loads(row[0]) if row is not None else None
            if of is not None and Path(of).resolve() == capture.resolve():
                return
            what = f"the record of {of}" if of else "a run's own record"
        except (InputError, sqlite3.Error):
            what = "no record of raftmon's"
    raise InputError(f"{target} is there already and is {what}: name another file with -o, or remove it")


def decode_capture(
    path: Path,
    target: Path,
    names: Mapping[str, str] | None = None,
    *,
    ports: Collection[int] | None = None,
    codecs: Sequence[Codec] = BUILT_IN,
    notes: CaptureNotes | None = None,
) -> dict[str, Any]:
    """Decode a capture file into ``messages.sqlite``; the record's summary. ``ports`` and ``codecs``
    as in ``Decoder``; ``notes`` say how far it is, for whoever shows it meanwhile.

    The record is made beside ``target`` and renamed when it is whole. ``notes`` of the summary are what there is to
    say of the capture, in words. Raises InputError if the capture cannot be read, and where ``target`` is anything
    but a record of the same capture: nothing else is ever overwritten.
    """
    _refuse_foreign(target, path)
    notes = CaptureNotes() if notes is None else notes
    packets = read_capture(path, notes)
    first = next(packets, None)
    part = target.with_name(f".{target.name}.part")
    part.unlink(missing_ok=True)
    record = MessageRecord(
        part, names, live=False, ports=ports, codecs=codecs, clock="utc", wall_offset_ns=0, capture=str(path)
    )
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
        summary = record.finish()
        for leftover in ("-wal", "-shm"):  # of the record that is replaced: they do not fit the new one
            target.with_name(target.name + leftover).unlink(missing_ok=True)
        os.replace(part, target)
        return {**summary, "notes": [*notes.sentences(), *codec_failures(summary)]}
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    finally:
        if collecting:
            gc.enable()
