from monitor.queue_counters import QueueCounters

TABLE = """    0  -4155      0 2 65531     5     6       98  1
    7   2119     12 2 65531     3     4      500  1
"""


def test_the_row_of_the_own_queue_is_read(tmp_path):
    (tmp_path / "table").write_text(TABLE)
    counters = QueueCounters(7, tmp_path / "table")
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
    counters = QueueCounters(7, table)
    counters.read()
    table.write_text("")
    counters.read()
    assert counters.as_dict()["queue_user_dropped"] == 4


def test_a_table_that_cannot_be_read_is_said_and_gives_no_counts(tmp_path):
    counters = QueueCounters(7, tmp_path / "missing")
    counters.read()
    assert counters.as_dict()["drop_source"] == "packet-ids"
    assert counters.as_dict()["queue_user_dropped"] is None
