"""One row a codec: built in, from an entry point, from a file; what is wrong with one is said before anything runs."""

from __future__ import annotations

import importlib.metadata
import json
import re
import sqlite3
from pathlib import Path
from textwrap import dedent

import pytest

from raftmon import codecs as public
from raftmon.driver.cli import main
from raftmon.monitor.raft.codecs.base import MAX_SNIFFED, Codec, Output, PairTaps
from raftmon.monitor.raft.codecs.protobuf import Malformed
from raftmon.monitor.raft.codecs.sniff import guess
from raftmon.monitor.raft.codecs.table import BUILT_IN, all_codecs, codec_from, codec_of
from raftmon.monitor.raft.decoder import Decoder
from raftmon.setup.errors import InputError
from tests.monitor.raft.wire import Wire

DOCS = Path(__file__).parents[4] / "docs" / "raft.md"
MINE = dedent(
    '''
    """Lines: ``RAFT <kind> <term>``."""
    from raftmon.codecs import Channel, Codec, Flow, Output, RaftMessage

    class Lines:
        def __init__(self, output, flow):
            self.output, self.held = output, b""
            self.channel = output.channel("peer", flow, "lines")
            self.channel.source, self.channel.target = flow.source, flow.target

        def data(self, payload, mark):
            *lines, self.held = (self.held + payload).split(b"\\n")
            for line in lines:
                _, kind, term = line.split()
                self.output.message(RaftMessage(
                    self.output.now_ns, kind.decode(), self.channel.source, self.channel.target, int(term), 0, 0, 0, (),
                    False, 0, b"", self.channel, mark, mark, len(line), line,
                ))

        def hole(self, size):
            self.held = b""

        def end(self):
            self.output.taps.unparsed += len(self.held)

    def begins(start, from_start):
        return start.startswith(b"RAFT ")

    def taps(output):
        return lambda client, server, *, joined: (Lines(output, client), Lines(output, server))

    CODEC = Codec("lines", "lines of text", begins, taps, systems=("lines-*",), why_not="they are signed",
                  ordered=frozenset({"peer"}))
    '''
)


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    file = tmp_path / "mine.py"
    file.write_text(MINE)
    return file


@pytest.fixture
def installed(tmp_path: Path, mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that offers the codec, as pip would install it."""
    (tmp_path / "raftmon_lines.py").write_text(mine.read_text())
    info = tmp_path / "raftmon_lines-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: raftmon-lines\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[raftmon.codecs]\nlines = raftmon_lines:CODEC\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()


def capture(path: Path) -> Path:
    """A pcap of one connection that speaks ``lines``."""
    wire = Wire()
    packets = [wire.packet("server", b"RAFT MsgVote 7\nRAFT Msg"), wire.packet("client", b"")]
    wire.seq["server"] += 23
    packets.append(wire.packet("server", b"App 7\n"))
    out = b"\xd4\xc3\xb2\xa1\x02\x00\x04\x00" + bytes(8) + b"\xff\xff\x00\x00\x65\x00\x00\x00"
    for number, packet in enumerate(packets):
        size = len(packet).to_bytes(4, "little")
        out += number.to_bytes(4, "little") + bytes(4) + size + size + packet
    path.write_bytes(out)
    return path


def found(record: Path) -> list[tuple[str, str, int]]:
    with sqlite3.connect(record) as connection:
        rows = connection.execute("SELECT c.system, m.kind, m.term FROM messages m JOIN channels c ON m.channel = c.id")
        return list(rows)


def test_the_table_of_the_docs_is_the_table_of_the_rows() -> None:
    rows = re.findall(r"^\| `([\w-]+)` \| (.*?) \| (.*?) \| (.*?) \|$", DOCS.read_text(), re.MULTILINE)
    expected = []
    for codec in BUILT_IN:
        systems = ", ".join(f"`{pattern}`" for pattern in codec.systems)
        words = ["drop", "delay", "duplicate", "hold", "replay", *(["forge"] if codec.forge else [])]
        possible = ", ".join(word for word in words if word not in codec.refuses)
        spliced = f"by splicing: {possible}; triggers" if codec.unit else f"no: {codec.why_not}"
        expected.append((codec.name, codec.summary, systems, "yes" if codec.editable else spliced))
    assert [row for row in rows if row[0] in {codec.name for codec in BUILT_IN}] == expected


def test_a_system_has_the_codec_that_its_nodes_speak() -> None:
    names = ("etcd", "etcd-pre-vote", "nats", "pysyncobj", "zookeeper", "ovsdb", None)
    spoken = {name: codec_of(name) for name in names}
    assert {name: codec and codec.name for name, codec in spoken.items()} == {
        "etcd": "etcd", "etcd-pre-vote": "etcd", "nats": "nats-server", "pysyncobj": "pysyncobj",
        "zookeeper": "zookeeper", "ovsdb": "ovsdb", None: None,
    }  # fmt: skip
    assert [codec.name for codec in BUILT_IN if codec.editable] == ["etcd"]


def test_a_codec_of_a_file_reads_a_capture_from_the_command_line(mine: Path, tmp_path: Path) -> None:
    record = tmp_path / "m.sqlite"
    file = capture(tmp_path / "c.pcap")
    assert main(["decode", str(file), "-o", str(record), "--codec", str(mine)]) == 0
    assert found(record) == [("lines", "MsgVote", 7), ("lines", "MsgApp", 7)]
    assert main(["decode", str(file), "-o", str(record)]) == 0
    assert found(record) == []


def test_messages_of_a_capture_are_listed_with_a_codec_of_a_file(
    mine: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["messages", str(capture(tmp_path / "c.pcap")), "--codec", str(mine), "--format", "json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [(one["kind"], one["term"]) for one in listed] == [("MsgVote", 7), ("MsgApp", 7)]


@pytest.mark.usefixtures("installed")
def test_a_codec_of_an_installed_package_reads_a_capture_from_the_command_line(tmp_path: Path) -> None:
    assert [codec.name for codec in all_codecs()] == [*(codec.name for codec in BUILT_IN), "lines"]
    record = tmp_path / "m.sqlite"
    assert main(["decode", str(capture(tmp_path / "c.pcap")), "-o", str(record)]) == 0
    assert found(record) == [("lines", "MsgVote", 7), ("lines", "MsgApp", 7)]


@pytest.mark.usefixtures("installed")
def test_two_codecs_of_one_name_are_refused(mine: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = capture(tmp_path / "c.pcap")
    assert main(["decode", str(file), "--codec", str(mine)]) == 64
    said = capsys.readouterr().err
    assert "two codecs are called 'lines'" in said
    assert str(mine) in said
    assert "raftmon_lines:CODEC" in said


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("x = 1", "defines no CODEC"),
        ("CODEC = 3", "gives 3, which is no raftmon.codecs.Codec"),
        ("1/0", "fails when it is loaded: ZeroDivisionError"),
        ("from raftmon.codecs import Codec\nCODEC = Codec('x', 'y', None, None)", "its why_not must say why"),
        ("from raftmon.codecs import Codec\nCODEC = Codec('', 'y', None, None, why_not='z')", "needs a name"),
    ],
)
def test_a_file_without_a_codec_is_refused_in_words(text: str, complaint: str, tmp_path: Path) -> None:
    file = tmp_path / "bad.py"
    file.write_text(text)
    with pytest.raises(InputError, match=re.escape(complaint)):
        codec_from(str(file))


def test_a_codec_that_is_not_there_is_refused() -> None:
    with pytest.raises(InputError, match=r"--codec nothing\.py: there is no such \.py file"):
        all_codecs(["nothing.py"])


def _silent(out: Output) -> PairTaps:
    raise AssertionError("nothing of this protocol was recognised")


def _patient(name: str, needs: int) -> Codec:
    """Says nothing until it has seen ``needs`` bytes, then yes if the last of them is an X."""
    return Codec(
        name, name, lambda start, _: None if len(start) < needs else start[needs - 1 : needs] == b"X", _silent,
        why_not="-",
    )  # fmt: skip


def test_a_codec_that_needs_more_bytes_gets_them_up_to_a_bound() -> None:
    table = (_patient("late", 20), _patient("never", MAX_SNIFFED + 1))
    assert guess(table, b"a" * 19, from_start=True) is None
    assert guess(table, b"a" * 19 + b"X", from_start=True) == table[0]
    assert guess(table, b"a" * 20, from_start=True) is None
    assert guess(table, b"a" * MAX_SNIFFED, from_start=True) == "foreign"


def test_bytes_that_no_codec_takes_are_counted_as_foreign_whole() -> None:
    wire = Wire(Decoder(codecs=(_patient("never", MAX_SNIFFED + 1),)))
    size = 0
    while size < MAX_SNIFFED:
        wire.client(b"a" * 1000)
        size += 1000
    assert wire.decoder.counters()["foreign_bytes"] == size


def test_an_earlier_codec_of_the_table_is_preferred() -> None:
    one, two = _patient("one", 8), _patient("two", 8)
    assert guess((one, two), b"1234567X", from_start=True) == one
    assert guess((two, one), b"1234567X", from_start=True) == two


def test_the_public_module_has_all_that_a_codec_imports() -> None:
    assert all(hasattr(public, name) for name in public.__all__)
    assert public.Codec is Codec


@pytest.mark.parametrize("tail", [b"", b'{"id":null,"method":"vo'])
def test_a_unit_of_ovsdb_is_one_json_object(tail: bytes) -> None:
    unit = codec_of("ovsdb").unit
    one = b' {"id":null,"method":"echo","params":["}{\\""]}'
    assert unit(one + tail) == len(one)
    assert unit(one[:-1]) is None
    with pytest.raises(Malformed):
        unit(b"nonsense")
