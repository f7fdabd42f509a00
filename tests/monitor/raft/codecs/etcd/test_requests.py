"""Entries are read down to what they do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raftmon.monitor.raft.codecs.etcd.requests import published_name, read_entry_data
from tests.monitor.raft.wire import put, scalar, sized

HEADER = sized(100, scalar(1, 99))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", [("noop", b"")]),
        (put(b"a", b"b"), [("put", b"a")]),
        (scalar(1, 5) + sized(4, sized(1, b"a") + sized(2, b"b") + scalar(3, 16)) + HEADER, [("put", b"a")]),
        (sized(5, sized(1, b"a") + sized(2, b"z")) + HEADER, [("delete_range", b"a")]),
        (sized(3, sized(1, b"a")) + HEADER, [("range", b"a")]),
        (
            sized(
                6,
                sized(1, b"x")
                + sized(2, sized(2, sized(1, b"k") + sized(2, b"v")))
                + sized(3, sized(1, sized(1, b"k"))),
            )
            + HEADER,
            [("txn", b""), ("txn_put", b"k"), ("txn_range", b"k")],
        ),
        (sized(8, scalar(1, 30) + scalar(2, 255)) + HEADER, [("lease_grant", b"")]),
        (sized(9, scalar(1, 255)) + HEADER, [("lease_revoke", b"")]),
        (sized(7, scalar(1, 1000)) + HEADER, [("compaction", b"")]),
        (sized(1300, sized(1, b"3.5.0")) + HEADER, [("cluster_version_set", b"")]),
        (b"\xff\xff", [("opaque", b"")]),
    ],
)
def test_requests(data: bytes, expected: list[tuple[str, bytes]]) -> None:
    assert [(operation.name, operation.key) for operation in read_entry_data(0, data)] == expected


def test_a_lease_and_the_request_id_are_kept() -> None:
    (grant,) = read_entry_data(0, sized(8, scalar(1, 30) + scalar(2, 255)) + HEADER)
    assert (grant.request_id, grant.detail) == (99, "ttl 30 s, lease ff")


@given(st.binary(max_size=40), st.binary(max_size=200), st.integers(0, (1 << 64) - 1))
def test_every_put_is_read_whole(key: bytes, value: bytes, ident: int) -> None:
    (found,) = read_entry_data(0, put(key, value, ident))
    assert (found.name, found.key, found.value, found.request_id) == ("put", key, value, ident)


def test_configuration_changes() -> None:
    (one,) = read_entry_data(1, scalar(1, 1) + scalar(2, 0) + scalar(3, 0xAB) + sized(4, b'{"name":"n4"}'))
    assert (one.name, one.key, one.value, one.detail) == ("conf_change", b"ab", b'{"name":"n4"}', "add_node")
    two = read_entry_data(2, sized(2, scalar(1, 1) + scalar(2, 0xCD)) + sized(2, scalar(1, 3) + scalar(2, 0xEF)))
    assert [(change.key, change.detail) for change in two] == [(b"cd", "remove_node"), (b"ef", "add_learner")]


def test_members_publish_their_names_through_a_v2_request() -> None:
    body = scalar(1, 5) + sized(2, b"PUT") + sized(3, b"/0/members/ab/attributes") + sized(4, b'{"name":"n7"}')
    (operation,) = read_entry_data(0, body)
    assert operation.name == "v2_put"
    assert published_name(operation) == (0xAB, "n7")


@given(st.integers(0, 2), st.binary(max_size=120))
def test_any_bytes_give_some_operation_and_no_exception(kind: int, data: bytes) -> None:
    assert len(read_entry_data(kind, data)) >= 1
