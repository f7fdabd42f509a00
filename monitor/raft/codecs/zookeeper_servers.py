"""What ZooKeeper's two protocols know together: which server has which number, and Jute's buffers."""

from __future__ import annotations

import re
import struct
from weakref import WeakKeyDictionary

from raftmon.monitor.raft.codecs.base import Output

__all__ = ["WHY_NOT", "Servers", "buffer_at", "servers_of"]

WHY_NOT = "Zab relies on FIFO channels: losing one message of a stream is no fault that it claims to survive"
"""Of both codecs: why single messages cannot be edited."""
_MAX_SERVERS = 4096
_SERVER = re.compile(rb"server\.(\d{1,19})=([^\s;]{1,200}?):(\d{1,5}):(\d{1,5})")


class Servers:
    """Server number -> label, for one capture: from configurations and greetings."""

    def __init__(self, out: Output) -> None:
        self._directory = out.directory  # not the output itself: it is the weak key that finds this object
        self._labels: dict[int, str] = {}

    def met(self, number: int, address: str) -> None:
        """A server of this number is at ``address:port``."""
        if 0 < number < 1 << 63 and address and len(self._labels) < _MAX_SERVERS:
            name = self._directory.party(address)
            self._labels[number] = name
            self._directory.renamed[f"server.{number}"] = name

    def configuration(self, text: bytes) -> None:
        """Lines ``server.N=host:port:port`` of a configuration."""
        for number, host, port, _ in _SERVER.findall(text[:65_536]):
            if int(number) not in self._labels:
                self.met(int(number), f"{host.decode('utf-8', 'replace')}:{int(port)}")

    def label(self, number: int) -> str:
        """What the server of this number is called."""
        return self._labels.get(number) or f"server.{number}"


def buffer_at(data: bytes, at: int) -> tuple[bytes, int]:
    """Jute's buffer at a place, empty if there is none, and the place behind it."""
    if at + 4 > len(data):
        return b"", at
    (size,) = struct.unpack_from(">i", data, at)
    return (data[at + 4 : at + 4 + size], at + 4 + size) if 0 <= size <= len(data) else (b"", at + 4)


_SHARED: WeakKeyDictionary[Output, Servers] = WeakKeyDictionary()


def servers_of(output: Output) -> Servers:
    """What both protocols of one capture know together."""
    return _SHARED.setdefault(output, Servers(output))
