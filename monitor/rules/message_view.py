"""One Raft message as a user's ``message(view)`` sees it while it passes."""

from __future__ import annotations

from dataclasses import dataclass

from raftmon.monitor.raft.codecs.etcd.message_head import MessageHead
from raftmon.setup.topology import Link

__all__ = ["MessageView"]


@dataclass(frozen=True, slots=True)
class MessageView:
    """What the first bytes of a message tell, before the rest has arrived; None if they do not tell.

    ``kind`` is raftpb's name, such as ``MsgApp``. ``entries`` is how many it carries, ``keys`` are those that its
    entries write to, as far as they begin in the same TCP segment. ``size`` is in bytes, with the framing of its stream
    and without a snapshot's database; None for an append of several entries. ``operations`` are what these entries do
    (``put``, ``lease_revoke``, …); ``context`` is the message's, None if it has none. ``now_ns`` is CLOCK_MONOTONIC.
    """

    link: Link
    kind: str
    term: int | None
    index: int | None
    log_term: int | None
    commit: int | None
    entries: int | None
    keys: tuple[bytes, ...]
    size: int | None
    now_ns: int
    context: bytes | None = None
    operations: tuple[str, ...] = ()

    @classmethod
    def of(cls, head: MessageHead, link: Link, now_ns: int) -> MessageView:
        """The view of a message that passes on ``link``."""
        return cls(
            link, head.kind, head.term, head.index, head.log_term, head.commit, head.entries,
            tuple(head.keys), head.size, now_ns, head.context, tuple(head.operations),
        )  # fmt: skip

    @property
    def source(self) -> str:
        """The name of the host that sent it."""
        return self.link.source

    @property
    def target(self) -> str:
        """The name of the host it goes to."""
        return self.link.target
