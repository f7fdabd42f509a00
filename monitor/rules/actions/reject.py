"""The packets that say no: TCP resets to both ends (RFC 9293 section 3.10.7), ICMP unreachable (RFC 792, RFC 4443)."""

from __future__ import annotations

from collections.abc import Callable

from raftmon.monitor.packets.checksums import repaired
from raftmon.monitor.packets.view import ACK, ICMP, ICMPV6, RST, SYN, TCP, PacketView

__all__ = ["refusals"]

_ECHO = {ICMP: 8, ICMPV6: 128}
_MAX_QUOTE = {4: 548, 6: 1232}  # RFC 1812 section 4.3.2.3; the minimum IPv6 MTU less both headers


def refusals(view: PacketView, present: Callable[[bytes], bytes] | None) -> tuple[bytes, ...]:
    """What to send, in delivery addresses, because ``view`` was refused; empty if nothing may be answered.

    A TCP segment gets a reset to its sender, from the address that was dialled, and one to its target, as from the
    sender. ``present`` turns the latter from arrival to delivery addresses. Anything else gets an ICMP "port
    unreachable" to its sender; but not resets, errors, broadcasts, later fragments and malformed packets.
    """
    if view.malformed or view.version is None:
        return ()
    if view.protocol == TCP and view.flags is not None:
        return _resets(view, present)
    return _unreachable(view)


def _ip(view: PacketView, protocol: int, body: bytes, *, back: bool) -> bytes:
    """An IP packet to the sender (``back``) or to the target of ``view``, checksums repaired."""
    data = view.data
    if view.version == 4:
        ends = data[16:20] + data[12:16] if back else data[12:20]
        total = (20 + len(body)).to_bytes(2, "big")
        head = b"\x45\0" + total + b"\0\0\x40\0" + bytes((64, protocol)) + b"\0\0"
    else:
        ends = data[24:40] + data[8:24] if back else data[8:40]
        head = b"\x60\0\0\0" + len(body).to_bytes(2, "big") + bytes((protocol, 64))
    return repaired(head + ends + body)


def _reset(source_port: int, target_port: int, seq: int, ack: int, flags: int) -> bytes:
    return b"".join(
        (
            source_port.to_bytes(2, "big"),
            target_port.to_bytes(2, "big"),
            (seq & 0xFFFFFFFF).to_bytes(4, "big"),
            (ack & 0xFFFFFFFF).to_bytes(4, "big"),
            bytes((0x50, flags)),
            b"\0" * 6,  # window, checksum, urgent pointer
        )
    )


def _resets(view: PacketView, present: Callable[[bytes], bytes] | None) -> tuple[bytes, ...]:
    flags = view.flags or 0
    if flags & RST:
        return ()
    source, target, seq, ack = view.source_port or 0, view.target_port or 0, view.seq or 0, view.ack or 0
    if flags & ACK:
        back = _reset(target, source, ack, 0, RST)
    else:
        end = seq + view.payload_size + bool(flags & SYN) + view.fin
        back = _reset(target, source, 0, end, RST | ACK)
    out = [_ip(view, TCP, back, back=True)]
    if not (flags & SYN and not flags & ACK):  # a first SYN: the target knows nothing of it yet
        forth = _ip(view, TCP, _reset(source, target, seq, ack, RST | (flags & ACK)), back=False)
        out.append(forth if present is None else present(forth))
    return tuple(out)


def _unreachable(view: PacketView) -> tuple[bytes, ...]:
    data, version, protocol = view.data, view.version or 4, view.protocol or 0
    later_fragment = view.is_fragment and view.source_port is None
    group = data[16] >= 0xE0 if version == 4 else data[24] == 0xFF
    nobody = not any(data[12:16] if version == 4 else data[8:24])
    is_error = protocol in _ECHO and data[view.transport_offset : view.transport_offset + 1] != bytes(
        (_ECHO.get(protocol, 0),)
    )
    if later_fragment or group or nobody or is_error:
        return ()
    quote = data[: min(view.end, _MAX_QUOTE[version])]
    kind = b"\x03\x03" if version == 4 else b"\x01\x04"
    return (_ip(view, ICMP if version == 4 else ICMPV6, kind + b"\0" * 6 + quote, back=True),)
