"""Sends whole IP packets from the router past the queue: copies, delayed copies, forged packets."""

from __future__ import annotations

import contextlib
import socket

from raftmon.monitor.config import INJECT_MARK
from raftmon.setup.errors import RaftmonError

__all__ = ["RawSender"]

"""The firewall mark ("RAFT") of everything sent here, so that an attached monitor's own rules let it pass."""

_SEND_BUFFER_BYTES = 4 << 20


class RawSender:
    """Two raw sockets, IPv4 (with IP_HDRINCL) and IPv6, that never block; RaftmonError if they are forbidden."""

    def __init__(self) -> None:
        try:
            self._v4 = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
            self._v6: socket.socket | None = None
            with contextlib.suppress(OSError):  # a kernel without IPv6
                self._v6 = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW)
        except PermissionError as error:
            raise RaftmonError("raw sockets are forbidden here: the monitor needs CAP_NET_RAW") from error
        for sender in filter(None, (self._v4, self._v6)):
            sender.setblocking(False)
            sender.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
            with contextlib.suppress(PermissionError):  # needed only where locally made packets are queued too
                sender.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, INJECT_MARK)

    def send(self, packet: bytes) -> bool:
        """Send one IP packet in delivery addresses; False if it could not leave (no route, too long, no room)."""
        try:
            if packet[0] >> 4 == 4:
                self._v4.sendto(packet, (socket.inet_ntop(socket.AF_INET, packet[16:20]), 0))
            elif self._v6 is not None:
                self._v6.sendto(packet, (socket.inet_ntop(socket.AF_INET6, packet[24:40]), 0))
            else:
                return False
        except (OSError, ValueError, IndexError):
            return False
        return True

    def close(self) -> None:
        """Close both sockets."""
        for sender in filter(None, (self._v4, self._v6)):
            sender.close()
