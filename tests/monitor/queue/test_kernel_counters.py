import socket

from raftmon.monitor.queue.kernel_counters import QueueCounters

TABLE = """    0  -4155      0 2 65531     5     6       98  1
    7   2119     12 2 65531     3     4      500  1
"""


def test_the_row_of_the_own_queue_is_read(tmp_path):
    (tmp_path / "table").write_text(TABLE)
    counters = QueueCounters(7, table=tmp_path / "table")
    counters.read()
    assert counters.as_dict() == {
        "drop_source": "proc",
        "queue_length": 12,
        "queue_length_most": 12,
        "queue_kernel_dropped": 3,
        "queue_user_dropped": 4,
    }


def test_counts_stay_when_the_queue_is_gone(tmp_path):
    table = tmp_path / "table"
    table.write_text(TABLE)
    counters = QueueCounters(7, table=table)
    counters.read()
    table.write_text("")
    counters.read()
    assert counters.as_dict()["queue_user_dropped"] == 4


def test_a_table_that_cannot_be_read_is_said_and_gives_no_counts(tmp_path):
    counters = QueueCounters(7, table=tmp_path / "missing")
    counters.read()
    assert counters.as_dict()["drop_source"] == "packet-ids"
    assert counters.as_dict()["queue_user_dropped"] is None


def test_where_the_table_is_closed_the_socket_tells_what_found_no_room_in_it(tmp_path):
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, theirs:
        counters = QueueCounters(7, ours.fileno(), tmp_path / "missing")
        counters.read()
        assert ours.fileno() >= 0  # still the caller's
    assert counters.as_dict() == {
        "drop_source": "socket",
        "queue_length": None,
        "queue_length_most": None,
        "queue_kernel_dropped": None,
        "queue_user_dropped": 0,
    }
