from collections.abc import Sequence

from raftmon.monitor.raft.decoder import Decoder
from raftmon.monitor.raft.message import RaftMessage

class Packets:
    def __init__(self, decoder: Decoder) -> None: ...
    def packet(self, number: int, time_ns: int, packet: bytes) -> Sequence[RaftMessage] | None: ...
