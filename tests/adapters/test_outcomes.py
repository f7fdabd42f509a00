import pytest

from raftmon.adapters.base import Definite, Indefinite
from raftmon.adapters.etcd_outcomes import ETCD
from raftmon.adapters.outcomes import Row, judge, raise_outcome


@pytest.mark.parametrize(
    ("code", "message", "definite"),
    [
        ("UNAVAILABLE", "failed to connect to all addresses; last error: UNKNOWN: Connection refused", True),
        ("UNAVAILABLE", "Socket closed", False),
        ("UNAVAILABLE", "recvmsg:Connection reset by peer", False),
        ("UNAVAILABLE", "GOAWAY received", False),
        ("UNAVAILABLE", "etcdserver: request timed out", False),
        ("UNAVAILABLE", "etcdserver: request timed out, possibly due to previous leader failure", False),
        ("UNAVAILABLE", "etcdserver: request timed out, possibly due to connection lost", False),
        ("UNAVAILABLE", "etcdserver: server stopped", False),
        ("UNAVAILABLE", "etcdserver: leader changed", False),
        ("UNAVAILABLE", "etcdserver: no leader", True),
        ("DEADLINE_EXCEEDED", "Deadline Exceeded", False),
        ("CANCELLED", "", False),
        ("RESOURCE_EXHAUSTED", "etcdserver: too many requests", True),
        ("RESOURCE_EXHAUSTED", "etcdserver: mvcc: database space exceeded", False),
        ("RESOURCE_EXHAUSTED", "grpc: received message larger than max (9 vs. 8)", True),
        ("RESOURCE_EXHAUSTED", "trying to send message larger than max (9 vs. 8)", False),
        ("INVALID_ARGUMENT", "etcdserver: request is too large", True),
        ("INVALID_ARGUMENT", "etcdserver: key is not provided", True),
        ("UNKNOWN", "raft proposal dropped", True),
        ("UNKNOWN", "anything else", False),
        ("INTERNAL", "stream terminated by RST_STREAM", False),
        ("A_CODE_OF_A_LATER_VERSION", "", False),
    ],
)
def test_what_etcds_errors_say_about_a_write(code, message, definite):
    with pytest.raises(Definite if definite else Indefinite, match=code):
        raise_outcome(ETCD, code, message, read=False, cause=OSError())


@pytest.mark.parametrize(("code", "message"), [("DEADLINE_EXCEEDED", ""), ("UNKNOWN", "?"), ("NO_SUCH_CODE", "")])
def test_a_failed_read_did_nothing(code, message):
    with pytest.raises(Definite):
        raise_outcome(ETCD, code, message, read=True, cause=OSError())


def test_the_first_row_that_fits_decides():
    table = (Row("A", "this", True, "1"), Row("A", "", False, "2"), Row(None, "any", True, "3"))
    assert judge(table, "A", "in this text").why == "1"
    assert judge(table, "A", "any").why == "2"
    assert judge(table, "B", "any").why == "3"
    assert judge(table, "B", "") is None


def test_every_row_says_why():
    assert all(len(row.why) > 10 for row in ETCD)


def test_no_row_is_hidden_by_one_before_it():
    for position, row in enumerate(ETCD):
        assert judge(ETCD, row.code, row.text) is ETCD[position]
