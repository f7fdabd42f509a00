"""What a message tells of its sender, beyond its fields."""

from __future__ import annotations

from raftmon.monitor.raft.message import LEADER_KINDS, RaftMessage

__all__ = ["own_term", "read_context"]

_TERMLESS = frozenset({"MsgPreVote", "MsgProp", "MsgReadIndex", "MsgReadIndexResp"})


def own_term(message: RaftMessage) -> bool:
    """Whether the message's term is its sender's own at that time."""
    kind = message.kind
    if not message.term or kind in _TERMLESS or (kind == "MsgPreVoteResp" and not message.reject):
        return False
    if message.extra and message.extra.get("request_term"):
        return False
    return message.channel.answers_bear_own_term or kind in ("MsgVote", *LEADER_KINDS)


def read_context(message: RaftMessage) -> bytes:
    """The identity of a forwarded read (etcd carries it in the first entry)."""
    return message.entries[0].data if message.entries else message.context
