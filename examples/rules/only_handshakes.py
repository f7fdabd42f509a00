"""Record only how connections begin and end: packets.pcapng stays small however long the run is."""

from raftmon.rules import mirror, unrecorded


def packet(view):
    if view.syn or view.fin or view.rst:
        return mirror()
    return unrecorded()
