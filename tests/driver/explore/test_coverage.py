"""A state does not depend on which node is which, and the record before a mark is no coverage of what came after."""

import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raftmon.driver.explore.coverage import NodeState, Window, abstract, mark, states_since

ROLES = st.sampled_from(["leader", "follower", "candidate"])
NODES = st.lists(st.builds(NodeState, ROLES, st.integers(1, 4), st.integers(0, 30), st.integers(0, 30)), min_size=1)


@given(NODES, st.permutations(range(3)), st.integers(0, 9))
def test_names_terms_and_indexes_as_such_do_not_matter(nodes: list[NodeState], order: list[int], more: int) -> None:
    moved = [NodeState(one.role, one.term + more, one.commit + more, one.match + more) for one in nodes]
    shuffled = sorted(moved, key=lambda one: (order[one.term % 3], one))
    assert abstract(nodes, ["MsgVote"], ["halves"]) == abstract(shuffled, ["MsgVote", "MsgVote"], ["halves"])


@pytest.mark.parametrize(
    "other",
    [
        ([NodeState("candidate", 2, 5, 5), NodeState("follower", 2, 5, 5)], [], []),
        ([NodeState("leader", 2, 5, 5), NodeState("follower", 1, 5, 5)], [], []),
        ([NodeState("leader", 2, 5, 5), NodeState("follower", 2, 4, 5)], [], []),
        ([NodeState("leader", 2, 5, 50), NodeState("follower", 2, 5, 5)], [], []),
        ([NodeState("leader", 2, 5, 5), NodeState("follower", 2, 5, 5)], ["MsgVote"], []),
        ([NodeState("leader", 2, 5, 5), NodeState("follower", 2, 5, 5)], [], ["halves"]),
    ],
)
def test_role_term_commit_match_kinds_and_faults_do(other: tuple[list[NodeState], list[str], list[str]]) -> None:
    assert abstract([NodeState("leader", 2, 5, 5), NodeState("follower", 2, 5, 5)], [], []) != abstract(*other)


@pytest.fixture
def record(tmp_path: Path) -> sqlite3.Connection:
    made = sqlite3.connect(tmp_path / "m.sqlite")
    made.executescript(
        "CREATE TABLE messages (id INTEGER PRIMARY KEY, time_ns, kind);"
        "CREATE TABLE violations (id INTEGER PRIMARY KEY);"
        "CREATE TABLE states (time_ns, grp, node, term, role, commit_index, match_index, leader);"
    )
    return made


def state(record: sqlite3.Connection, time_ns: int, node: str, role: str, term: int, match: int = 0) -> None:
    record.execute("INSERT INTO states VALUES (?, '', ?, ?, ?, 0, ?, NULL)", (time_ns, node, term, role, match))


def test_what_came_before_is_the_beginning_and_no_coverage(record: sqlite3.Connection) -> None:
    state(record, 1, "n1", "leader", 1)
    state(record, 2, "n2", "follower", 1)
    since = mark(record)
    assert states_since(record, since) == set()
    state(record, 3, "n2", "candidate", 2)
    assert states_since(record, since) == {
        abstract([NodeState("leader", 1, 0, 0), NodeState("candidate", 2, 0, 0)], [], [])
    }


def test_rare_messages_of_late_and_faults_that_are_on_are_part_of_a_state(record: sqlite3.Connection) -> None:
    second = 1_000_000_000
    record.execute("INSERT INTO messages VALUES (1, ?, 'MsgVote')", (second,))
    record.execute("INSERT INTO messages VALUES (2, ?, 'MsgApp')", (second,))
    since = mark(record)._replace(messages=0)
    state(record, second + 1, "n1", "candidate", 2)
    state(record, 2 * second, "n1", "candidate", 2)
    node = [NodeState("candidate", 2, 0, 0)]
    windows = [Window("halves", 2 * second - 1, 3 * second)]
    assert states_since(record, since, windows) == {abstract(node, ["MsgVote"], []), abstract(node, [], ["halves"])}
