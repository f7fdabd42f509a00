"""Framings for codecs of one's own: subclass one, write ``read(content, raw, first, mark)``, and the rest is done."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from raftmon.monitor.packets.tcp_table import Flow
from raftmon.monitor.raft.codecs.base import Output, PairTaps
from raftmon.monitor.raft.codecs.framing import MORE, FramedTap, Malformed, pairs
from raftmon.monitor.raft.codecs.json_values import JsonEnd
from raftmon.monitor.raft.codecs.msgpack import MsgpackEnd, load
from raftmon.monitor.raft.message import Channel, Entry, RaftMessage

__all__ = [
    "CodecTap",
    "JsonStreamTap",
    "LengthPrefixedTap",
    "MsgpackStreamTap",
    "made_message",
    "taps_of",
    "unit_of",
]


def made_message(
    out: Output, channel: Channel, kind: str, raw: bytes, first: int, mark: int, **fields: Any
) -> RaftMessage:
    """A message of this channel; ``fields`` are those of RaftMessage, what is not given is zero or empty.

    Raises Malformed if a number is none.
    """
    numbers = {name: fields.pop(name, 0) for name in ("term", "log_term", "index", "commit", "reject_hint")}
    for name, value in numbers.items():
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 63:
            raise Malformed(f"{name} is no number")
    entries: tuple[Entry, ...] = tuple(fields.pop("entries", ()))
    return RaftMessage(
        time_ns=out.now_ns, kind=kind, source=channel.source, target=channel.target, entries=entries,
        reject=bool(fields.pop("reject", False)), context=bytes(fields.pop("context", b"")), channel=channel,
        first_packet=first, last_packet=mark, size=len(raw), raw=raw, **numbers, **fields,
    )  # fmt: skip


class CodecTap(FramedTap):
    """Base class of taps of your own: the flow, the tap of the other direction, and messages made in one call.

    ``codec`` is the name of the row, ``channel_name`` that of its channels. ``source`` and ``target`` begin as the
    addresses of both ends where the topology (or a greeting) gives them names.
    """

    codec = ""
    channel_name = "peer"

    def __init__(self, out: Output, flow: Flow, *, joined: bool) -> None:
        super().__init__(out, out.channel(self.channel_name, flow, self.codec), joined=joined)
        self.flow = flow
        self.peer: CodecTap = self

    def speaks(self, address: str) -> None:
        """The sender says that it is ``address`` (``IP:port``): both directions know it from now on."""
        name = self.out.directory.claimed(address, self.flow.source)
        self.channel.source = self.peer.channel.target = name

    def emit(self, kind: str, raw: bytes, first: int, mark: int, **fields: Any) -> None:
        """Hand on one message; ``fields`` are those of RaftMessage, what is not given is zero or empty.

        Raises Malformed if a number is none, so that a message of another program is counted, not believed.
        """
        self.out.message(made_message(self.out, self.channel, kind, raw, first, mark, **fields))

    def read(self, content: Any, raw: bytes, first: int, mark: int) -> None:
        """One message's content; raise Malformed (KeyError, TypeError and ValueError count as it)."""
        raise NotImplementedError

    def content(self, raw: bytes) -> Any:
        """From a message's bytes to its content."""
        return raw

    def take(self, raw: bytes, first: int, mark: int) -> int:
        """See ``FramedTap``."""
        try:
            self.read(self.content(raw), raw, first, mark)
        except (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise Malformed(f"not understood: {error}") from error
        return 0


class LengthPrefixedTap(CodecTap):
    """A length of ``width`` bytes, then as many bytes of content; ``decode`` reads them (JSON by default)."""

    width = 4
    byteorder: Any = "big"
    decode: Callable[[bytes], Any] = staticmethod(orjson.loads)

    def end_of(self, data: bytes | bytearray, place: int) -> int:
        """See ``FramedTap``."""
        if len(data) - place < self.width:
            return MORE
        stop = place + self.width + int.from_bytes(data[place : place + self.width], self.byteorder)
        if stop - place > self.max_message:
            raise Malformed("a message beyond all bounds")
        return stop if stop <= len(data) else MORE

    def start_of(self, data: bytes | bytearray, place: int) -> int:
        """Where a whole message can be read: asked of every place, as a length alone tells little."""
        for at in range(place, min(len(data), place + 4096)):
            try:
                stop = self.end_of(data, at)
                if stop > at + self.width:
                    self.decode(bytes(data[at + self.width : stop]))
                    return at
            except (ValueError, Malformed):
                continue
        return -1

    def content(self, raw: bytes) -> Any:
        """See ``CodecTap``."""
        return type(self).decode(raw[self.width :])


class JsonStreamTap(CodecTap):
    """JSON objects that follow each other, separated by lines or not at all. ``begin`` starts every message."""

    begin = b"{"

    def end_of(self, data: bytes | bytearray, place: int) -> int:
        """See ``FramedTap``."""
        if not isinstance(self.resume, JsonEnd):
            self.resume = JsonEnd()
            if data[place] not in b"{[ \t\r\n":
                raise Malformed("no JSON object")
            if data[place] in b" \t\r\n":
                return place + 1
        return self.resume.feed(data, place)

    def start_of(self, data: bytes | bytearray, place: int) -> int:
        """See ``FramedTap``."""
        return data.find(self.begin, place)

    def take(self, raw: bytes, first: int, mark: int) -> int:
        """See ``FramedTap``; white space between messages is nothing."""
        return super().take(raw, first, mark) if raw.strip() else 0

    def content(self, raw: bytes) -> Any:
        """See ``CodecTap``."""
        return orjson.loads(raw)


class MsgpackStreamTap(CodecTap):
    """MessagePack values that follow each other, ``values`` of them a message; ``begin`` starts every message.

    ``read`` gets one value, or a list of them where ``values`` is more; texts are bytes.
    """

    values = 1
    begin = b"\x80"

    def end_of(self, data: bytes | bytearray, place: int) -> int:
        """See ``FramedTap``."""
        if not isinstance(self.resume, MsgpackEnd):
            self.resume = MsgpackEnd(values=self.values)
        return self.resume.feed(data, place)

    def start_of(self, data: bytes | bytearray, place: int) -> int:
        """See ``FramedTap``."""
        return data.find(self.begin, place)

    def content(self, raw: bytes) -> Any:
        """See ``CodecTap``."""
        found, at = [], 0
        for _ in range(self.values):
            value, at = load(raw, at)
            found.append(value)
        return found[0] if self.values == 1 else found


def unit_of(
    tap: type[LengthPrefixedTap | JsonStreamTap | MsgpackStreamTap],
) -> Callable[[bytes | bytearray], int | None]:
    """The ``unit`` of a codec with this tap, so that rules can act on its messages by splicing (``Codec.unit``)."""

    def unit(data: bytes | bytearray) -> int | None:
        if issubclass(tap, LengthPrefixedTap):
            if len(data) < tap.width:
                return None
            size = tap.width + int.from_bytes(data[: tap.width], tap.byteorder)
            if size > tap.max_message:
                raise Malformed("a message beyond all bounds")
            return size
        if issubclass(tap, MsgpackStreamTap):
            end = MsgpackEnd(values=tap.values).feed(data, 0)
            return None if end < 0 else end
        start = len(data) - len(data.lstrip(b" \n\r\t"))
        if start == len(data):
            return None
        if data[start : start + 1] not in (b"{", b"["):
            raise Malformed("no JSON object")
        end = JsonEnd().feed(data, start)
        return None if end < 0 else end

    return unit


def taps_of(tap: type[CodecTap]) -> Callable[[Output], PairTaps]:
    """Makes a row's ``taps`` from a tap class; the listening side is named by its address."""

    def taps(output: Output) -> PairTaps:
        return pairs(output, lambda flow, _dials, joined: tap(output, flow, joined=joined))

    return taps
