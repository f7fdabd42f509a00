"""Go's gob and net/rpc: the documentation's own bytes, values of every kind, and a Raft over it."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raftmon.codecs import Codec, Malformed, NetRpcCall, NetRpcTap, taps_of
from raftmon.monitor.raft.codecs.gob import GobTypes, gob_message
from tests.monitor.raft.codecs.talks import LOOK, Talk, broken_promises, decoded, looks

# What follows writes gob as its documentation says, independently of the reader.
BOOL, INT, UINT, FLOAT, BYTES, STRING = 1, 2, 3, 4, 5, 6


def u(value: int) -> bytes:
    if value < 128:
        return bytes([value])
    raw = value.to_bytes((value.bit_length() + 7) // 8, "big")
    return bytes([256 - len(raw)]) + raw


def i(value: int) -> bytes:
    return u(~value << 1 | 1 if value < 0 else value << 1)


def s(text: str) -> bytes:
    return u(len(text.encode())) + text.encode()


def sized(body: bytes) -> bytes:
    return u(len(body)) + body


def struct_type(ident: int, name: str, fields: list[tuple[str, int]]) -> bytes:
    common = b"\x01" + s(name) + b"\x01" + i(ident) + b"\x00"
    parts = b"".join(b"\x01" + s(field) + b"\x01" + i(kind) + b"\x00" for field, kind in fields)
    return sized(i(-ident) + b"\x03\x01" + common + (b"\x01" + u(len(fields)) + parts if fields else b"") + b"\x00\x00")


def slice_type(ident: int, name: str, elem: int) -> bytes:
    return sized(i(-ident) + b"\x02\x01\x01" + s(name) + b"\x01" + i(ident) + b"\x00\x01" + i(elem) + b"\x00\x00")


def map_type(ident: int, key: int, elem: int) -> bytes:
    body = b"\x04\x01\x02" + i(ident) + b"\x00\x01" + i(key) + b"\x01" + i(elem) + b"\x00\x00"
    return sized(i(-ident) + body)


def struct_value(values: list[bytes | None]) -> bytes:
    made, last = b"", -1
    for number, value in enumerate(values):
        if value is not None:
            made += u(number - last) + value
            last = number
    return made + b"\x00"


def messages(types: GobTypes, stream: bytes) -> list[Any]:
    found, place = [], 0
    while place < len(stream):
        stop = gob_message(stream, place, 1 << 20)
        assert stop > 0
        value = types.read(stream[place:stop])
        if value is not None:
            found.append(value)
        place = stop
    return found


def test_the_bytes_of_gobs_documentation() -> None:
    point = bytes.fromhex("1fff8103010105506f696e7401ff82000102010158010400010159010400000007ff82012c014200")
    assert messages(GobTypes(), point) == [("Point", {"X": 22, "Y": 33})]
    assert messages(GobTypes(), bytes.fromhex("0304000e")) == [("2", 7)]  # var i int = 7: its type, a zero, 14


@given(
    st.integers(-(1 << 63), (1 << 63) - 1), st.integers(0, (1 << 64) - 1), st.floats(allow_nan=False), st.binary(),
    st.text(), st.booleans(), st.lists(st.integers(-9, 1 << 40), max_size=5),
    st.dictionaries(st.text(max_size=5), st.integers(-5, 300), max_size=4),
)  # fmt: skip
def test_values_of_every_kind_are_read(
    number: int, plain: int, real: float, raw: bytes, text: str, flag: bool, many: list[int], table: dict[str, int]
) -> None:
    stream = struct_type(
        65, "All",
        [("I", INT), ("U", UINT), ("F", FLOAT), ("B", BYTES), ("S", STRING), ("T", BOOL), ("L", 66), ("M", 67),
         ("P", 68)],
    ) + slice_type(66, "[]int", INT) + map_type(67, STRING, INT) + struct_type(68, "Inner", [("X", INT)])  # fmt: skip
    bits = int.from_bytes(struct.pack("<d", real), "big")
    values: dict[str, tuple[Any, bytes]] = {
        "I": (number, i(number)), "U": (plain, u(plain)), "F": (real, u(bits)), "B": (raw, u(len(raw)) + raw),
        "S": (text, s(text)), "T": (flag, u(flag)),
        "L": (many, u(len(many)) + b"".join(map(i, many))),
        "M": (table, u(len(table)) + b"".join(s(key) + i(value) for key, value in table.items())),
        "P": ({"X": number}, struct_value([i(number)])),
    }  # fmt: skip
    sent: list[bytes | None] = [coded if value else None for value, coded in values.values()]
    stream += sized(i(65) + struct_value(sent))
    assert messages(GobTypes(), stream) == [("All", {name: value for name, (value, _) in values.items() if value})]


@pytest.mark.parametrize("body", ["", "ff", "f7010203", "05ff8103", "03820101", "04ff840300", "0782012c0142ff00"])
def test_what_is_no_gob_is_refused_or_waited_for(body: str) -> None:
    raw = bytes.fromhex(body)
    try:
        unfinished = gob_message(raw, 0, 1 << 20) < 0
    except Malformed:
        return
    if not unfinished:
        with pytest.raises((Malformed, AttributeError, TypeError)):
            GobTypes().read(raw)


class ToyTap(NetRpcTap):
    codec = "gob-raft"

    def read(self, call: NetRpcCall, raw: bytes, first: int, mark: int) -> None:
        kind = {"Raft.Vote": "MsgVote", "Raft.Append": "MsgApp"}[call.method]
        term = call.body.get("Term", 0)
        if call.request:
            if "Address" in call.body:
                self.speaks(call.body["Address"])
            self.emit(kind, raw, first, mark, term=term)
        elif not call.error:
            self.emit(f"{kind}Resp", raw, first, mark, term=term, reject=not call.body.get("OK"))


def _begins(start: bytes, from_start: bool) -> bool | None:
    if from_start and len(start) < 24:
        return None
    return from_start and (start.startswith((b"CONNECT /_goRPC_", b"HTTP/1.0")) or b"Request" in start)


CODEC = Codec("gob-raft", "net/rpc", _begins, taps_of(ToyTap), systems=("gob-raft",), why_not="nobody can")
REQUEST = struct_type(64 + 1, "Request", [("ServiceMethod", STRING), ("Seq", UINT)])
RESPONSE = struct_type(64 + 1, "Response", [("ServiceMethod", STRING), ("Seq", UINT), ("Error", STRING)])
ASK = struct_type(66, "Ask", [("Term", UINT), ("Address", STRING), ("Pad", BYTES)])
ANSWER = struct_type(66, "Answer", [("Term", UINT), ("OK", BOOL)])
NOTHING = struct_type(67, "InvalidRequest", [])


def ask(method: str, seq: int, term: int, pad: int = 0, address: str = "") -> bytes:
    head = sized(i(65) + struct_value([s(method), u(seq) if seq else None]))
    fields = [u(term), s(address) if address else None, u(pad) + b"p" * pad if pad else None]
    return head + sized(i(66) + struct_value(fields))


def answer(method: str, seq: int, term: int, ok: bool) -> bytes:
    head = sized(i(65) + struct_value([s(method), u(seq) if seq else None, None]))
    return head + sized(i(66) + struct_value([u(term), u(1) if ok else None]))


TALK: Talk = [
    ("client", b"CONNECT /_goRPC_ HTTP/1.0\n\n"),
    ("server", b"HTTP/1.0 200 Connected to Go RPC\n\n"),
    ("client", REQUEST + ASK + ask("Raft.Vote", 0, 2, address="10.77.2.2:7000")),
    ("server", RESPONSE + ANSWER + answer("Raft.Vote", 0, 2, True)),
    *(
        pair
        for n in range(1, 15)
        for pair in (
            ("client", ask("Raft.Append", n, 2, pad=n * 60)),
            ("server", answer("Raft.Append", n, 2, n % 3 > 0)),
        )
    ),
    ("server", NOTHING + sized(i(65) + struct_value([s("Raft.Vote"), u(99), s("can't find method")]))
     + sized(i(67) + b"\x00")),
]  # fmt: skip


def test_a_raft_over_net_rpc_is_read() -> None:
    decoder, found = decoded(CODEC, TALK)
    assert looks(found)[:3] == LOOK
    assert len(found) == 30
    assert decoder.taps.unparsed == decoder.taps.skipped == decoder.buffers.used == 0


def test_it_keeps_the_contract(tmp_path: Path) -> None:
    assert broken_promises(CODEC, TALK, tmp_path) == []
