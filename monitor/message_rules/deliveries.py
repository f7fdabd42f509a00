"""Messages that reach a node by raftmon's own hand: delayed, doubled, held and forged ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from raftmon.monitor.message_rules.agent import encode_message
from raftmon.monitor.message_rules.scanner import MessageHead
from raftmon.monitor.raft.message import KINDS, RaftMessage
from raftmon.monitor.rules.actions.kinds import Forge
from raftmon.setup.errors import InputError
from raftmon.setup.topology import Link

__all__ = ["Agent", "Deliveries", "again", "deliverable"]


class Agent(Protocol):
    """What delivers a message: ``PostAgent``, or a test's."""

    def post(self, target: str, make: bytes | Callable[[Mapping[str, int]], bytes | None], due_ns: int = 0) -> None:
        """Deliver it to a node at its time; a function is given the nodes' ids then."""


class Deliveries:
    """Has messages delivered by ``agent`` (None: nothing can be); ``undeliverable`` counts those that could not be."""

    def __init__(self, agent: Agent | None) -> None:
        self._agent = agent
        self.undeliverable = 0

    @property
    def possible(self) -> bool:
        """Whether messages can be delivered here."""
        return self._agent is not None

    def deliver(self, link: Link, head: MessageHead, due_ns: int) -> None:
        """Have a message delivered by the agent."""
        if head.raw is None or self._agent is None:
            self.undeliverable += 1
        else:
            self._agent.post(link.target, head.raw, due_ns)

    def deliver_again(self, message: RaftMessage, target: str) -> None:
        """Have a recorded message delivered; needs the agent. Raises InputError for one that cannot be."""
        assert self._agent is not None
        if message.kind == "MsgSnap":
            raise InputError("a MsgSnap is followed by its database, which is not delivered again")
        if message.kind not in KINDS:
            raise InputError(f"a {message.kind} cannot be delivered: raftpb has no such message")
        self._agent.post(target, again(message, target))

    def forge(self, link: Link, action: Forge) -> None:
        """Have a message delivered that no node wrote; needs the agent."""
        assert self._agent is not None
        number = KINDS.index(action.kind)

        def make(ids: Mapping[str, int]) -> bytes | None:
            if link.source not in ids or link.target not in ids:
                return None
            return encode_message(
                number, ids[link.source], ids[link.target], term=action.term, log_term=action.log_term,
                index=action.index, commit=action.commit, reject=action.reject,
            )  # fmt: skip

        self._agent.post(link.target, make)


def again(message: RaftMessage, target: str) -> Callable[[Mapping[str, int]], bytes | None]:
    """A recorded message as a raftpb.Message to ``target``, once the nodes' ids are known."""

    def make(ids: Mapping[str, int]) -> bytes | None:
        source = message.source or ""
        if source not in ids or target not in ids:
            return None
        return encode_message(
            KINDS.index(message.kind), ids[source], ids[target], term=message.term, log_term=message.log_term,
            index=message.index, commit=message.commit, reject=message.reject, hint=message.reject_hint,
            context=message.context, entries=message.entries,
        )  # fmt: skip

    return make


def deliverable(head: MessageHead) -> bool:
    """Whether it can be delivered by a POST: not a snapshot, and of an append it must be known who it is between."""
    if head.carrier == "snapshot":
        return False
    if head.carrier == "msgapp" and head.log_term == head.term:
        return bool(head.sender and head.receiver and head.term is not None and head.index is not None)
    return True
