"""From the packets of a capture to Raft messages: streams, then the protocol each connection turns out to speak."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from raftmon.monitor.compiled import COMPILED
from raftmon.monitor.packets.tcp_stream import Budget
from raftmon.monitor.packets.tcp_table import Consumer, Flow, StreamTable
from raftmon.monitor.raft.codecs.base import Codec, PairTaps, TapCounters
from raftmon.monitor.raft.codecs.sniff import guess
from raftmon.monitor.raft.codecs.table import BUILT_IN
from raftmon.monitor.raft.directory import Directory
from raftmon.monitor.raft.message import Channel, RaftMessage

__all__ = ["Decoder", "WireEvent"]

_MAX_HELD_EVENTS = 10_000
_MAX_FAILURE = 300


_AtOnce = Callable[[int, int, bytes], Sequence[RaftMessage] | None]


def _packets_at_once(decoder: Decoder) -> _AtOnce | None:
    """The compiled way of etcd's common packets, where it was built."""
    if COMPILED:
        with contextlib.suppress(ImportError):
            from raftmon.monitor.raft._etcd_packets import Packets

            return Packets(decoder).packet
    return None


@dataclass(slots=True)
class WireEvent:
    """Something seen on the wire that is not a message: ``stream opened``, ``refused``."""

    time_ns: int
    kind: str
    channel: Channel
    text: str
    packet: int


class Decoder:
    """Feed it packets in the order they were captured; it gives the messages each one completed.

    ``names`` maps IP addresses to node names (a run's topology); without it names come from the wire. ``max_bytes``
    bounds what is kept of unfinished streams, and the same again of unfinished messages. ``ports``, where given, are
    the server ports whose connections are looked at; of a connection whose beginning is not in the capture either end
    may have that port, as nothing says which is the server. ``codecs`` are the protocols that are read. What a
    codec raises is raised here, too, unless the decoder is ``forgiving``: then it costs that connection alone.
    """

    def __init__(
        self,
        names: Mapping[str, str] | None = None,
        *,
        max_bytes: int = 64 << 20,
        ports: Collection[int] | None = None,
        codecs: Sequence[Codec] = BUILT_IN,
        forgiving: bool = False,
    ) -> None:
        self.directory = Directory(names)
        self.buffers = Budget(max_bytes)
        self.taps = TapCounters()
        self.left_out = TapCounters()
        self.now_ns = 0
        self.lost_at_join = 0
        self.unknown_field_bytes = 0
        self.link_heartbeats = {"msgapp": 0, "message": 0}
        self.events: list[WireEvent] = []
        self.channels: list[Channel] = []
        self.packets = 0
        self.messages = 0
        self.codec_failures = 0
        self.codec_failure = ""
        self.streams = StreamTable(self._open, failed=self._failed, max_bytes=max_bytes)
        self._forgiving = forgiving
        self._out: list[RaftMessage] = []
        self._joined = False
        self._next_channel = 1
        self.codecs = tuple(codecs)
        self._named = {codec.name: codec for codec in codecs}
        self._taps: dict[str, PairTaps] = {}
        self._ports = None if ports is None else frozenset(ports)
        self._at_once = _packets_at_once(self)

    def packet(self, number: int, time_ns: int, data: bytes) -> Sequence[RaftMessage]:
        """Take one IP packet (its number and time); the messages whose last byte it brought."""
        self.now_ns = time_ns
        self.packets += 1
        if self._at_once is not None and (found := self._at_once(number, time_ns, data)) is not None:
            self.messages += len(found)
            return found
        self.streams.packet(data, number)
        if self._out:
            out, self._out = self._out, []
            self.messages += len(out)
            return out
        return ()

    def finish(self) -> Sequence[RaftMessage]:
        """The capture is over: messages that lay behind holes."""
        self.streams.finish()
        out, self._out = self._out, []
        self.messages += len(out)
        return out

    def counters(self) -> dict[str, Any]:
        """What was read and what was not, in bytes and messages; see docs/messages.md for each name."""
        return {
            "packets": self.packets,
            "messages": self.messages,
            "unparsed_bytes": self.taps.unparsed,
            "skipped_bytes": self.taps.skipped,
            "foreign_bytes": self.taps.foreign,
            "left_out_bytes": self.left_out.foreign,
            "hole_bytes": self.streams.hole_bytes,
            "duplicate_bytes": self.streams.duplicate_bytes,
            "unknown_field_bytes": self.unknown_field_bytes,
            "lost_at_join": self.lost_at_join,
            "link_heartbeats": dict(self.link_heartbeats),
            "codec_failures": self.codec_failures,
            "codec_failure": self.codec_failure,
        }

    def bytes_missing(self) -> bool:
        """Whether something that nodes sent is missing: lost bytes, or connections joined in the middle."""
        taps = self.taps
        return bool(self._joined or taps.unparsed or taps.skipped or self.streams.hole_bytes or self.lost_at_join)

    # What the codecs call (codecs.base.Output).

    def message(self, message: RaftMessage) -> None:
        """One decoded message."""
        self._out.append(message)

    def event(self, kind: str, channel: Channel, text: str, packet: int) -> None:
        """Note a WireEvent; the oldest go where nobody takes them."""
        if len(self.events) >= _MAX_HELD_EVENTS:
            del self.events[: _MAX_HELD_EVENTS // 2]
        self.events.append(WireEvent(self.now_ns, kind, channel, text, packet))

    def channel(self, name: str, flow: Flow, codec: str) -> Channel:
        """A new channel on this flow, listed in ``channels`` until somebody takes it from there."""
        self._joined = self._joined or not flow.from_start
        channel = Channel(
            self._next_channel,
            name,
            codec,
            source_address=f"{flow.source}:{flow.source_port}",
            target_address=f"{flow.target}:{flow.target_port}",
            ordered=name in self._named[codec].ordered,
            answers_bear_own_term=self._named[codec].answers_bear_own_term,
            opened_ns=self.now_ns,
        )
        self._next_channel += 1
        if len(self.channels) >= _MAX_HELD_EVENTS:
            del self.channels[: _MAX_HELD_EVENTS // 2]
        self.channels.append(channel)
        return channel

    def _open(self, client: Flow, server: Flow) -> tuple[Consumer, Consumer]:
        if self._ports is not None:
            ends = {server.source_port} if client.from_start else {server.source_port, client.source_port}
            if self._ports.isdisjoint(ends):
                return _Foreign(self.left_out), _Foreign(self.left_out)
        pair = _Pair(self, client, server)
        return pair.sides[0], pair.sides[1]

    def taps_for(self, codec: Codec | Literal["foreign"], client: Flow, server: Flow) -> tuple[Consumer, Consumer]:
        """The consumers of a connection that speaks ``codec``."""
        if codec == "foreign":
            return _Foreign(self.taps), _Foreign(self.taps)
        make = self._taps.get(codec.name)
        if make is None:
            make = self._taps[codec.name] = codec.taps(self)
        return make(client, server, joined=not client.from_start)

    def _failed(self, error: Exception, size: int) -> Consumer:
        """A codec raised what none should: the rest of that connection is unparsed, and the others go on."""
        if not self._forgiving:
            raise error
        self.codec_failures += 1
        if not self.codec_failure:
            last = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{Path(last.filename).name}:{last.lineno}"
            self.codec_failure = f"{type(error).__name__}: {error} ({where})"[:_MAX_FAILURE]
        self.taps.unparsed += size
        return _Unparsed(self.taps)


class _Foreign:
    """Counts the bytes of a connection that carries no Raft that is read here."""

    def __init__(self, counters: TapCounters) -> None:
        self._counters = counters

    def data(self, payload: bytes, mark: int) -> None:
        """See ``Consumer.data``."""
        self._counters.foreign += len(payload)

    def hole(self, size: int) -> None:
        """See ``Consumer.hole``."""

    def end(self) -> None:
        """See ``Consumer.end``."""


class _Unparsed(_Foreign):
    """Counts the bytes of a connection whose codec failed."""

    def data(self, payload: bytes, mark: int) -> None:
        """See ``Consumer.data``."""
        self._counters.unparsed += len(payload)


class _Pair:
    """Both directions of a connection until it is known what they speak."""

    def __init__(self, decoder: Decoder, client: Flow, server: Flow) -> None:
        self.decoder = decoder
        self.flows = (client, server)
        self.sides = (_Unsure(self, 0), _Unsure(self, 1))

    def decide(self, codec: Codec | Literal["foreign"]) -> None:
        """Both directions speak ``codec``: hand over, with the bytes kept so far."""
        taps = self.decoder.taps_for(codec, *self.flows)
        for side, tap in zip(self.sides, taps, strict=True):
            side.become(tap)
        for side in self.sides:
            side.replay()


class _Unsure:
    """One direction until its first bytes tell the protocol; then it is that protocol's ``tap`` in all but name."""

    data: Callable[[bytes, int], None]
    hole: Callable[[int], None]
    end: Callable[[], None]

    def __init__(self, pair: _Pair, side: int) -> None:
        self._pair = pair
        self._from_start = pair.flows[side].from_start
        self._held: list[tuple[bytes, int]] = []
        self.tap: Consumer | None = None
        self.data = self._data
        self.hole = self._hole
        self.end = self._end

    def become(self, tap: Consumer) -> None:
        """From now on everything goes to ``tap``."""
        self.tap = tap
        self.data, self.hole, self.end = tap.data, tap.hole, tap.end

    def replay(self) -> None:
        """Hand over what was kept."""
        held, self._held = self._held, []
        for payload, mark in held:
            self.data(payload, mark)

    def _data(self, payload: bytes, mark: int) -> None:
        self._held.append((payload, mark))
        start = payload if len(self._held) == 1 else b"".join(part for part, _ in self._held)
        if self._from_start and len(start) < 8:
            return
        codec = guess(self._pair.decoder.codecs, start, from_start=self._from_start)
        if codec is not None:
            self._pair.decide(codec)
        elif not self._from_start:  # joined in mid-stream: nothing here tells, the next segment may
            self._pair.decoder.taps.skipped += len(start)
            self._held.clear()

    def _hole(self, size: int) -> None:
        self._from_start = False
        self._pair.decoder.taps.skipped += sum(len(part) for part, _ in self._held)
        self._held.clear()

    def _end(self) -> None:
        self._pair.decoder.taps.foreign += sum(len(part) for part, _ in self._held)
        self._held.clear()
