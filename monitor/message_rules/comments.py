"""How a packet's comment says what was done to single messages in it, and which message of the record that was.

A comment is all that the recorder gets to know of a rule. An edit is decided at a message's header, often packets
before its last byte comes, and a packet may hold several messages: kind, term and index tell them apart, and where
these are the same, their order (an append and the empty one before it often have all three in common).
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass

from raftmon.monitor.raft.codecs.etcd.message_head import MessageHead
from raftmon.monitor.raft.message import RaftMessage

__all__ = ["HELD", "SAME", "EditLog", "describe"]

HELD = "held: a message's header goes on in the next segment"
"""The comment on a segment that is kept back until the next one, or TCP's repetition, lets it go on."""

SAME = "same edit as before"
"""The comment where an edit goes on in another packet, or is made again: says nothing about any other message."""

_MAX_OPEN = 256  # of a kind; a message that was cut away for good never completes
_LOSES = frozenset({"drop", "delay", "hold"})
_EDIT = re.compile(r"(?:^|, )((drop|delay|duplicate|hold|forge) (Msg\w+) term (\d+|\?) index (\d+|\?))(?: #(\d+))?")


def describe(action: str, head: MessageHead, ordinal: int = 1) -> str:
    """One edit as it is in a comment, as ``drop MsgApp term 3 index 17``; ``?`` is what the header did not tell.

    ``#2`` behind it is the second of that kind, term and index that was decided with this packet.
    """
    term = "?" if head.term is None else head.term
    index = "?" if head.index is None else head.index
    return f"{action} {head.kind} term {term} index {index}" + (f" #{ordinal}" if ordinal > 1 else "")


@dataclass(slots=True)
class _Edit:
    packet: int
    text: str
    action: str
    kind: str
    term: int | None
    index: int | None
    left: int  # how many such messages come up to the one that is meant

    def may_be_of(self, message: RaftMessage) -> bool:
        return (
            message.first_packet <= self.packet <= message.last_packet
            and message.kind == self.kind
            and self.term in (None, message.term)
            and self.index in (None, message.index)
        )


class EditLog:
    """The edits seen in comments whose messages are not complete yet."""

    def __init__(self) -> None:
        self._open: dict[str, deque[_Edit]] = {}
        self._held: deque[int] = deque(maxlen=_MAX_OPEN)  # packets that ended within a header

    def note(self, packet: int, comment: str) -> str:
        """Keep the edits that a packet's comment names; what else it says."""
        comment = comment.removesuffix(SAME).removesuffix(", ")
        if HELD in comment:
            self._held.append(packet)
        if "Msg" not in comment:
            return comment
        for text, action, kind, term, index, ordinal in _EDIT.findall(comment):
            same_kind = self._open.setdefault(kind, deque(maxlen=_MAX_OPEN))
            same_kind.append(_Edit(packet, text, action, kind, _number(term), _number(index), int(ordinal or 1)))
        return _EDIT.sub("", comment).removeprefix(", ")

    def verdict(
        self, message: RaftMessage, comment: str | None, delivered: bool | None
    ) -> tuple[str | None, bool | None]:
        """The verdict on one message: what was done to it alone, before what was done to the packet that ended it."""
        same_kind = self._open.get(message.kind)
        if not same_kind:
            return comment, delivered
        meant: list[_Edit] = []
        for edit in same_kind:
            if edit.may_be_of(message) and self._decided_with(message, edit.packet):
                edit.left -= 1
                if edit.left == 0:
                    meant.append(edit)
        for edit in meant:
            same_kind.remove(edit)
        texts = [edit.text for edit in meant] + ([comment] if comment else [])
        lost = any(edit.action in _LOSES for edit in meant)
        return ", ".join(texts) or comment, False if lost else delivered

    def _decided_with(self, message: RaftMessage, packet: int) -> bool:
        """Whether its header was whole with this packet and not before. A packet that ends within a header is held."""
        return message.first_packet == packet or message.first_packet in self._held


def _number(text: str) -> int | None:
    return None if text == "?" else int(text)
