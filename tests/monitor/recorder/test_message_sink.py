"""messages.sqlite: what the decoder found is there, each message with its packets, names and verdict."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path

import pytest

from raftmon.monitor.raft.database.query import Filter, cluster_now, select_messages, statistics
from raftmon.monitor.raft.database.store import MessageStore, open_store
from raftmon.monitor.raft.database.where import parse_where
from raftmon.monitor.recorder.message_sink import MessageSink, decode_capture
from raftmon.setup.errors import InputError
from tests.monitor.raft.wire import (
    DATA,
    GOLDEN,
    STREAM_ANSWER,
    Wire,
    chunk,
    decode,
    frame,
    message,
    raftpb,
    stream_request,
)

HEAD = DATA / "etcd-3.4.23-head.pcap.gz"


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("record") / "messages.sqlite"
    decode_capture(HEAD, path)
    return path


@pytest.fixture
def connection(record: Path) -> sqlite3.Connection:
    return open_store(record)


def test_every_message_is_in_the_record_with_its_packets(connection: sqlite3.Connection) -> None:
    _, messages = decode(HEAD)
    rows = connection.execute(
        "SELECT kind, term, log_index, first_packet, last_packet FROM messages ORDER BY id"
    ).fetchall()
    assert [tuple(row) for row in rows] == [(m.kind, m.term, m.index, m.first_packet, m.last_packet) for m in messages]


def test_nodes_have_their_names_from_the_first_message_on(connection: sqlite3.Connection) -> None:
    names = {row[0] for row in connection.execute("SELECT source FROM messages UNION SELECT target FROM messages")}
    assert names == {"n0", "n1", "n2"}


def test_a_record_from_another_version_or_no_record_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.sqlite"
    with pytest.raises(InputError, match="no message record"):
        open_store(path)
    path.write_text("hello")
    with pytest.raises(InputError, match="no message record"):
        open_store(path)
    MessageStore(path, {"schema_version": 99}).flush()
    with pytest.raises(InputError, match="another version"):
        open_store(path)
    with pytest.raises(InputError, match="cannot write"):
        MessageStore(tmp_path / "no" / "folder.sqlite")


def test_numbers_beyond_63_bits_are_kept_as_the_largest(tmp_path: Path) -> None:
    store = MessageStore(tmp_path / "m.sqlite")
    store.add_channels([message("MsgApp").channel])
    store.add(message("MsgApp", term=(1 << 64) - 1, entries=[((1 << 64) - 1, 3, b"")]))
    store.add(message("MsgApp", term=5))
    store.finish([], {}, [])
    terms = [row["term"] for row in select_messages(open_store(tmp_path / "m.sqlite"), Filter())]
    assert terms == [(1 << 63) - 1, 5]


def test_an_entry_that_is_sent_again_and_again_is_written_down_sixteen_times(tmp_path: Path) -> None:
    store = MessageStore(tmp_path / "m.sqlite")
    for number in range(20):
        store.add(message("MsgApp", index=8, entries=[(2, 9, b""), (2, 10 + number, b"")]))
    store.add(message("MsgProp", entries=[(0, 0, b"")] * 20))
    store.finish([], {}, [])
    count = "SELECT COUNT(*) FROM entries WHERE log_index = ?"
    reader = sqlite3.connect(tmp_path / "m.sqlite")
    assert [reader.execute(count, (index,)).fetchone()[0] for index in (9, 10, 0)] == [16, 1, 20]
    assert store.entries_left_out == 4
    last = "SELECT entries, first_index, last_index FROM messages WHERE kind = 'MsgApp' ORDER BY id DESC LIMIT 1"
    assert reader.execute(last).fetchone() == (2, 9, 29)


def test_while_a_record_grows_only_times_are_indexed_and_in_the_end_the_rest(tmp_path: Path) -> None:
    def indexes() -> set[str]:
        made = "SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
        return {name for (name,) in sqlite3.connect(tmp_path / "m.sqlite").execute(made)}

    store = MessageStore(tmp_path / "m.sqlite", live=True)
    assert indexes() == {"messages_time", "states_node"}
    store.finish([], {}, [])
    finished = indexes()
    assert finished >= {"messages_kind", "messages_link", "messages_packet", "entries_key", "entries_index"}
    MessageStore(tmp_path / "m.sqlite", live=False).finish([], {}, [])
    assert indexes() == finished


@dataclass
class Packet:
    number: int
    time_ns: int
    data: bytes
    verdict_comment: str = ""
    delivered: bool = True


def test_the_recorders_sink_writes_while_the_run_goes_on(tmp_path: Path) -> None:
    now = [1_000_000_000]
    sink = MessageSink(tmp_path / "m.sqlite", {"10.77.1.2": "n1", "10.77.2.2": "n2"}, clock_ns=lambda: now[0])
    wire = Wire()
    pieces = [("client", stream_request()), ("server", STREAM_ANSWER), ("server", chunk(frame(raftpb(5, term=3))))]
    for number, (side, payload) in enumerate(pieces, 1):
        comment = "drop" if number == 3 else ""
        sink.packet(Packet(number, now[0], wire.packet(side, payload), comment, delivered=number != 3))
        wire.seq[side] += len(payload)
    reader = sqlite3.connect(tmp_path / "m.sqlite")
    assert reader.execute("SELECT COUNT(*) FROM messages").fetchone() == (0,)
    now[0] += 30_000_000
    sink.tick(now[0])
    row = reader.execute("SELECT kind, source, target, verdict, delivered, last_packet FROM messages").fetchone()
    assert row == ("MsgVote", "n1", "n2", "drop", 0, 3)
    summary = sink.close()
    assert summary["messages"] == 1
    assert summary["lag_ms"]["max"] == pytest.approx(30, rel=0.05)


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ('kind = "MsgVote"', 2),
        ("kind = MsgVote and to = n0", 1),
        ("kind in (MsgVote, 'MsgVoteResp') and term > 1", 4),
        ("kind = MsgVote and not to = n0", 1),
        ("(kind = MsgVote or kind = MsgVoteResp) and term between 2 and 2", 4),
        ("kind = MsgVote and reject", 0),
        ("kind = MsgVote and reject = false", 2),
        ("kind ~ Vote and kind !~ Resp", 2),
        ('op = put and key = "L0_000003"', 1),
        ("kind = MsgVote and packet < 104 and size >= 50", 1),
        ("kind = MsgVote and time <= 0", 1),
        ("term != 2 and term <> 0", 0),
        ("kind = MsgVote and channel = message and system = etcd", 2),
    ],
)
def test_where_finds(connection: sqlite3.Connection, where: str, expected: int) -> None:
    assert len(list(select_messages(connection, Filter(where=where)))) == expected


@pytest.mark.parametrize(
    ("where", "column", "why"),
    [
        ("", 1, "expected one of kind"),
        ("kind", 5, "expected a comparison"),
        ("kind =", 7, "in quotes"),
        ("term = x", 8, "with a number"),
        ("term ~ 3", 6, "is a number"),
        ('kind < "a"', 6, "is text"),
        ("from = 'a' extra = 3", 12, "expected and, or"),
        ("(term = 1", 10, r"expected \)"),
        ("colour = 3", 1, "expected one of"),
        ("kind = 'a' $", 12, "cannot be read"),
        ("term in (1, 2", 14, r"expected , or \)"),
        ("term = 99999999999999999999", 8, "too large"),
        ("kind between 1 and 2", 6, "for numbers"),
        ("(" * 200, 101, "nests deeper"),
    ],
)
def test_where_points_at_what_is_wrong(where: str, column: int, why: str) -> None:
    with pytest.raises(InputError, match=why) as caught:
        parse_where(where)
    assert f"column {column}:" in str(caught.value)


def test_values_never_become_sql(connection: sqlite3.Connection) -> None:
    attack = 'from = "x\' OR 1=1; DROP TABLE messages; --"'
    assert list(select_messages(connection, Filter(where=attack))) == []
    assert "DROP" not in parse_where(attack).sql


def test_statistics_of_the_small_capture(connection: sqlite3.Connection) -> None:
    found = statistics(connection)
    assert found["kinds"]["MsgVote"] == 2
    assert found["unparsed_bytes"] == 0
    assert found["finished"] is True
    (election,) = found["elections"]
    assert (election["candidate"], election["winner"], election["votes"]) == ("n2", "n2", ["n0", "n1"])
    assert found["append_round_trip_ms"]["n2->n1"]["p50"] < 50
    assert found["nodes"]["n2"][-1]["role"] == "leader"
    assert found["violations"] == []


def test_the_cluster_now_is_what_the_wire_showed_last(connection: sqlite3.Connection) -> None:
    found = cluster_now(connection)[""]
    assert found["leader"] == "n2"
    assert {name: state["role"] for name, state in found["nodes"].items()} == {
        "n0": "follower", "n1": "follower", "n2": "leader",
    }  # fmt: skip
    (match,) = connection.execute(
        "SELECT MAX(log_index) FROM messages WHERE kind = 'MsgAppResp' AND source = 'n1' AND reject = 0"
    ).fetchone()
    assert found["nodes"]["n1"]["match"] == match > 300


@pytest.mark.skipif(not GOLDEN.exists(), reason=f"{GOLDEN} is not here")
def test_statistics_of_the_golden_capture(tmp_path: Path) -> None:
    decode_capture(GOLDEN, tmp_path / "m.sqlite")
    found = statistics(open_store(tmp_path / "m.sqlite"))
    assert (found["puts"], found["unparsed_bytes"], found["kinds"]["MsgApp"]) == (5600, 0, 10291)
    assert found["heartbeat_interval_ms"]["n2->n1"]["p50"] == pytest.approx(100, abs=2)
