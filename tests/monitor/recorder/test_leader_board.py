"""heads.json and messages.wanted: who leads, and who waits for messages."""

import os
import threading
import time
from pathlib import Path

from raftmon.monitor.raft.database.wanted import WANTED, want
from raftmon.monitor.recorder.head_scan import LinkHeads
from raftmon.monitor.recorder.leader_board import HEADS, BoardWriter, caught_up, read_heads
from raftmon.setup.topology import Link

LINKS = [Link("n1", "n2"), Link("n2", "n1")]
LED = [LinkHeads(4, 900, 4, 7), LinkHeads(0, 0, 4, 3)]


def test_what_is_written_is_read_until_the_record_is_finished(tmp_path: Path) -> None:
    assert read_heads(tmp_path) is None
    board = BoardWriter(tmp_path, LINKS, known=True)
    board.write(LED, 500, 1000)
    found = read_heads(tmp_path)
    assert found is not None
    assert (found.known, found.leader, found.term, found.heard_ns, found.nodes) == (True, "n1", 4, 900, ("n1", "n2"))
    assert (found.decoded_ns, found.now_ns) == (500, 1000)
    board.write([LinkHeads(0, 0, 0, 0)] * 2, 600, 1100)  # shorter than what stood there
    assert (found := read_heads(tmp_path)) is not None
    assert (found.leader, found.decoded_ns) == (None, 600)
    (tmp_path / HEADS).write_bytes(b"000000ff00000000[]")
    assert read_heads(tmp_path) is None
    board.close()
    assert list(tmp_path.iterdir()) == []


def test_a_protocol_whose_heads_are_not_scanned_has_no_leader_here(tmp_path: Path) -> None:
    board = BoardWriter(tmp_path, LINKS, known=False)
    board.write(LED, 1, 2)
    assert (found := read_heads(tmp_path)) is not None
    assert (found.known, found.leader) == (False, None)
    board.close()


def test_messages_are_wanted_while_somebody_asks(tmp_path: Path) -> None:
    board = BoardWriter(tmp_path, LINKS, known=True)
    assert not board.wanted(2.0)
    want(tmp_path)
    assert board.wanted(60.0)
    old = time.time() - 10
    os.utime(tmp_path / WANTED, (old, old))
    assert not board.wanted(2.0)
    (tmp_path / WANTED).unlink()
    assert board.wanted(2.0)  # nobody could ask: nobody waits
    board.close()
    want(tmp_path)  # no recorder any more: nothing happens
    assert list(tmp_path.iterdir()) == []


def test_whoever_waits_goes_on_when_everything_before_is_decoded(tmp_path: Path) -> None:
    assert caught_up(tmp_path)  # nothing is recorded here
    board = BoardWriter(tmp_path, LINKS, known=True)
    board.write(LED, 0, 1)
    assert caught_up(tmp_path), "a recorder that wrote nothing for long was killed"
    board.write(LED, 0, time.monotonic_ns())
    assert not caught_up(tmp_path, timeout_s=0.05)
    assert board.wanted(60.0)
    done = threading.Event()

    def wait() -> None:
        assert caught_up(tmp_path, timeout_s=30)
        done.set()

    waiting = threading.Thread(target=wait)
    waiting.start()
    while not done.wait(0.01):
        board.write(LED, time.monotonic_ns(), time.monotonic_ns())
    waiting.join()
    board.close()
