"""Messages of OVSDB's clusters that were never sent, made of the kind and fields that a rule names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from raftmon.monitor.raft.codecs.framing import Malformed

__all__ = ["FORGED", "forge"]

FORGED: dict[str, Callable[[Mapping[str, int]], dict[str, Any]]] = {
    "MsgVote": lambda of: {"method": "vote_request", "last_log_index": of["index"], "last_log_term": of["log_term"]},
    "MsgHeartbeat": lambda of: {
        "method": "append_request", "prev_log_index": of["index"], "prev_log_term": of["log_term"],
        "leader_commit": of["commit"], "log": [],
    },
    "MsgAppResp": lambda of: {
        "method": "append_reply", "log_end": of["index"] + 1, "prev_log_index": of["index"],
        "prev_log_term": of["log_term"], "n_entries": 0, "result": "inconsistency" if of["reject"] else "OK",
    },
    "MsgTimeoutNow": lambda of: {"method": "become_leader"},
}  # fmt: skip


def forge(kind: str, fields: Mapping[str, int], like: bytes) -> bytes:
    """See ``Codec.forge``; who speaks to whom is taken from ``like``. A vote that is rejected is the sender's own."""
    try:
        ends = orjson.loads(like)["params"][0]
        same = {name: ends[name] for name in ("cluster", "to", "from")}
    except (orjson.JSONDecodeError, LookupError, TypeError) as error:
        raise Malformed("a message that names no sender and receiver") from error
    if kind == "MsgVoteResp":
        content = {"method": "vote_reply", "vote": same["from" if fields["reject"] else "to"], "term": fields["term"]}
    elif kind in FORGED:
        content = {**FORGED[kind](fields), "term": fields["term"]}
    else:
        raise Malformed(f"a {kind} cannot be forged")
    return orjson.dumps({"id": None, "method": content.pop("method"), "params": [{**same, **content}]})
