"""Flip one byte in the middle of one large message in fifty, with a right checksum: does the system notice?

TCP will not: what arrives looks sound. Lengths stay, so that the stream goes on.
"""

from raftmon.rules import rewrite


class FlipAByte:
    match = "payload > 200"

    def configure(self, context):
        self.random = context.random

    def packet(self, view):
        if self.random.random() < 0.02:
            payload = bytearray(view.payload)
            payload[len(payload) // 2] ^= 0xFF
            return rewrite(payload)
