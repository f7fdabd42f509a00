"""Times into messages: what passed on the wire just before a fault began says when it is to begin the next time."""

from __future__ import annotations

import contextlib
import dataclasses
import sqlite3
from collections.abc import Iterator, Mapping
from typing import Any

from raftmon.driver.faults.schedule import PlannedFault
from raftmon.driver.run_folder import RunFolder
from raftmon.monitor.raft.database.store import open_store
from raftmon.monitor.raft.message import STEADY_KINDS
from raftmon.setup.errors import RaftmonError

__all__ = ["counted", "triggered"]

_BEFORE_NS = 2_000_000_000
_MOST = 3
_COUNT = "SELECT count(*) FROM messages WHERE kind = ? AND time_ns BETWEEN ? AND ?"


def triggered(folder: RunFolder, fault: PlannedFault, row: Mapping[str, Any]) -> Iterator[PlannedFault]:
    """The fault waiting for a message instead of a time: rare ones that passed in the 2 s before it, newest first.

    ``row`` is the fault's in the results of the run in ``folder``. Then the newest message of any kind. At most three.
    """
    if row.get("start_ns") is None or fault.when is not None:
        return
    lasting_s = fault.stop_s - fault.start_s
    try:
        with contextlib.closing(open_store(folder.path / "messages.sqlite")) as record:
            found = list(_messages(record, row["start_ns"]))
    except (RaftmonError, sqlite3.Error):
        return
    for kind, source, target in found[:_MOST]:
        when = f"{source}->{target} {kind}"
        yield dataclasses.replace(fault, start_s=0.0, stop_s=lasting_s, when=when)


def _messages(record: sqlite3.Connection, start_ns: int) -> Iterator[tuple[str, str, str]]:
    rare = (
        "SELECT kind, source, target FROM messages WHERE time_ns BETWEEN ?1 - ?2 AND ?1 AND source IS NOT NULL "
        "AND target IS NOT NULL AND {} GROUP BY kind, source, target ORDER BY max(time_ns) DESC LIMIT ?3"
    )
    marks = ", ".join(f"'{kind}'" for kind in STEADY_KINDS)
    yield from record.execute(rare.format(f"kind NOT IN ({marks})"), (start_ns, _BEFORE_NS, _MOST - 1))
    yield from record.execute(rare.format("TRUE"), (start_ns, _BEFORE_NS, 1))


def counted(folder: RunFolder, fault: PlannedFault, row: Mapping[str, Any], began_ns: int) -> PlannedFault | None:
    """The fault waiting for the message that passed just before it in that run, counted from the first operation.

    A rare kind of the last 2 s if there is one, else an append: its count is the fault's place in the order of
    deliveries. Of any link, since another node may lead this time. None if nothing passed.
    """
    if row.get("start_ns") is None:
        return None
    try:
        with contextlib.closing(open_store(folder.path / "messages.sqlite")) as record:
            for kind, _source, _target in _messages(record, row["start_ns"]):
                (nth,) = record.execute(_COUNT, (kind, began_ns, row["start_ns"])).fetchone()
                if nth:
                    when = kind + (f" nth {nth}" if nth > 1 else "")
                    return dataclasses.replace(fault, start_s=0.0, stop_s=fault.stop_s - fault.start_s, when=when)
    except (RaftmonError, sqlite3.Error):
        return None
    return None
