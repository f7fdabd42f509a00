"""`raftmon decode` overwrites nothing but its own record of the same capture."""

import json
import shutil
import sqlite3
from pathlib import Path

import pytest

from raftmon.driver.cli import main
from tests.shared import SHARED

HEAD = Path(__file__).parents[2] / "monitor" / "raft" / "data" / "etcd-3.4.23-head.pcap.gz"
CASES = SHARED / "cases" / "captures"


@pytest.fixture
def capture(tmp_path):
    return Path(shutil.copy(HEAD, tmp_path / "one.pcap.gz"))


def test_each_capture_of_a_folder_has_a_record_of_its_own(capture, tmp_path):
    other = Path(shutil.copy(HEAD, tmp_path / "two.pcap.gz"))
    assert main(["decode", str(capture)]) == main(["decode", str(other)]) == 0
    assert sorted(path.name for path in tmp_path.glob("*.sqlite")) == ["one.messages.sqlite", "two.messages.sqlite"]


def test_decoding_again_renews_the_record(capture, tmp_path, capsys):
    for _ in range(2):
        assert main(["decode", str(capture)]) == 0
    with sqlite3.connect(tmp_path / "one.messages.sqlite") as record:
        assert record.execute("SELECT count(*) FROM messages").fetchone()[0] > 0


@pytest.mark.parametrize("target", ["one.pcap.gz", "notes.txt", "link", "messages.sqlite", "folder"])
def test_what_is_not_its_own_is_never_overwritten(capture, tmp_path, target, capsys):
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "notes.txt")
    other = Path(shutil.copy(HEAD, tmp_path / "two.pcap.gz"))
    assert main(["decode", str(other), "-o", str(tmp_path / "messages.sqlite")]) == 0
    kept = {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    assert main(["decode", str(capture), "-o", str(tmp_path / target)]) == 64
    assert "name another file with -o" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in kept} == kept


def test_a_capture_that_cannot_be_read_leaves_no_record(tmp_path):
    (tmp_path / "a.pcap").write_bytes(b"hello there")
    assert main(["decode", str(tmp_path / "a.pcap")]) == 64
    assert [path.name for path in tmp_path.iterdir()] == ["a.pcap"]


PUBLIC = [
    ("plain.pcap", "1,373 messages", ""),
    ("nflog.pcap", "1,373 messages", ""),
    ("usb-and-ethernet.pcapng", "1,373 messages", "of an interface of link type 220"),
    ("qinq-9100.pcap", "1,373 messages", ""),
    ("vxlan.pcap", "1,373 messages", "out of a tunnel"),
    ("snaplen-96.pcap", "0 messages", "the capture is cut"),
]
"""(capture, what the first line begins with, words of a note), for each capture of shared/cases/expected.json."""


@pytest.mark.skipif(not CASES.is_dir(), reason="the shared cases are not on this machine")
def test_every_public_capture_is_tried_here():
    expected = json.loads((CASES.parent / "expected.json").read_text())
    assert {name for name in expected if name.startswith("captures/")} == {f"captures/{name}" for name, _, _ in PUBLIC}


@pytest.mark.skipif(not CASES.is_dir(), reason="the shared cases are not on this machine")
@pytest.mark.parametrize(("name", "messages", "note"), PUBLIC)
def test_public_captures_give_their_messages(name, messages, note, tmp_path, capsys):
    assert main(["decode", str(CASES / name), "-o", str(tmp_path / "m.sqlite")]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(messages)
    assert note in printed
