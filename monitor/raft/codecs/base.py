"""What a codec is: one row that says how a connection of its protocol is recognised, read, and whether it is edited.

A codec turns the two byte streams of a connection into ``RaftMessage``s. It sees no packets and no ports, opens
nothing and keeps no clock: bytes come in through two ``Consumer``s, one a direction, and messages go to an ``Output``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Protocol

from raftmon.monitor.packets.tcp_stream import Budget
from raftmon.monitor.packets.tcp_table import Consumer, Flow
from raftmon.monitor.raft.directory import Directory
from raftmon.monitor.raft.message import Channel, RaftMessage

__all__ = ["MAX_SNIFFED", "Codec", "Output", "PairTaps", "TapCounters", "never"]

MAX_SNIFFED = 4 << 10
"""How many first bytes of a direction a codec may ask for before it must say yes or no."""


@dataclass(slots=True)
class TapCounters:
    """Bytes that the taps of one capture could not use.

    ``unparsed``: in a conversation that was followed, yet not understood. ``skipped``: before a place to join was
    found, at the start of the capture or after a hole. ``foreign``: of connections that carry something else.
    """

    unparsed: int = 0
    skipped: int = 0
    foreign: int = 0


class Output(Protocol):
    """Where a codec puts what it read: the decoder of one capture.

    ``now_ns`` is the time of the current packet; ``taps`` counts bytes that were not used; ``buffers.used`` must be
    raised by the bytes that a codec keeps and lowered when it lets them go; ``directory`` knows names and addresses.
    """

    now_ns: int
    taps: TapCounters
    buffers: Budget
    directory: Directory
    link_heartbeats: dict[str, int]
    lost_at_join: int
    unknown_field_bytes: int

    def message(self, message: RaftMessage) -> None:
        """One decoded message."""

    def event(self, kind: str, channel: Channel, text: str, packet: int) -> None:
        """Something that is not a message but worth knowing: a stream opened, a peer refused."""

    def channel(self, name: str, flow: Flow, codec: str) -> Channel:
        """A new channel of this codec on this flow."""


class PairTaps(Protocol):
    """Makes the consumers of both directions of one connection."""

    def __call__(self, client: Flow, server: Flow, *, joined: bool) -> tuple[Consumer, Consumer]:
        """The taps of the opener's and of the other direction; ``joined``: the connection's beginning was not seen."""


def never(segment: bytes) -> bool:
    """Of a protocol whose connections cannot be told by a segment from their middle."""
    return False


@dataclass(frozen=True, slots=True)
class Codec:
    """One protocol: one row of the table of codecs.

    ``name`` is in ``Channel.system`` and in the column ``system`` of a message record; ``summary`` is one line.

    ``begins(start, from_start)`` looks at the first bytes of one direction (at least 8 where ``from_start``, the
    connection's beginning) or of a segment from the middle: True, they are this protocol's; False, they are not; None,
    more bytes are needed (at most ``MAX_SNIFFED`` are shown). Codecs are asked in the table's order. ``joins(segment)``
    is asked where no beginning told anything: whether a segment from the middle shows the protocol anywhere in it.

    ``taps(output)`` is called once a capture and gives what makes the taps of each connection; what the connections of
    one capture share lives there.

    ``systems`` are patterns (as of file names) of the ``name`` of adapters whose nodes speak it. ``editable`` says
    that its bytes are etcd's peer protocol, which message rules and triggers can read and edit as it passes; of any
    other ``why_not`` says why it cannot, as the second half of a sentence. ``ordered`` are the channels' names on which
    all messages of a sender stand in one stream, so that terms and commits may not go back. ``answers_bear_own_term``
    is False if an answer may carry the term from before it: then its term proves nothing (``one_vote``,
    ``no_stale_append``). ``deviations`` are sentences: what the protocol may do that Raft as published does not, so
    that nobody takes it for a violation.


    ``unit(data)``, where there is one, lets rules act on single messages by splicing: it gives the size of the first
    unit of a stream (a message with its framing), or None if more bytes are needed to know it, and raises Malformed.
    A unit must be one that can be taken out or repeated without the others noticing, unless the fields below say more:

    - ``unit_begins(segment)``: whether a segment from the middle begins with a unit (else ``begins`` is asked)
    - ``refuses``: by the word of an action on messages, why it is impossible, as the second half of a sentence
    - ``in_order``: units may not overtake each other: one that is delayed or held holds back all behind it
    - ``instead_of(unit)``: what the receiver gets in the place of a unit that is lost, where it must get something;
      None for a unit that cannot be lost
    - ``forge(kind, fields, like)``, for the kinds in ``forges``: a unit that no node wrote; ``fields`` are term, index,
      log_term, commit and reject, ``like`` is the last unit of that stream. Raises Malformed for what cannot be made
    - ``forged_after(kind, unit)``: whether ``forge`` can make this kind after this unit; any, unless it is given
    """

    name: str
    summary: str
    begins: Callable[[bytes, bool], bool | None]
    taps: Callable[[Output], PairTaps]
    joins: Callable[[bytes], bool] = never
    systems: tuple[str, ...] = ()
    editable: bool = False
    why_not: str = ""
    ordered: frozenset[str] = frozenset()
    answers_bear_own_term: bool = True
    deviations: tuple[str, ...] = ()
    unit: Callable[[bytes | bytearray], int | None] | None = None
    unit_begins: Callable[[bytes], bool] | None = None
    refuses: Mapping[str, str] = field(default_factory=dict)
    in_order: bool = False
    instead_of: Callable[[bytes], bytes | None] | None = None
    forge: Callable[[str, Mapping[str, int], bytes], bytes] | None = None
    forges: frozenset[str] = frozenset()
    forged_after: Callable[[str, bytes], bool] | None = None

    def can_forge(self, kind: str, unit: bytes) -> bool:
        """Whether a message of this kind can be made after this unit of the stream; not before there was any."""
        return bool(unit) and (self.forged_after is None or self.forged_after(kind, unit))

    def speaks(self, system: str) -> bool:
        """Whether the nodes of the adapter of this name speak it."""
        return system == self.name or any(fnmatchcase(system, pattern) for pattern in self.systems)
