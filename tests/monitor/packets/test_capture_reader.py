"""Captures of any kind are read down to their IP packets."""

from __future__ import annotations

import gzip
import os
import struct
from pathlib import Path

import pytest

from raftmon.monitor.packets.capture_reader import CaptureNotes, is_capture, read_capture
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
        (1, bytes(12) + b"\x91\0\0\5\x81\0\0\6\x08\0"),
        (1, bytes(12) + b"\x88\x64" + bytes(6) + b"\0\x21"),
        (9, b"\xff\x03\0\x21"),
        (239, b"\2\0\0\0" + b"\x08\0\x01\0abcd" + b"\x19\0\x09\0"),
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


def _udp(port: int, body: bytes) -> bytes:
    size = 28 + len(body)
    return (
        struct.pack(">BBHHHBBH8x", 0x45, 0, size, 0, 0, 64, 17, 0) + struct.pack(">HHHH", 9, port, size - 20, 0) + body
    )


ETHERNET = bytes(12) + b"\x08\0" + IP


@pytest.mark.parametrize(
    "packet",
    [
        _udp(4789, b"\x08" + bytes(7) + ETHERNET),
        _udp(6081, b"\x01\0\x65\x58" + bytes(4) + bytes(4) + ETHERNET),
        struct.pack(">BBHHHBBH8x", 0x45, 0, 66, 0, 0, 64, 47, 0) + b"\x20\0\x08\0" + bytes(4) + IP,
        _udp(4789, b"\x08" + bytes(7) + bytes(12) + b"\x08\0" + _udp(4789, b"\x08" + bytes(7) + ETHERNET)),
    ],
    ids=["vxlan", "geneve", "gre", "vxlan in vxlan"],
)
def test_a_packet_in_a_tunnel_is_taken_out_and_counted(tmp_path: Path, packet: bytes) -> None:
    path = tmp_path / "a.pcap"
    path.write_bytes(_pcap(101, [packet, IP]))
    notes = CaptureNotes()
    assert [one.data for one in read_capture(path, notes)] == [IP, IP]
    assert notes.tunnelled == 1
    assert "tunnel" in notes.sentences()[0]


@pytest.mark.parametrize("packed", [False, True])
def test_how_much_of_the_file_has_been_read_is_known_meanwhile(tmp_path: Path, packed: bool) -> None:
    plain = _pcap(101, [IP + os.urandom(40_000) for _ in range(200)])
    path = tmp_path / "a.pcap"
    path.write_bytes(gzip.compress(plain, 1) if packed else plain)
    notes = CaptureNotes()
    assert notes.share() is None
    shares = [notes.share() for _ in read_capture(path, notes)]
    assert shares == sorted(shares)
    assert 0 < shares[0] < 0.9 < shares[-1] <= 1
    assert packed or notes.share() is None


@pytest.mark.parametrize("name", ["zstd", "lz4"])
def test_a_packed_capture_is_read(tmp_path: Path, name: str) -> None:
    import lz4.frame
    import zstandard

    pack = {"zstd": zstandard.ZstdCompressor().compress, "lz4": lz4.frame.compress}[name]
    path = tmp_path / "a.pcap"
    path.write_bytes(pack(_pcap(101, [IP, IP])))
    assert is_capture(path)
    assert [one.data for one in read_capture(path)] == [IP, IP]
    whole = path.read_bytes()
    for size in range(4, len(whole)):
        path.write_bytes(whole[:size])
        try:
            assert all(one.data == IP for one in read_capture(path))
        except InputError:
            continue


def _block(kind: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    size = len(body) + 12
    return struct.pack("<II", kind, size) + body + struct.pack("<I", size)


SECTION = _block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))


def test_one_interface_that_cannot_be_read_refuses_no_other(tmp_path: Path) -> None:
    path = tmp_path / "a.pcapng"
    blocks = [SECTION, _block(1, struct.pack("<HHI", 220, 0, 0)), _block(1, struct.pack("<HHI", 101, 0, 0))]
    blocks += [_block(6, struct.pack("<IIIII", which, 0, 0, len(IP), len(IP)) + IP) for which in (0, 1, 0)]
    path.write_bytes(b"".join(blocks))
    notes = CaptureNotes()
    assert [one.data for one in read_capture(path, notes)] == [b"", IP, b""]
    assert notes.sentences() == ["2 packets of an interface of link type 220, which cannot be read"]


def test_obsolete_packet_blocks_are_packets(tmp_path: Path) -> None:
    path = tmp_path / "a.pcapng"
    packet = _block(2, struct.pack("<HHIIII", 0, 0, 0, 7, len(IP), len(IP)) + IP)
    path.write_bytes(SECTION + _block(1, struct.pack("<HHI", 101, 0, 0)) + packet)
    assert [(one.data, one.time_ns) for one in read_capture(path)] == [(IP, 7000)]


def test_a_simple_packet_block_without_a_packet_is_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "a.pcapng"
    path.write_bytes(SECTION + _block(1, struct.pack("<HHI", 101, 0, 0)) + struct.pack("<III", 3, 12, 12))
    assert list(read_capture(path, notes := CaptureNotes())) == []
    assert "ended early" in notes.sentences()[-1]


def test_cut_packets_and_absurd_lengths_are_told(tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    head = b"\xd4\xc3\xb2\xa1" + struct.pack("<HHiIII", 2, 4, 0, 0, 96, 101)
    path.write_bytes(
        head + struct.pack("<IIII", 1, 0, len(IP), 900) + IP + struct.pack("<IIII", 1, 0, 1 << 30, 1 << 30)
    )
    notes = CaptureNotes()
    assert len(list(read_capture(path, notes))) == 1
    assert "snap length" in notes.sentences()[0]
    assert "packet 2 claims" in notes.sentences()[1]
