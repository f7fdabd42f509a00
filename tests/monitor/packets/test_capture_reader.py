"""Captures of any kind are read down to their IP packets."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import pytest

from raftmon.monitor.packets.capture_reader import is_capture, read_capture
from raftmon.monitor.packets.pcapng_writer import PcapngWriter
from raftmon.setup.errors import InputError

IP = b"\x45\0\0\x15" + bytes(16) + b"!"


def _pcap(link: int, frames: list[bytes], magic: bytes = b"\xd4\xc3\xb2\xa1", order: str = "<") -> bytes:
    out = magic + struct.pack(order + "HHiIII", 2, 4, 0, 0, 65535, link)
    for number, frame in enumerate(frames):
        out += struct.pack(order + "IIII", 10, number, len(frame), len(frame)) + frame
    return out


@pytest.mark.parametrize(
    ("link", "head"),
    [
        (0, b"\2\0\0\0"),
        (1, bytes(12) + b"\x08\0"),
        (1, bytes(12) + b"\x81\0\0\5\x08\0"),
        (101, b""),
        (113, bytes(14) + b"\x08\0"),
        (276, b"\x08\0" + bytes(18)),
    ],
)
def test_every_link_type_gives_the_ip_packet(tmp_path: Path, link: int, head: bytes) -> None:
    path = tmp_path / "a.pcap"
    path.write_bytes(_pcap(link, [head + IP, head + IP]))
    packets = list(read_capture(path))
    assert [packet.data for packet in packets] == [IP, IP]
    assert [packet.number for packet in packets] == [1, 2]
    assert packets[1].time_ns == 10_000_001_000


def test_big_endian_nanosecond_and_gzipped(tmp_path: Path) -> None:
    path = tmp_path / "a.pcap.gz"
    path.write_bytes(gzip.compress(_pcap(101, [IP, IP], b"\xa1\xb2\x3c\x4d", ">")))
    assert [packet.time_ns for packet in read_capture(path)] == [10_000_000_000, 10_000_000_001]
    assert is_capture(path)


def test_what_the_recorder_writes_is_read_back(tmp_path: Path) -> None:
    writer = PcapngWriter(["n1->n2", "n2->n1"], 5_000_000_000, "test")
    path = tmp_path / "a.pcapng"
    path.write_bytes(writer.header + writer.packet(1, 17, IP, "dropped") + writer.packet(0, 18, IP))
    first, second = read_capture(path)
    assert (first.data, first.comment, first.interface, first.time_ns) == (IP, "dropped", "n2->n1", 5_000_000_017)
    assert (second.comment, second.interface) == ("", "n1->n2")


@pytest.mark.parametrize("packed", [False, True])
def test_a_file_cut_anywhere_ends_before_the_cut(tmp_path: Path, packed: bool) -> None:
    whole = _pcap(101, [IP] * 3)
    data = gzip.compress(whole) if packed else whole
    path = tmp_path / "cut.pcap"
    for size in range(24 if not packed else 60, len(data)):
        path.write_bytes(data[:size])
        try:
            packets = list(read_capture(path))
        except InputError:
            assert packed, "only a cut gzip file may lose its header"
            continue
        assert len(packets) <= 3
        assert all(packet.data == IP for packet in packets)


def test_what_is_no_capture_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("hello there")
    with pytest.raises(InputError, match=r"notes\.txt is not a capture"):
        list(read_capture(path))
    with pytest.raises(InputError, match="cannot read"):
        list(read_capture(tmp_path / "absent"))
    path.write_bytes(_pcap(147, [IP]))
    with pytest.raises(InputError, match="link type 147"):
        list(read_capture(path))
    assert not is_capture(tmp_path / "absent")
