"""ZooKeeper's leader election, on the election port (QuorumCnxManager.java, FastLeaderElection.java).

Notifications belong to the group ``election``, whose terms are its rounds.
"""

from __future__ import annotations

import struct

from raftmon.monitor.packets.tcp_table import Flow
from raftmon.monitor.raft.codecs.base import Codec, Output, PairTaps
from raftmon.monitor.raft.codecs.framing import MORE, FramedTap, Malformed, pairs
from raftmon.monitor.raft.codecs.zookeeper_servers import WHY_NOT, Servers, buffer_at, servers_of

__all__ = ["ELECTION", "ElectionTap"]

_HELLO = (b"\xff\xff\xff\xff\xff\xff\x00\x00", b"\xff\xff\xff\xff\xff\xff\x00\x01")  # -65536 and -65535
_STATES = ("looking", "following", "leading", "observing")


def _begins(start: bytes, from_start: bool) -> bool:
    """Whether a connection begins with the greeting of the election port."""
    return from_start and start[:8] in _HELLO


class ElectionTap(FramedTap):
    """One direction of a connection on the election port."""

    def __init__(self, out: Output, flow: Flow, servers: Servers, *, dials: bool, joined: bool) -> None:
        super().__init__(out, out.channel("election", flow, "zookeeper-election"), joined=joined)
        self._servers = servers
        self._greets = dials and not joined

    def start_of(self, data: bytes | bytearray, place: int) -> int:
        """See ``FramedTap``: notifications begin where segments do."""
        size = int.from_bytes(data[place : place + 4], "big")
        return place if 28 <= size <= 65_536 and data[place + 4 : place + 7] == b"\0\0\0" else -1

    def end_of(self, data: bytes | bytearray, place: int) -> int:
        """See ``FramedTap``."""
        have = len(data) - place
        if self._greets:
            if have < 20:
                return MORE
            size = int.from_bytes(data[place + 16 : place + 20], "big")
            if size > 4096:
                raise Malformed("no greeting of the election port")
            return place + 20 + size if have >= 20 + size else MORE
        if have < 4:
            return MORE
        size = int.from_bytes(data[place : place + 4], "big")
        if not 28 <= size <= 1 << 20:
            raise Malformed("no notification")
        return place + 4 + size if have >= 4 + size else MORE

    def take(self, raw: bytes, first: int, mark: int) -> int:
        """See ``FramedTap``."""
        if self._greets:
            self._greets = False
            number = int.from_bytes(raw[8:16], "big", signed=True)
            addresses = raw[20:].decode("utf-8", "replace").split("|")
            self._servers.met(number, addresses[0])
            self.channel.source = self.peer.channel.target = self._servers.label(number)
            return 0
        state, leader, zxid, round_, epoch = struct.unpack_from(">iqqqq", raw + bytes(8), 4)
        if not 0 <= state <= 3:
            raise Malformed("a server in no state")
        if len(raw) > 48:
            self._servers.configuration(buffer_at(raw, 44)[0])
        looking = state == 0
        message = self.message("MsgVote" if looking else "MsgNotification", round_ if looking else 0, first, mark, raw)
        message.group = "election"
        message.index = max(0, zxid) if looking else 0
        message.log_term = max(0, zxid) >> 32 if looking else 0
        chosen = self._servers.label(leader)
        message.context = f"{_STATES[state]}, for {chosen}".encode()
        message.extra = {"state": _STATES[state], "leader": chosen, "round": round_, "epoch": epoch, "zxid": zxid}
        self.out.message(message)
        return 0


def _taps(output: Output) -> PairTaps:
    servers = servers_of(output)
    return pairs(output, lambda flow, dials, joined: ElectionTap(output, flow, servers, dials=dials, joined=joined))


ELECTION = Codec(
    name="zookeeper-election",
    summary="ZooKeeper's leader election, on the election port",
    begins=_begins,
    taps=_taps,
    why_not=WHY_NOT,
    deviations=("a server changes its vote as it learns of better candidates, so votes of one round may differ",),
)
