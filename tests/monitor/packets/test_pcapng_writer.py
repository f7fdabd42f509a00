import subprocess

from raftmon.monitor.packets.pcapng_writer import PcapngWriter

PING = bytes.fromhex("450000200001000040016b830a4d01020a4d02020800f7ff0000000061626364")


def fields(path, *names):
    options = [part for name in names for part in ("-e", name)]
    found = subprocess.run(["tshark", "-r", path, "-T", "fields", *options], capture_output=True, text=True, check=True)
    return [tuple(line.split("\t")) for line in found.stdout.splitlines()]


def test_tshark_reads_interfaces_times_and_comments(tmp_path):
    writer = PcapngWriter(["n1->n2", "n2->n1"], 1_700_000_000_000_000_000, "raftmon")
    path = tmp_path / "a.pcapng"
    blocks = [
        writer.packet(0, 123_456_789, PING),
        writer.packet(1, 223_456_789, PING, "drop 10% – cut"),
        writer.packet(1, 323_456_789, PING + b"x" * 3, "x"),
    ]
    path.write_bytes(writer.header + b"".join(blocks))
    assert fields(path, "frame.interface_name", "frame.time_epoch", "frame.len", "frame.comment") == [
        ("n1->n2", "1700000000.123456789", "32", ""),
        ("n2->n1", "1700000000.223456789", "32", "drop 10% – cut"),
        ("n2->n1", "1700000000.323456789", "35", "x"),
    ]


def test_interfaces_may_come_later(tmp_path):
    writer = PcapngWriter(["a"], 0, "raftmon")
    path = tmp_path / "a.pcapng"
    path.write_bytes(writer.header + writer.packet(0, 1, PING) + writer.interface("b") + writer.packet(1, 2, PING))
    assert fields(path, "frame.interface_name") == [("a",), ("b",)]


def test_an_overlong_comment_is_cut_to_what_an_option_holds(tmp_path):
    writer = PcapngWriter(["a"], 0, "raftmon")
    path = tmp_path / "a.pcapng"
    path.write_bytes(writer.header + writer.packet(0, 1, PING, "y" * 70_000) + writer.packet(0, 2, PING))
    assert len(fields(path, "frame.number")) == 2
