import subprocess
import sys
import threading

import orjson
import pytest

from raftmon.driver.histories import event_writer as events
from raftmon.driver.histories.event_writer import EventWriter
from raftmon.setup.errors import RaftmonError


def lines(path):
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


def put(writer, number):
    writer.put(number, 3, "invoke", "cas", "k1", (None, 7), {"node": "n1"})


def test_an_event_has_the_fields_of_the_format(tmp_path):
    writer = EventWriter(tmp_path / "h")
    put(writer, 81)
    writer.close()
    assert lines(tmp_path / "h") == [
        {
            "index": 0,
            "time_ns": 81,
            "process": 3,
            "type": "invoke",
            "f": "cas",
            "key": "k1",
            "value": [None, 7],
            "node": "n1",
        }
    ]


def test_nothing_is_in_the_file_before_flush_and_all_is_after(tmp_path):
    writer = EventWriter(tmp_path / "h")
    put(writer, 1)
    assert (tmp_path / "h").read_bytes() == b""
    writer.flush()
    assert len(lines(tmp_path / "h")) == 1


def test_indices_of_several_hosts_are_unique(tmp_path):
    writers = [EventWriter(tmp_path / "h", first, 3) for first in range(3)]
    for writer in writers:
        for number in range(5):
            put(writer, number)
        writer.close()
    indices = [line["index"] for line in lines(tmp_path / "h")]
    assert sorted(indices) == list(range(15))


def test_memory_is_bounded_a_full_queue_is_written_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(events, "MAX_LINES", 10)
    writer = EventWriter(tmp_path / "h")
    for number in range(11):
        put(writer, number)
    assert len(lines(tmp_path / "h")) == 11


def test_many_threads_while_flushing_lose_and_tear_nothing(tmp_path):
    writer = EventWriter(tmp_path / "h")
    threads = [threading.Thread(target=lambda: [put(writer, n) for n in range(2000)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        writer.flush()
    writer.close()
    assert sorted(line["index"] for line in lines(tmp_path / "h")) == list(range(8000))


def test_several_processes_never_tear_each_others_lines(tmp_path):
    program = (
        "import sys; from pathlib import Path; from raftmon.driver.histories.event_writer import EventWriter\n"
        "w = EventWriter(Path(sys.argv[1]), int(sys.argv[2]), 3)\n"
        "for n in range(3000):\n"
        "    w.put(n, 1, 'ok', 'read', 'k', 'x' * (n % 50), {})\n"
        "    if n % 7 == 0: w.flush()\n"
        "w.close()"
    )
    processes = [subprocess.Popen([sys.executable, "-c", program, tmp_path / "h", str(i)]) for i in range(3)]
    assert [process.wait(30) for process in processes] == [0, 0, 0]
    assert sorted(line["index"] for line in lines(tmp_path / "h")) == list(range(9000))


def test_a_history_that_cannot_be_opened_is_named(tmp_path):
    with pytest.raises(RaftmonError, match="no-such-folder"):
        EventWriter(tmp_path / "no-such-folder" / "h")


def test_a_full_disk_is_an_error_and_not_a_torn_line():
    writer = EventWriter("/dev/full")
    put(writer, 1)
    with pytest.raises(RaftmonError, match="No space"):
        writer.flush()
