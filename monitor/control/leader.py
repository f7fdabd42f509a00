"""Who leads, for rules about roles: what the loop saw last, else what the recorder's heads or its record show."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raftmon.monitor.message_rules.triggers import TriggerWatch
from raftmon.monitor.raft.database.query import cluster_now, leader_heard
from raftmon.monitor.raft.database.store import open_store
from raftmon.monitor.recorder.leader_board import Heads, read_heads
from raftmon.setup.errors import InputError

__all__ = ["LeaderView", "Roles"]

_SILENT_NS = 3_000_000_000


@dataclass(frozen=True, slots=True)
class Roles:
    """The leader and the other nodes of its Raft group."""

    leader: str
    followers: tuple[str, ...]


class LeaderView:
    """Asks ``record`` (messages.sqlite) and ``watch``; for any thread but the loop's."""

    def __init__(self, record: Path, watch: TriggerWatch, names: tuple[str, ...], clock_ns: Callable[[], int]) -> None:
        self._record, self._watch, self._names, self._clock_ns = record, watch, names, clock_ns

    def now(self) -> Roles | None:
        """Leader and followers now; None if nobody leads, or nothing was decoded yet.

        Raises InputError if the system has several Raft groups, each with its own leader.
        """
        heads = read_heads(self._record.parent)
        if heads is not None and heads.known:
            return self._by_heads(heads)
        groups = self._groups()
        if len(groups) > 1:
            raise InputError(f"there are {len(groups)} Raft groups, each with its own leader: name the nodes instead")
        seen = self._watch.leader
        for group, state in groups.items():
            leader = state["leader"]
            there = {node for node in state["nodes"] if node in self._names}
            if seen is not None and seen in self._names:
                return Roles(seen, tuple(sorted(there - {seen})))
            if leader in there and self._heard(group, leader, int(state["nodes"][leader]["term"])):
                return Roles(leader, tuple(sorted(there - {leader})))
        return None

    def _by_heads(self, heads: Heads) -> Roles | None:
        there, seen = set(heads.nodes) & set(self._names), self._watch.leader
        if seen is None or seen not in self._names:
            seen = heads.leader if heads.heard_ns > self._clock_ns() - _SILENT_NS else None
        return Roles(seen, tuple(sorted(there - {seen}))) if seen is not None and seen in self._names else None

    def _groups(self) -> dict[str, dict[str, Any]]:
        if not self._record.exists():
            return {}
        with contextlib.suppress(InputError, sqlite3.Error), contextlib.closing(open_store(self._record)) as connection:
            return cluster_now(connection)
        return {}

    def _heard(self, group: str, leader: str, term: int) -> bool:
        with contextlib.suppress(InputError, sqlite3.Error), contextlib.closing(open_store(self._record)) as connection:
            return leader_heard(connection, group, leader, term, self._clock_ns() - _SILENT_NS)
        return False
