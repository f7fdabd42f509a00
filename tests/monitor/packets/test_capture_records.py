"""Plain records read by compiled code: the same packets and notes as the interpreted reader gives, in any file."""

import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raftmon.monitor.compiled import COMPILED
from raftmon.monitor.packets import capture_pcapng, capture_reader, captured
from raftmon.monitor.packets.capture_reader import CaptureNotes, read_capture
from raftmon.setup.errors import InputError

pytestmark = pytest.mark.skipif(not COMPILED, reason="nothing was compiled here (RAFTMON_INTERPRETED, or no compiler)")

TCP = b"\x45\x00\x00\x30" + bytes(5) + b"\x06" + bytes(10) + b"payload of tcp"
PACKETS = [TCP, TCP[:9] + b"\x11" + TCP[10:], TCP[:15], b"", b"\x60" + bytes(50), TCP + bytes(900), b"\x0f" * 40]
LINKS = {
    1: b"\x01" * 12 + b"\x08\x00",
    101: b"",
    113: bytes(14) + b"\x08\x00",
    276: bytes(20),
    0: bytes(4),
    9: b"\0\x21",
}

packets = st.lists(
    st.tuples(st.sampled_from(PACKETS), st.integers(0, (1 << 62)), st.booleans(), st.sampled_from(["", "", "drop x"])),
    max_size=12,
)


def pcap(order: str, nanos: bool, link: int, found: list[tuple[bytes, int, bool, str]]) -> bytes:
    made = struct.pack(order + "IHHiIII", 0xA1B23C4D if nanos else 0xA1B2C3D4, 2, 4, 0, 0, 65535, link)
    for data, time, cut, _ in found:
        frame = LINKS[link] + data
        made += struct.pack(order + "IIII", time >> 30 & 0xFFFFFFFF, time & 0x3FFFFFFF, len(frame), len(frame) + cut)
        made += frame
    return made


def pcapng(order: str, ticks: int, link: int, found: list[tuple[bytes, int, bool, str]]) -> bytes:
    def block(kind: int, body: bytes) -> bytes:
        body += bytes(-len(body) % 4)
        size = struct.pack(order + "I", len(body) + 12)
        return struct.pack(order + "I", kind) + size + body + size

    made = block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1))
    made += block(1, struct.pack(order + "HHIHHB3xHHI", link, 0, 0, 9, 1, ticks, 2, 0, 0))
    for data, time, cut, comment in found:
        frame = LINKS[link] + data
        head = struct.pack(order + "IIIII", 0, time >> 32, time & 0xFFFFFFFF, len(frame), len(frame) + cut)
        body = head + frame + bytes(-len(frame) % 4)
        if comment:
            text = comment.encode()
            body += struct.pack(order + "HH", 1, len(text)) + text + bytes(-len(text) % 4) + bytes(4)
        made += block(6, body)
        if cut and not comment:
            made += block(5, bytes(12))
    return made


@settings(max_examples=150, deadline=None)
@given(packets, st.sampled_from("<>"), st.sampled_from(sorted(LINKS)), st.sampled_from([3, 6, 9, 10, 0x8A]),
       st.booleans(), st.integers(0, 3000), st.binary(max_size=3))  # fmt: skip
def test_any_file_gives_the_same_compiled_and_interpreted(
    tmp_path_factory: pytest.TempPathFactory,
    found: list[tuple[bytes, int, bool, str]],
    order: str,
    link: int,
    ticks: int,
    new: bool,
    cut: int,
    damage: bytes,
) -> None:
    data = pcapng(order, ticks, link, found) if new else pcap(order, ticks == 9, link, found)
    if damage:
        place = 30 + cut % max(1, len(data) - 30)
        data = data[:place] + damage + data[place + len(damage) :]
    elif cut < len(data) // 2:
        data = data[: len(data) - cut]
    path = tmp_path_factory.mktemp("capture") / "x.pcap"
    path.write_bytes(data)
    mine = outcome(path)
    with pytest.MonkeyPatch.context() as patch:
        for module in (captured, capture_reader, capture_pcapng):
            patch.setattr(module, "compiled", lambda: None)
        assert outcome(path) == mine


def outcome(path: Path) -> object:
    notes, found = CaptureNotes(), []
    try:
        found += list(read_capture(path, notes))
    except InputError as error:
        return str(error)
    return found, [type(packet) for packet in found], notes
