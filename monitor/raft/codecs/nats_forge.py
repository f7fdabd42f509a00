"""Messages of nats-server that no server wrote, made after one that passed: its sender, its group, its inbox."""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping

from raftmon.monitor.raft.codecs.framing import Malformed

__all__ = ["FORGED", "forge", "forged_after"]

FORGED = ("MsgHeartbeat", "MsgVote", "MsgAppResp")
"""A vote is answered at an inbox that only its candidate names, in the other direction: it cannot be forged."""

_APPEND = re.compile(rb"RMSG ((?:\$SYS )?)\$NRG\.AE\.(\S+) (\$NRG\.R\.\S+) \d+\r\n").match
_ANSWER = re.compile(rb"RMSG ((?:\$SYS )?\$NRG\.R\.\S+)(?: \S+)? 25\r\n").match


def forged_after(kind: str, unit: bytes) -> bool:
    """Whether a message of this kind can be made after ``unit``: appends name the group, answers their inbox."""
    return (_ANSWER if kind == "MsgAppResp" else _APPEND)(unit) is not None


def forge(kind: str, fields: Mapping[str, int], like: bytes) -> bytes:
    """See ``Codec.forge``: in the group and in the name of who sent ``like``."""
    term, index = fields["term"], fields["index"]
    if kind == "MsgAppResp" and (match := _ANSWER(like)) is not None:
        peer = like[match.end() + 16 : match.end() + 24]
        payload = struct.pack("<QQ8sB", term, index, peer, not fields["reject"])
        return b"RMSG %s 25\r\n" % match[1] + payload + b"\r\n"
    match = _APPEND(like)
    if match is None or kind not in ("MsgHeartbeat", "MsgVote"):
        raise Malformed(f"of nats-server {', '.join(FORGED)} can be forged, after an append or an answer to one")
    account, group, inbox = match.groups()
    sender = like[match.end() : match.end() + 8]
    if kind == "MsgVote":
        payload = struct.pack("<QQQ8s", term, fields["log_term"], index, sender)
        subject = b"$NRG.V." + group
    else:
        payload = struct.pack("<8sQQQQH", sender, term, fields["commit"], fields["log_term"], index, 0)
        subject = b"$NRG.AE." + group
        if struct.unpack_from("<H", like, match.end() + 40)[0] == 0:  # newer versions end it with one byte more
            payload += like[match.end() + 42 : -2][:1]
        elif not account:
            payload += b"\0"
    return b"RMSG %s%s %s %d\r\n" % (account, subject, inbox, len(payload)) + payload + b"\r\n"
