"""nats-server's Raft groups (2.9 to 2.15), from its route connections (server/raft.go; text with sized payloads).

From 2.10 on routes are pooled, and one is dedicated to the system account: its lines name no account. Payloads are the
same, but that an append ends in a varint more in newer versions.

Every stream, consumer and ``_meta_`` is its own Raft group; ``RaftMessage.group`` names it. Replies go to an inbox
subject, so the group of a reply is the one whose request named that inbox. A server is known by the first 8 characters
of a hash of its name.
"""

from __future__ import annotations

import re
import struct
from collections import OrderedDict
from typing import Any

from raftmon.monitor.packets.tcp_table import Consumer, Flow
from raftmon.monitor.raft.codecs.base import Codec, Output, PairTaps
from raftmon.monitor.raft.codecs.framing import MORE, FramedTap, Malformed
from raftmon.monitor.raft.codecs.nats_forge import FORGED, forge, forged_after
from raftmon.monitor.raft.codecs.nats_lines import JOIN, SIZED, begins, line_size, peer_hash, read_operations, unit
from raftmon.monitor.raft.message import Entry, RaftMessage

__all__ = ["CODEC", "NatsTap"]

_CODEC = "nats-server"
_MAX_INBOXES = 10_000
_SERVER_NAME = re.compile(rb'"server":\{"name":"([^"\\]{1,200})"').search
_SNAPSHOTS = (1, 6)  # types of entries


class _Shared:
    """What the directions of all routes of one capture know together."""

    def __init__(self) -> None:
        self.inboxes: OrderedDict[bytes, tuple[str, str, int]] = OrderedDict()
        self.names: dict[str, str] = {}

    def remember(self, inbox: bytes, kind: str, group: str, term: int) -> None:
        """What comes to this inbox answers messages of ``group``; the newest one had this term."""
        self.inboxes[inbox] = (kind, group, term)
        self.inboxes.move_to_end(inbox)
        if len(self.inboxes) > _MAX_INBOXES:
            self.inboxes.popitem(last=False)

    def name(self, peer: bytes) -> str:
        text = peer.decode("latin-1")
        return self.names.get(text, text)


class NatsTap(FramedTap):
    """One direction of a route."""

    def __init__(self, out: Output, flow: Flow, shared: _Shared, *, joined: bool) -> None:
        super().__init__(out, out.channel("route", flow, _CODEC), joined=joined)
        self._shared = shared
        self._introduced = joined
        self._dedicated = False

    def start_of(self, data: bytes | bytearray, place: int) -> int:
        """See ``FramedTap``."""
        found = JOIN.search(data, place)
        return -1 if found is None else found.start()

    def end_of(self, data: bytes | bytearray, place: int) -> int:
        """See ``FramedTap``; ``resume`` is the size of a line with its payload, once the line has come."""
        if isinstance(self.resume, int):
            return place + self.resume if len(data) - place >= self.resume else MORE
        size = line_size(data, place)
        if size is None:
            return MORE
        if place + size > len(data):
            self.resume = size
            return MORE
        return place + size

    def take(self, raw: bytes, first: int, mark: int) -> int:
        """See ``FramedTap``."""
        verb, _, rest = raw[: raw.index(b"\r\n")].partition(b" ")
        if verb in SIZED:
            if not raw.endswith(b"\r\n"):
                raise Malformed("a payload that does not end where its line says")
            self._payload(verb, rest.split(), raw, first, mark)
        elif verb == b"INFO":
            self._introduce(rest)
        return 0

    def _payload(self, verb: bytes, words: list[bytes], raw: bytes, first: int, mark: int) -> None:
        """A line with its payload: Raft's, or what a server says of itself from time to time."""
        if words[0].startswith(b"$NRG.") or (self._dedicated and words[0].startswith(b"$SYS.")):
            words.insert(0, b"$SYS")  # the dedicated route of an account leaves its name out
        if len(words) < 3:
            return
        if words[1].startswith(b"$NRG."):
            reply = b""
            if words[2] == b"+" and len(words) > 4:
                reply = words[3]
            elif words[2] != b"|" and len(words) == 4:
                reply = words[2]
            payload = raw[raw.index(b"\r\n") + 2 : -2]
            if verb != b"RMSG" or not self._raft(words[1], reply, payload, raw, first, mark):
                self.out.taps.unparsed += len(raw)
        elif verb == b"RMSG" and words[1].startswith(b"$SYS.SERVER."):
            said = _SERVER_NAME(raw)
            if said is not None:
                self._call(said[1].decode("utf-8", "replace"))

    def _introduce(self, info: bytes) -> None:
        if not self._introduced and b'"route_account":"' in info:
            self._dedicated = self.peer._dedicated = True
        found = re.search(rb'"server_name":"([^"\\]{1,200})"', info)
        if found is not None:
            name = found[1].decode("utf-8", "replace")
            self._call(name)
            if not self._introduced:  # later ones pass on what other servers said of themselves
                self._introduced = True
                self._speaks(name)

    def _call(self, name: str) -> None:
        """A server of this name is part of the cluster: its hash is known from now on."""
        peer = peer_hash(name)
        if peer not in self._shared.names and len(self._shared.names) < 4096:
            self._shared.names[peer] = name
            self.out.directory.renamed[peer] = name

    def _speaks(self, name: str) -> None:
        self.channel.source = self.peer.channel.target = name

    def _raft(self, subject: bytes, reply: bytes, payload: bytes, raw: bytes, first: int, mark: int) -> bool:
        words = subject.split(b".", 2)
        kind, group = words[1].decode("latin-1"), words[-1].decode("latin-1")
        asked_term, stored = 0, False
        if kind in ("R", "CR"):
            asked = self._shared.inboxes.get(subject)
            if asked is None:
                return self._joined_reply(payload)
            kind, group, asked_term = asked
            stored = kind == "AE"
        message: RaftMessage | None
        if kind == "V" and len(payload) == 32:
            message = self._vote(payload, group, first, mark, raw)
            self._shared.remember(reply, "VR", group, message.term)
        elif kind == "VR" and len(payload) == 17:
            term, peer, granted = struct.unpack("<Q8sB", payload)
            message = self._make("MsgVoteResp", self._shared.name(peer), group, term, first, mark, raw)
            message.reject = not granted
            if term == asked_term:  # older versions answer with the term that the voter had before
                message.extra = {"vote_term": term}
        elif kind == "AE" and len(payload) >= 42:
            message = self._append(payload, group, first, mark, raw, stored=stored)
            if message is not None and stored:
                message.term = asked_term
            if reply and message is not None:
                self._shared.remember(reply, "AER", group, message.term)
        elif kind == "AER" and len(payload) == 25:
            if reply:
                self._shared.remember(reply, "AE", group, asked_term)
            term, index, peer, okay = struct.unpack("<QQ8sB", payload)
            message = self._make("MsgAppResp", self._shared.name(peer), group, term, first, mark, raw)
            message.index, message.reject = index, not okay
        elif kind in ("P", "RP"):
            message = self._make("MsgProp", self.channel.source, group, 0, first, mark, raw)
            message.entries = (Entry(0, 0, payload, 0 if kind == "P" else 4, read_operations),)
        else:
            return False
        if message is not None:
            self.out.message(message)
        return message is not None

    def _joined_reply(self, payload: bytes) -> bool:
        """A reply to a request that the capture does not have: its group cannot be known, so it is no message."""
        if len(payload) in (17, 25) or len(payload) >= 42:
            self.out.lost_at_join += 1
            return True
        return False

    def _vote(self, payload: bytes, group: str, first: int, mark: int, raw: bytes) -> RaftMessage:
        term, last_term, last_index, candidate = struct.unpack("<QQQ8s", payload)
        message = self._make("MsgVote", self._shared.name(candidate), group, term, first, mark, raw)
        message.log_term, message.index = last_term, last_index
        return message

    def _append(
        self, payload: bytes, group: str, first: int, mark: int, raw: bytes, *, stored: bool
    ) -> RaftMessage | None:
        """An append. One that is sent to catch up (``stored``) is the leader's copy of what the leader of then sent: it
        bears that one's name, term and commit, and says nothing of the sender's. To a follower that lacks what was
        compacted the leader sends its snapshot the same way (raft.go, sendSnapshotToFollower): that is a MsgSnap.
        """
        leader, term, commit, previous_term, previous_index, count = struct.unpack_from("<8sQQQQH", payload)
        entries = []
        place = 42
        for _ in range(count):
            if place + 5 > len(payload):
                return None
            size = int.from_bytes(payload[place : place + 4], "little")
            stop = place + 4 + size
            if size < 1 or stop > len(payload):
                return None
            # All of one append entry share one place in the log.
            entries.append(
                Entry(term, previous_index + 1, payload[place + 5 : stop], payload[place + 4], read_operations)
            )
            place = stop
        extra = self._after_entries(payload, place)
        kind = "MsgApp" if count else "MsgHeartbeat"
        said = self._shared.name(leader)
        installs = stored and any(entry.type in _SNAPSHOTS for entry in entries)
        if installs:  # a snapshot up to the previous entry: what it holds has no place of its own in the log
            kind = "MsgSnap"
            entries = [Entry(0, 0, entry.data, entry.type, entry.reader) for entry in entries]
        if stored:
            extra = {**(extra or {}), "stored": True, "stored_term": term}
        message = self._make(kind, self.channel.source if stored else said, group, term, first, mark, raw)
        message.log_term, message.index, message.commit = previous_term, previous_index, commit
        message.entries, message.extra = tuple(entries), extra
        if installs:
            message.snapshot_term, message.snapshot_index = previous_term, previous_index
        return message

    def _after_entries(self, payload: bytes, place: int) -> dict[str, Any] | None:
        """A varint that newer versions append (the term of what is caught up with); anything else is counted."""
        if place == len(payload):
            return None
        value = 0
        for shift, byte in enumerate(payload[place : place + 10]):
            value |= (byte & 0x7F) << 7 * shift
            if byte < 0x80:
                self.out.unknown_field_bytes += len(payload) - place - shift - 1
                return {"catchup_term": value}
        self.out.unknown_field_bytes += len(payload) - place
        return None

    def _make(
        self, kind: str, source: str | None, group: str, term: int, first: int, mark: int, raw: bytes
    ) -> RaftMessage:
        if source is not None and source != self.channel.source:
            self._speaks(source)  # routes are one hop: who a message is from is who sends here
        return RaftMessage(
            self.out.now_ns, kind, source, self.channel.target, term, 0, 0, 0, (), False, 0, b"", self.channel, first,
            mark, len(raw), raw, group,
        )  # fmt: skip


def _taps(out: Output) -> PairTaps:
    shared = _Shared()

    def pair(client: Flow, server: Flow, *, joined: bool) -> tuple[Consumer, Consumer]:
        one, two = NatsTap(out, client, shared, joined=joined), NatsTap(out, server, shared, joined=joined)
        one.peer, two.peer = two, one
        return one, two

    return pair


CODEC = Codec(
    _CODEC,
    "nats-server 2.9 to 2.15: the Raft groups of JetStream on route connections",
    begins,
    _taps,
    systems=("nats",),
    why_not="nats-server's messages are cut out of their streams, not changed in place",
    unit=unit,
    forge=forge,
    forges=frozenset(FORGED),
    forged_after=forged_after,
    ordered=frozenset({"route"}),
    answers_bear_own_term=False,
    deviations=(
        "an answer may bear the term that its sender had before",
        "an append that is sent to catch up bears the term and the commit of when it was first sent",
    ),
)
