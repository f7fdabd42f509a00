"""nats-server's routes and pysyncobj's peers, from captures of real clusters, and what nobody may slip in."""

from __future__ import annotations

import pickle
import struct
import zlib
from collections import Counter
from pathlib import Path

import pytest

from raftmon.monitor.raft.codecs.nats_lines import peer_hash
from raftmon.monitor.raft.codecs.protobuf import Malformed
from raftmon.monitor.raft.codecs.pysyncobj import read_frame
from raftmon.monitor.raft.decoder import Decoder
from raftmon.monitor.raft.invariants import InvariantChecker
from raftmon.monitor.raft.tracker import Tracker
from tests.monitor.raft.wire import DATA, Wire, decode

NATS, SYNC = DATA / "nats-2.9.10.pcap.gz", DATA / "pysyncobj-0.3.pcap.gz"
UNREAD = ("unparsed_bytes", "skipped_bytes", "foreign_bytes", "hole_bytes")


@pytest.mark.parametrize("path", [NATS, SYNC])
def test_every_byte_of_a_real_cluster_is_read(path: Path) -> None:
    decoder, _ = decode(path)
    counters = decoder.counters()
    assert [counters[name] for name in UNREAD] == [0] * 4


def test_nats_groups_are_told_apart_and_their_elections_found() -> None:
    _, messages = decode(NATS)
    assert Counter(m.kind for m in messages) == {
        "MsgAppResp": 264, "MsgApp": 132, "MsgHeartbeat": 132, "MsgVote": 10, "MsgVoteResp": 10,
    }  # fmt: skip
    assert {m.source for m in messages} == {"n1", "n2", "n3"}
    assert all(m.source != m.target for m in messages)
    tracker = Tracker()
    for one in messages:
        tracker.feed(one)
    groups = {election.group: election.winner for election in tracker.elections}
    assert len(groups) == 4
    assert None not in groups.values()
    stepped_down = [election for election in tracker.elections if election.term == 2]
    assert len(stepped_down) == 1


def test_nats_answers_belong_to_the_group_that_asked() -> None:
    _, messages = decode(NATS)
    asked = {(m.group, m.source, m.target) for m in messages if m.kind in ("MsgApp", "MsgHeartbeat")}
    for answer in messages:
        if answer.kind == "MsgAppResp":
            assert (answer.group, answer.target, answer.source) in asked


def test_nats_servers_are_known_by_a_hash_of_their_name() -> None:
    assert peer_hash("n1") == "fjFyEjc1"


def test_pysyncobj_messages_and_what_they_carry() -> None:
    _, messages = decode(SYNC)
    kinds = Counter(m.kind for m in messages)
    assert kinds["MsgVote"] == kinds["MsgVoteResp"] == 2
    assert kinds["MsgProp"] == kinds["MsgPropResp"] == 60
    assert {m.source for m in messages} == {f"127.0.0.1:{port}" for port in (5000, 5001, 5002)}
    append = next(m for m in messages if m.kind == "MsgApp" and len(m.entries) > 1)
    assert [entry.index for entry in append.entries] == list(
        range(append.entries[0].index, append.entries[0].index + len(append.entries))
    )
    assert {entry.operations[0].name for m in messages for entry in m.entries} >= {"command", "noop"}


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (exec, ("raise SystemExit('a pickle was executed')",))


@pytest.mark.parametrize("protocol", range(6))
def test_a_pickle_that_would_run_code_is_refused(protocol: int) -> None:
    with pytest.raises(Malformed):
        read_frame(zlib.compress(pickle.dumps(Evil(), protocol=protocol)))


@pytest.mark.parametrize("protocol", range(2, 6))
def test_plain_values_of_every_protocol_are_read(protocol: int) -> None:
    value = {"type": "x", "raw": b"\x00\xff", "empty": b"", "list": [(1, 2.5, None, True)], "large": 1 << 70}
    assert read_frame(zlib.compress(pickle.dumps(value, protocol=protocol))) == value


@pytest.mark.parametrize("body", [b"", b"rubbish", zlib.compress(b"rubbish"), zlib.compress(b"(" * 9) + b"more"])
def test_what_is_no_frame_is_refused(body: bytes) -> None:
    with pytest.raises(Malformed):
        read_frame(body)


def test_a_bomb_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("raftmon.monitor.raft.codecs.pysyncobj._MAX_PLAIN", 1000)
    with pytest.raises(Malformed):
        read_frame(zlib.compress(pickle.dumps("x" * 100_000)))


def nested(levels: int, leaf: object = 1, width: int = 2) -> object:
    for _ in range(levels):
        leaf = (leaf,) * width
    return leaf


def as_key(value: object) -> bytes:
    """The pickle of a dict with this key, made without hashing it: EMPTY_DICT, the key, None, SETITEM, STOP."""
    inner = pickle.dumps(value, protocol=2)[2:-1]  # without PROTO and STOP
    return b"\x80\x02}" + inner + b"Ns."


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("value", [[nested(60)], nested(200, width=1), {"type": nested(40)}])
def test_what_unfolds_without_end_or_is_too_deep_is_refused_at_once(value: object, protocol: int) -> None:
    with pytest.raises(Malformed):
        read_frame(zlib.compress(pickle.dumps(value, protocol=protocol)))


@pytest.mark.parametrize("value", [nested(40), nested(150, width=1)])
def test_a_hash_bomb_is_refused_at_once(value: object) -> None:
    """A pickle of 130 bytes whose key would be hashed for years (issue 13), and one that is too deep to be hashed."""
    with pytest.raises(Malformed):
        read_frame(zlib.compress(as_key(value)))


def test_entries_that_are_shared_a_little_are_read() -> None:
    entry = (b"command", 7, 2)
    value = {"type": "append_entries", "entries": [entry, entry, entry], "again": [entry]}
    assert read_frame(zlib.compress(pickle.dumps(value, protocol=2))) == value


def test_a_hash_bomb_on_the_wire_is_counted_and_the_next_message_read() -> None:
    wire = Wire(Decoder())
    vote = {"type": "request_vote", "term": 3, "last_log_index": 1, "last_log_term": 1}
    sizes = []
    for content in (pickle.dumps(vote), as_key(nested(50)), pickle.dumps(vote)):
        body = zlib.compress(content)
        sizes.append(4 + len(body))
        wire.client(len(body).to_bytes(4, "little") + body)
    assert wire.decoder.taps.unparsed == sizes[1]
    assert [m.term for m in wire.messages] == [3, 3]


def test_a_nats_line_that_cannot_be_is_counted_and_the_next_found() -> None:
    wire = Wire(Decoder())
    wire.server(b'INFO {"server_id":"A","server_name":"n1"}\r\n')
    wire.server(b"RUBBISH that nobody wrote\r\n")
    payload = bytes(24) + b"fjFyEjc1"
    wire.server(b"RMSG $SYS $NRG.V._meta_ $NRG.R.abc 32\r\n" + payload + b"\r\n")
    assert [(m.kind, m.source, m.group) for m in wire.messages] == [("MsgVote", "n1", "_meta_")]
    assert wire.decoder.taps.unparsed == len(b"RUBBISH that nobody wrote\r\n")


def test_a_nats_append_that_is_sent_to_catch_up_says_nothing_of_its_senders_term() -> None:
    def append(leader: str, term: int, index: int) -> bytes:
        head = struct.pack("<8sQQQQH", peer_hash(leader).encode(), term, index, term, index, 1)
        return head + struct.pack("<IB", 2, 0) + b"x"

    def line(subject: str, reply: str, payload: bytes) -> bytes:
        return f"RMSG $SYS {subject} {reply} {len(payload)}\r\n".replace("  ", " ").encode() + payload + b"\r\n"

    wire = Wire(Decoder())
    wire.server(b'INFO {"server_id":"A","server_name":"n3"}\r\n')
    wire.client(b'INFO {"server_id":"B","server_name":"n1"}\r\n')
    wire.server(line("$NRG.AE.g", "$NRG.R.1", append("n3", 4, 9)))
    behind = struct.pack("<QQ8sB", 1, 3, peer_hash("n1").encode(), 0)
    wire.client(line("$NRG.R.1", "$NRG.CR.2", behind))
    wire.server(line("$NRG.CR.2", "$NRG.R.3", append("n2", 1, 3)))  # what n2, who led term 1, had sent
    wire.server(line("$NRG.AE.g", "$NRG.R.1", append("n3", 4, 10)))
    appends = [message for message in wire.messages if message.kind == "MsgApp"]
    assert [(m.source, m.term, m.entries[0].term) for m in appends] == [("n3", 4, 4), ("n3", 4, 1), ("n3", 4, 4)]
    checker = InvariantChecker({})
    assert [violation for message in wire.messages for violation in checker.feed(message)] == []


def test_a_nats_snapshot_that_is_sent_to_catch_up_is_no_entry_of_the_log() -> None:
    """As nats-server 2.15.1 sent it after a power cut: log_matching was reported falsely."""
    state = struct.pack("<II8s8s8sH", 3, 3, b"BXScrY9i", b"fjFyEjc1", b"44jzkV9D", 0)

    def line(subject: str, reply: str, payload: bytes) -> bytes:
        return f"RMSG {subject} {reply} {len(payload)}\r\n".encode() + payload + b"\r\n"

    def append(*entries: bytes, varint: int = 0) -> bytes:
        head = struct.pack("<8sQQQQH", b"fjFyEjc1", 2, 3, 1, 3, len(entries))
        return head + b"".join(struct.pack("<I", len(entry)) + entry for entry in entries) + bytes([varint])

    wire = Wire(Decoder())
    wire.server(b'INFO {"server_id":"A","server_name":"n1","route_account":"$SYS"}\r\n')
    wire.client(b'INFO {"server_id":"B","server_name":"n2"}\r\n')
    wire.server(line("$NRG.AE._meta_", "$NRG.R.ovp1W9n3", append(b"\x02" + state)))
    wire.client(line("$NRG.R.ovp1W9n3", "$NRG.CR.D", struct.pack("<QQ8sB", 1, 2, b"44jzkV9D", 0)))
    wire.server(line("$NRG.CR.D", "$NRG.R.ovp1W9n3", append(b"\x06", b"\x02" + state)))
    wire.server(line("$NRG.CR.D", "$NRG.CP.k", append(b"\x02" + state, varint=2)))
    first, _, snapshot, again = wire.messages
    assert (snapshot.kind, snapshot.snapshot_index, snapshot.snapshot_term) == ("MsgSnap", 3, 1)
    assert [operation.name for entry in snapshot.entries for operation in entry.operations] == [
        "snapshot",
        "peer_state",
    ]
    assert again.entries == first.entries
    assert wire.decoder.taps.unparsed == 0
    checker = InvariantChecker({})
    assert [violation for message in wire.messages for violation in checker.feed(message)] == []
    assert checker.checked["log_matching"] == 2
