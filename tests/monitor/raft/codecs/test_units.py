"""Units of the codecs that rules act on by splicing: whole streams of live clusters are cut into them."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from dataclasses import dataclass, field, replace
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raftmon.monitor.message_rules.spliced_connection import UnitReader
from raftmon.monitor.packets.capture_reader import read_capture
from raftmon.monitor.packets.tcp_table import Flow
from raftmon.monitor.raft.codecs import dqlite, hashicorp, nats, ovsdb, pysyncobj, zookeeper
from raftmon.monitor.raft.codecs.base import Codec, Output, PairTaps
from raftmon.monitor.raft.codecs.protobuf import Malformed
from raftmon.monitor.raft.decoder import Decoder
from raftmon.monitor.raft.message import RaftMessage
from tests.monitor.raft.wire import DATA

CAPTURES = {
    "hashicorp-raft-1.1.2": hashicorp.CODEC,
    "ovsdb-3.1.0": ovsdb.CODEC,
    "dqlite-1.11.5": dqlite.CODEC,
    "zookeeper-3.9.3": zookeeper.QUORUM,
    "nats-2.15.1": nats.CODEC,
    "nats-2.9.10": nats.CODEC,
    "pysyncobj-0.3.11": pysyncobj.CODEC,
}


@dataclass(slots=True)
class Recorded:
    """One direction's bytes; ``whole`` until something is missing."""

    flow: Flow
    whole: bool
    content: bytearray = field(default_factory=bytearray)

    def data(self, payload: bytes, mark: int) -> None:
        self.content += payload

    def hole(self, size: int) -> None:
        self.whole = False

    def end(self) -> None:
        """Nothing is unfinished here."""


@cache
def streams(name: str) -> list[tuple[Recorded, Recorded]]:
    """The two directions of each connection that speaks the capture's protocol, from its beginning."""
    found: list[tuple[Recorded, Recorded]] = []

    def taps(_out: Output) -> PairTaps:
        def pair(client: Flow, server: Flow, *, joined: bool) -> tuple[Recorded, Recorded]:
            found.append((Recorded(client, not joined), Recorded(server, not joined)))
            return found[-1]

        return pair

    codec = replace(CAPTURES[name], taps=taps)
    decoder = Decoder(codecs=(codec,))
    for packet in read_capture(DATA / f"{name}.pcap.gz"):
        decoder.packet(packet.number, packet.time_ns, packet.data)
    return [pair for pair in found if all(one.whole for one in pair) and any(one.content for one in pair)]


def units(codec: Codec, content: bytearray) -> list[bytes]:
    """The units of a stream; what is unfinished at its end is left out. Raises Malformed."""
    assert codec.unit is not None
    rest, out = bytearray(content), []
    while rest and (size := codec.unit(rest)) is not None and size <= len(rest):
        out.append(bytes(rest[:size]))
        del rest[:size]
    return out


def read(codec: Codec, pair: tuple[list[bytes], list[bytes]], flow: Flow) -> list[RaftMessage]:
    reader = UnitReader(codec)
    taps = reader.taps_for(codec, flow, flow.reverse)
    for tap, side in zip(taps, pair, strict=True):
        for unit in side:
            tap.data(unit, 0)
    assert reader.taps.unparsed == 0
    return list(reader.read)


@pytest.mark.parametrize("name", CAPTURES)
def test_whole_streams_are_cut_into_units_that_read_as_the_same_messages(name: str) -> None:
    codec = CAPTURES[name]
    raft = 0
    for one, two in streams(name):
        if codec is dqlite.CODEC and one.content[12] != 11:  # a client's: they use the nodes' port
            with pytest.raises(Malformed):
                units(codec, one.content)
            continue
        pair = units(codec, one.content), units(codec, two.content)
        for side, direction in zip(pair, (one, two), strict=True):
            left = len(direction.content) - sum(map(len, side))
            assert left < 100_000, "a unit that is unfinished at the capture's end"
        messages = read(codec, pair, one.flow)
        raft += len(messages)
        kept = {unit for side in pair for unit in side}
        assert all(message.raw in kept or message.kind == "MsgSnap" for message in messages)
    assert raft > 300


@pytest.mark.parametrize("name", [name for name in CAPTURES if name.startswith("hashicorp")])
def test_a_lost_request_is_a_stale_one_and_a_lost_answer_a_refusal(name: str) -> None:
    kinds: dict[str, int] = defaultdict(int)
    for one, two in streams(name):
        pair = units(hashicorp.CODEC, one.content), units(hashicorp.CODEC, two.content)
        before = read(hashicorp.CODEC, pair, one.flow)
        lost = tuple([hashicorp._instead_of(unit) or unit for unit in side] for side in pair)
        after = read(hashicorp.CODEC, (lost[0], lost[1]), one.flow)
        assert len(before) == len(after)
        for was, now in zip(before, after, strict=True):
            kinds[was.kind] += 1
            if was.kind.endswith("Resp") or was.kind == "MsgTimeoutNow":
                assert now.reject or was.kind.startswith("MsgTimeoutNow"), now
                assert now.term == was.term
            else:
                assert (now.kind, now.term, now.index) == (was.kind, 0, was.index)
    assert {"MsgVote", "MsgVoteResp", "MsgApp", "MsgAppResp", "MsgHeartbeat"} <= set(kinds)


FIELDS = {"term": 7, "index": 5, "log_term": 3, "commit": 4, "reject": 0}


@pytest.mark.parametrize(
    ("codec", "kind"),
    [(codec, kind) for codec in (dqlite.CODEC, ovsdb.CODEC, pysyncobj.CODEC) for kind in sorted(codec.forges)],
)
def test_a_forged_unit_is_one_that_reads_as_asked(codec: Codec, kind: str) -> None:
    assert codec.forge is not None
    assert codec.unit is not None
    like = b'{"id":null,"method":"vote_reply","params":[{"cluster":"c","from":"a","to":"b"}]}'
    unit = codec.forge(kind, FIELDS, like)
    assert codec.unit(bytearray(unit)) == len(unit)
    flow = Flow("10.0.0.1", 4000, "10.0.0.2", 9, True, False)
    reader = UnitReader(codec)
    taps = reader.taps_for(codec, flow, flow.reverse)
    if codec is dqlite.CODEC:
        taps[0].data(b"\1" + bytes(7) + bytes.fromhex("020000000b000000") + bytes(8) + b"10.0.0.1", 0)
    taps[0].data(unit, 0)
    (message,) = reader.read
    bears_term = codec is not pysyncobj.CODEC or kind != "MsgAppResp"
    assert (message.kind, message.term, message.reject) == (kind, 7 * bears_term, False)
    if kind in ("MsgVote", "MsgHeartbeat", "MsgAppResp"):
        assert message.index == 5


@pytest.mark.parametrize("codec", [dqlite.CODEC, ovsdb.CODEC, pysyncobj.CODEC])
def test_what_cannot_be_forged_is_malformed(codec: Codec) -> None:
    assert codec.forge is not None
    with pytest.raises(Malformed):
        codec.forge("MsgSnap", FIELDS, b"")


def test_an_answer_whose_keys_are_no_texts_has_nothing_in_its_place() -> None:
    with pytest.raises(Malformed):
        hashicorp._instead_of(b"\xa0\x81\x91\x01\x02")


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_damaged_units_raise_nothing_but_malformed(data: st.DataObject) -> None:
    codec = data.draw(st.sampled_from([hashicorp.CODEC, ovsdb.CODEC, dqlite.CODEC, nats.CODEC, pysyncobj.CODEC]))
    starts = {
        hashicorp.CODEC.name: b"\xa0\x83\xa4Term",
        nats.CODEC.name: b"RMSG $NRG.V.g ",
        ovsdb.CODEC.name: b'{"id":',
    }
    unit = bytearray(starts.get(codec.name, b"") + data.draw(st.binary(min_size=1, max_size=80)))
    assert codec.unit is not None
    with contextlib.suppress(Malformed):
        size = codec.unit(unit)
        assert size is None or size > 0
        if size is not None and size <= len(unit) and codec.instead_of is not None:
            codec.instead_of(bytes(unit[:size]))


@pytest.mark.parametrize("name", ["nats-2.9.10", "nats-2.10.27", "nats-2.15.1"])
def test_nats_messages_are_forged_after_real_ones_and_read_as_such(name: str) -> None:
    """After every append and answer of a capture: same group and sender, the terms and indexes that were asked for."""
    codec = nats.CODEC
    assert codec.forge is not None
    assert codec.forged_after is not None
    assert codec.unit is not None
    decoder = Decoder()
    found = [m for p in read_capture(DATA / f"{name}.pcap.gz") for m in decoder.packet(p.number, p.time_ns, p.data)]
    made = dict.fromkeys(("MsgHeartbeat", "MsgVote", "MsgAppResp"), 0)
    for like in found[:4000]:
        for kind in made:
            if not codec.forged_after(kind, like.raw):
                continue
            unit = codec.forge(kind, FIELDS, like.raw)
            assert codec.unit(bytearray(unit)) == len(unit)
            flow = Flow("10.0.0.1", 4000, "10.0.0.2", 9, True, False)
            reader = UnitReader(codec)
            one, other = reader.taps_for(codec, flow, flow.reverse)
            if kind == "MsgAppResp":  # an inbox is known by who asked to be answered there
                inbox = like.raw.split(b" ")[2 if like.raw.startswith(b"RMSG $SYS ") else 1]
                asked = b"RMSG $SYS $NRG.AE.%s %s 42\r\n" % (like.group.encode(), inbox) + bytes(42) + b"\r\n"
                other.data(asked, 0)
            one.data(unit, 0)
            message = reader.read[-1]
            assert (message.kind, message.term, message.index, message.group) == (kind, 7, 5, like.group)
            assert message.reject is False
            assert message.source is not None
            made[kind] += 1
    assert all(made.values()), made
    with pytest.raises(Malformed):
        codec.forge("MsgVoteResp", FIELDS, found[0].raw)


def test_a_request_of_a_type_that_is_none_is_malformed() -> None:
    """Found by tests.fuzz_raft: the type was looked up before it was checked, where a message began as an answer."""
    reader = UnitReader(hashicorp.CODEC)
    flow = Flow("10.0.0.1", 4000, "10.0.0.2", 9, True, False)
    tap, _ = reader.taps_for(hashicorp.CODEC, flow, flow.reverse)
    assert isinstance(tap, hashicorp.HashicorpTap)
    tap.asks = True
    with pytest.raises(Malformed):
        tap.take(b"\x09\x81\xa4Term\x01", 1, 1)
