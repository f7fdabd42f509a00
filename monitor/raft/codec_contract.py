"""Whether a codec keeps its contract, tried on a capture: ``raftmon test codec``. No sockets, no root.

The capture's own messages are the measure: other segments must give the same ones, a capture that begins late or has
holes none that were not there, and damaged bytes nothing but counters.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from raftmon.monitor.packets.capture_reader import read_capture
from raftmon.monitor.packets.tcp_table import Consumer, Flow
from raftmon.monitor.raft.codecs.base import Codec
from raftmon.monitor.raft.decoder import Decoder
from raftmon.monitor.raft.message import RaftMessage
from raftmon.setup.errors import InputError

__all__ = ["Promise", "test_codec"]

_MAX_BYTES = 8 << 20
_MAX_PACKETS = 200_000
_ROUNDS = 8

_Look = tuple[str, str | None, str | None, int, int, bytes]


@dataclass(frozen=True, slots=True)
class Promise:
    """One promise of the contract: whether it was kept, and what was seen."""

    text: str
    kept: bool
    seen: str


class _Chopped:
    """Passes bytes on in pieces of any size."""

    def __init__(self, inner: Consumer, rng: random.Random) -> None:
        self._inner, self._dice = inner, rng
        self.hole, self.end = inner.hole, inner.end

    def data(self, payload: bytes, mark: int) -> None:
        place = 0
        while place < len(payload):
            size = self._dice.choice((1, 2, 3, 7, 64, 1448))
            self._inner.data(payload[place : place + size], mark)
            place += size


class _ChoppingDecoder(Decoder):
    """A decoder that sees every segment in pieces."""

    rng: random.Random

    def _open(self, client: Flow, server: Flow) -> tuple[Consumer, Consumer]:
        one, two = super()._open(client, server)
        return _Chopped(one, self.rng), _Chopped(two, self.rng)


def _look(message: RaftMessage) -> _Look:
    return message.kind, message.source, message.target, message.term, message.index, message.raw


def _run(decoder: Decoder, packets: Sequence[bytes]) -> list[_Look]:
    found = []
    for number, data in enumerate(packets):
        for message in decoder.packet(number, number, data):
            found.append(_look(message))
            for entry in message.entries:
                _ = entry.operations
            message.sentence()
        if decoder.buffers.used > _MAX_BYTES + (1 << 20):
            raise MemoryError(f"{decoder.buffers.used:,} bytes are held")
    found += [_look(message) for message in decoder.finish()]
    return found


def _tried(text: str, trial: Callable[[], tuple[bool, str]]) -> Promise:
    try:
        kept, seen = trial()
    except Exception as error:
        return Promise(text, False, f"{type(error).__name__}: {error}")
    return Promise(text, kept, seen)


def test_codec(codec: Codec, capture: Path, seed: str) -> list[Promise]:
    """Try every promise on the capture's packets. Raises InputError if the codec reads nothing in it."""
    packets = [packet.data for packet in read_capture(capture)][:_MAX_PACKETS]
    plain = Decoder(codecs=(codec,), max_bytes=_MAX_BYTES)
    whole = _run(plain, packets)
    if not whole:
        raise InputError(f"the codec {codec.name} reads no message in {capture}: is it of this protocol?")
    raws = Counter(look[-1] for look in whole)

    def read() -> tuple[bool, str]:
        unparsed = plain.taps.unparsed
        return unparsed == 0, f"{len(whole):,} messages, {unparsed:,} bytes not understood"

    def segments() -> tuple[bool, str]:
        for number in range(_ROUNDS):
            decoder = _ChoppingDecoder(codecs=(codec,), max_bytes=_MAX_BYTES)
            decoder.rng = random.Random(f"{seed} segments {number}")
            found = _run(decoder, packets)
            if found != whole:
                return False, f"{len(found):,} messages in other segments, {len(whole):,} in these"
        return True, f"{_ROUNDS} other segmentations gave the same messages"

    def invented(name: str, damage: Callable[[random.Random], Sequence[bytes]]) -> tuple[bool, str]:
        least = len(whole)
        for number in range(_ROUNDS):
            found = _run(
                Decoder(codecs=(codec,), max_bytes=_MAX_BYTES), damage(random.Random(f"{seed} {name} {number}"))
            )
            least = min(least, len(found))
            strange = next((look for look in found if look[-1] not in raws), None)
            if strange is not None:
                return False, f"a {strange[0]} of term {strange[3]} was read that the whole capture does not have"
        return True, f"none invented; {least:,} to {len(whole):,} of {len(whole):,} read"

    def holes(rng: random.Random) -> list[bytes]:
        return [data for data in packets if rng.random() > 0.02]

    def garbage() -> tuple[bool, str]:
        unread = 0
        for number in range(_ROUNDS):
            rng = random.Random(f"{seed} garbage {number}")
            damaged = [_damaged(data, rng) if rng.random() < 0.2 else data for data in packets]
            decoder = Decoder(codecs=(codec,), max_bytes=_MAX_BYTES)
            _run(decoder, damaged)
            unread += decoder.taps.unparsed + decoder.taps.skipped + decoder.taps.foreign
            if decoder.buffers.used:
                return False, f"{decoder.buffers.used:,} bytes are still held when all connections are over"
        return unread > 0, f"nothing raised, {unread:,} bytes counted as unread"

    return [
        _tried("Every byte of the capture is understood.", read),
        _tried("Any segmentation gives the same messages.", segments),
        _tried(
            "A capture that begins anywhere shows no message that was not sent.",
            lambda: invented("begin", lambda rng: packets[rng.randrange(len(packets)) :]),
        ),
        _tried("A capture with holes shows no message that was not sent.", lambda: invented("holes", holes)),
        _tried("Damaged bytes raise nothing, are counted, and hold a bounded memory.", garbage),
    ]


test_codec.__test__ = False  # type: ignore[attr-defined]  # no test of pytest's


def _damaged(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 2, 8))):
        if len(changed) > 52:
            changed[rng.randrange(52, len(changed))] = rng.randrange(256)
    return bytes(changed)
