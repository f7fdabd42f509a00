"""The Raft message, neutral to the system that sent it (names after etcd's raftpb, terms after Ongaro 2014)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

__all__ = [
    "ENTRY_TYPES",
    "HEARTBEATS",
    "KINDS",
    "LEADER_KINDS",
    "STEADY_KINDS",
    "Channel",
    "Entry",
    "LoggedOperation",
    "RaftMessage",
]

STEADY_KINDS = (
    "MsgApp",
    "MsgAppResp",
    "MsgHeartbeat",
    "MsgHeartbeatResp",
    "MsgProp",
    "MsgReadIndex",
    "MsgReadIndexResp",
)
"""What passes all the time while a cluster works; the other kinds are rare, and their order tells a run's story."""

KINDS: tuple[str, ...] = (
    "MsgHup",
    "MsgBeat",
    "MsgProp",
    "MsgApp",
    "MsgAppResp",
    "MsgVote",
    "MsgVoteResp",
    "MsgSnap",
    "MsgHeartbeat",
    "MsgHeartbeatResp",
    "MsgUnreachable",
    "MsgSnapStatus",
    "MsgCheckQuorum",
    "MsgTransferLeader",
    "MsgTimeoutNow",
    "MsgReadIndex",
    "MsgReadIndexResp",
    "MsgPreVote",
    "MsgPreVoteResp",
    "MsgStorageAppend",
    "MsgStorageAppendResp",
    "MsgStorageApply",
    "MsgStorageApplyResp",
    "MsgForgetLeader",
)
"""etcd's message types by number; other systems' messages are mapped to these and to ``MsgPropResp``."""

LEADER_KINDS = frozenset({"MsgApp", "MsgHeartbeat", "MsgSnap", "MsgTimeoutNow"})
"""What only the leader of its term sends."""

HEARTBEATS = frozenset({"MsgHeartbeat", "MsgHeartbeatResp"})

ENTRY_TYPES = {0: "normal", 1: "conf_change", 2: "conf_change_v2"}


@dataclass(frozen=True, slots=True)
class LoggedOperation:
    """One change that an entry makes to the replicated state.

    ``name`` is ``put``, ``delete_range``, ``range``, ``txn``, ``lease_grant``, ``conf_change``, ``noop`` and so on;
    ``key`` and ``value`` are bytes, empty if the operation has none; ``detail`` holds the rest in words.
    """

    name: str
    key: bytes = b""
    value: bytes = b""
    request_id: int = 0
    detail: str = ""


def _unread(_kind: int, data: bytes) -> tuple[LoggedOperation, ...]:
    return (LoggedOperation("noop") if not data else LoggedOperation("opaque", value=data),)


@dataclass(slots=True)
class Entry:
    """One log entry as contained in a message. In a proposal, ``term`` and ``index`` are 0: the leader sets them."""

    term: int
    index: int
    data: bytes
    type: int = 0
    reader: Callable[[int, bytes], tuple[LoggedOperation, ...]] = _unread

    @property
    def operations(self) -> tuple[LoggedOperation, ...]:
        """What the entry does, read from ``data`` when asked: never empty, a transaction gives its parts too."""
        return self.reader(self.type, self.data)


@dataclass(slots=True)
class Channel:
    """How a message travelled: on which connection, in which framing, between whom.

    ``name`` is ``message``, ``msgapp``, ``pipeline``, ``snapshot`` (etcd), ``route`` (nats) or ``peer`` (pysyncobj).
    ``system`` is the name of its codec; ``ordered`` and ``answers_bear_own_term`` are what that says of the channel
    (``raftmon.monitor.raft.codecs.base.Codec``). ``opened_ns`` is the time at which it was recognised. ``source`` and
    ``target`` name the nodes as soon as the wire said who they are.
    """

    stream: int
    name: str
    system: str
    source: str | None = None
    target: str | None = None
    source_address: str = ""
    target_address: str = ""
    ordered: bool = True
    answers_bear_own_term: bool = True
    opened_ns: int = 0


@dataclass(slots=True)
class RaftMessage:
    """One message between two nodes.

    ``source`` and ``target`` are node names, or ids as the system writes them while no name is known, or None where
    the wire has not said who. ``index`` and ``log_term`` are what the kind means by them: of a MsgApp the entry before
    ``entries``, of a MsgAppResp what the follower has. ``first_packet`` and ``last_packet`` are the packets that
    brought its first and last byte; ``time_ns`` is the time of the last. ``size`` counts its bytes in the stream and
    ``raw`` is them, framing included (of a snapshot: without the database that follows it).
    """

    time_ns: int
    kind: str
    source: str | None
    target: str | None
    term: int
    log_term: int
    index: int
    commit: int
    entries: tuple[Entry, ...]
    reject: bool
    reject_hint: int
    context: bytes
    channel: Channel
    first_packet: int
    last_packet: int
    size: int
    raw: bytes
    group: str = ""
    snapshot_index: int = 0
    snapshot_term: int = 0
    extra: dict[str, Any] | None = field(default=None)

    def sentence(self) -> str:
        """The message in one line, as every report shows it."""
        parts = [f"{self.kind} {self.source or '?'}->{self.target or '?'} term {self.term}"]
        if self.group:
            parts.append(f"group {self.group}")
        if self.kind in ("MsgApp", "MsgAppResp", "MsgVote", "MsgPreVote", "MsgReadIndexResp", "MsgProp"):
            parts.append(f"index {self.index}")
        if self.kind in ("MsgApp", "MsgVote", "MsgPreVote"):
            parts.append(f"log term {self.log_term}")
        if self.entries:
            first, last = self.entries[0].index, self.entries[-1].index
            span = f" {first}..{last}" if first else ""
            parts.append(f"{len(self.entries)} entr{'y' if len(self.entries) == 1 else 'ies'}{span}")
        if self.kind in ("MsgApp", "MsgHeartbeat"):
            parts.append(f"commit {self.commit}")
        if self.snapshot_index:
            parts.append(f"snapshot {self.snapshot_index} of term {self.snapshot_term}")
        if self.reject:
            parts.append(f"rejected, hint {self.reject_hint}")
        return ", ".join(parts)
