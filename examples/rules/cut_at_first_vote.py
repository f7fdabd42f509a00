"""Cut a candidate off from the moment it asks for its first vote: its election must fail and another one must follow.

A vote request is small. In etcd it is the message of type 5, which begins ``08 05 10`` (type, then receiver), in a
packet of 60 to 200 bytes: the size finds it cheaply, the bytes make sure.
"""

from raftmon.rules import drop

VOTE = b"\x08\x05\x10"
candidates = set()


def packet(view):
    if 20 <= view.payload_size <= 160 and VOTE in view.payload:
        candidates.add(view.source)
    if view.source in candidates:
        return drop()
