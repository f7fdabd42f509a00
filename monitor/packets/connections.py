"""Who opened a connection and when it was first seen: a small bounded table, filled from the packets of one link."""

from __future__ import annotations

from collections.abc import Collection

from raftmon.monitor.packets.view import ACK, SYN, PacketView

__all__ = ["ConnectionTable"]

_LIMIT = 4096
_FIRST_EPHEMERAL = 32768  # Linux's net.ipv4.ip_local_port_range begins here


class ConnectionTable:
    """Implements ``raftmon.monitor.rules.conditions.Connections``.

    The SYN says who dialled, and the SYN+ACK says who did not. For a connection that was open before, the side that
    uses a port of ``listening`` was dialled; failing that, the side whose port is below Linux's ephemeral range, if
    the other's is inside it. At most 4096 connections are remembered; the one heard of first is forgotten first.
    """

    __slots__ = ("_listening", "_seen", "_view", "_view_entry")

    def __init__(self, listening: Collection[int] = ()) -> None:
        self._listening = frozenset(listening)
        self._seen: dict[bytes, tuple[str | None, int]] = {}
        self._view: PacketView | None = None
        self._view_entry: tuple[str | None, int] | None = None

    def _entry(self, view: PacketView) -> tuple[str | None, int] | None:
        if view is self._view:  # several rules ask about the same packet
            return self._view_entry
        entry = self._look_up(view)
        self._view, self._view_entry = view, entry
        return entry

    def observe(self, view: PacketView) -> None:
        """Take note of a packet, whether a rule asks about it or not."""
        self._entry(view)

    def _look_up(self, view: PacketView) -> tuple[str | None, int] | None:
        if view.source_port is None:
            return None
        key = view.flow
        entry = self._seen.get(key)
        if entry is None or (view.flags or 0) & SYN:
            if entry is not None:
                previous_dialler, first_ns = entry
                # A SYN sent again does not make the connection younger; a new one on old ports starts a new one.
                if previous_dialler == self._dialler(view) and view.now_ns - first_ns < 10_000_000_000:
                    return entry
                del self._seen[key]
            elif len(self._seen) >= _LIMIT:
                del self._seen[next(iter(self._seen))]
            entry = self._seen[key] = (self._dialler(view), view.now_ns)
        return entry

    def _dialler(self, view: PacketView) -> str | None:
        flags = view.flags or 0
        if flags & SYN:
            return view.target if flags & ACK else view.source
        source, target = view.source_port or 0, view.target_port or 0
        for known in (
            (source in self._listening, target in self._listening),
            (
                source < _FIRST_EPHEMERAL,
                target < _FIRST_EPHEMERAL,
            ),
        ):
            if known == (True, False):
                return view.target
            if known == (False, True):
                return view.source
        return None

    def dialler(self, view: PacketView) -> str | None:
        """The name of the host that opened the packet's connection, None if nobody knows."""
        entry = self._entry(view)
        return entry[0] if entry is not None else None

    def age_ns(self, view: PacketView) -> int | None:
        """How long ago the connection was first seen on this link; None for packets without ports."""
        entry = self._entry(view)
        return view.now_ns - entry[1] if entry is not None else None
