"""Internet checksums (RFC 1071) and packets put together again after their payload has changed."""

from __future__ import annotations

from raftmon.monitor.packets.view import ICMP, ICMPV6, TCP, UDP, PacketView

__all__ = ["internet_checksum", "repaired", "transport_sum_is_valid", "with_payload"]

_CHECKSUM_AT = {TCP: 16, UDP: 6, ICMP: 2, ICMPV6: 2}  # where in the transport header it lies


def internet_checksum(data: bytes) -> int:
    """The ones' complement of the ones' complement sum of 16-bit words; an odd last byte is padded with zero."""
    if len(data) & 1:
        data += b"\0"
    # 2**16 leaves 1 when divided by 0xFFFF, so the whole as one big number leaves what the sum of its words leaves.
    total = int.from_bytes(data, "big")
    rest = total % 0xFFFF
    return 0xFFFF - (rest or (0xFFFF if total else 0))


def _pseudo_header(data: bytes, version: int, protocol: int, length: int) -> bytes:
    """RFC 9293 section 3.1 and RFC 8200 section 8.1; ICMP for IPv4 has none."""
    if version == 6:
        return data[8:40] + length.to_bytes(4, "big") + bytes((0, 0, 0, protocol))
    return b"" if protocol == ICMP else data[12:20] + bytes((0, protocol)) + length.to_bytes(2, "big")


def _whole_transport(view: PacketView) -> bool:
    return not (view.malformed or view.is_fragment) and view.protocol in _CHECKSUM_AT


def transport_sum_is_valid(data: bytes) -> bool | None:
    """Whether the transport checksum fits; None if there is none to check (fragments, unknown protocols)."""
    view = PacketView(data)
    if not _whole_transport(view):
        return None
    start, protocol = view.transport_offset, view.protocol or 0
    if protocol == UDP and data[start + 6 : start + 8] == b"\0\0":
        return None
    pseudo = _pseudo_header(data, view.version or 4, protocol, view.end - start)
    return internet_checksum(pseudo + data[start : view.end]) == 0


def repaired(data: bytes) -> bytes:
    """The packet with its IPv4 header checksum and its transport checksum put right.

    A UDP checksum of zero (none) stays; the transport of a fragment or of a malformed packet is left alone.
    """
    view = PacketView(data)
    out = bytearray(data)
    header = (data[0] & 15) * 4 if data else 0
    if view.version == 4 and 20 <= header <= view.end:
        out[10:12] = b"\0\0"
        out[10:12] = internet_checksum(bytes(out[:header])).to_bytes(2, "big")
    if _whole_transport(view):
        start, protocol = view.transport_offset, view.protocol or 0
        at = start + _CHECKSUM_AT[protocol]
        if protocol != UDP or out[at : at + 2] != b"\0\0":
            out[at : at + 2] = b"\0\0"
            pseudo = _pseudo_header(data, view.version or 4, protocol, view.end - start)
            value = internet_checksum(pseudo + bytes(out[start : view.end]))
            if protocol == UDP and value == 0:  # RFC 768: zero would say "none"
                value = 0xFFFF
            out[at : at + 2] = value.to_bytes(2, "big")
    return bytes(out)


def with_payload(data: bytes, payload: bytes) -> bytes:
    """The packet carrying ``payload`` instead, its lengths and checksums repaired; padding behind it is cut off.

    Fragments and malformed packets come back as they are. Raises ValueError if the packet would pass 65,535 bytes.
    """
    view = PacketView(data)
    if view.malformed or view.is_fragment or view.version is None:
        return data
    out = bytearray(data[: view.payload_offset]) + payload
    length = len(out) if view.version == 4 else len(out) - 40
    if length > 0xFFFF:
        raise ValueError(f"a payload of {len(payload)} bytes makes an IP packet of more than 65535 bytes")
    at = 2 if view.version == 4 else 4
    out[at : at + 2] = length.to_bytes(2, "big")
    if view.protocol == UDP:
        start = view.transport_offset
        out[start + 4 : start + 6] = (len(out) - start).to_bytes(2, "big")
    return repaired(bytes(out))
