"""``raftmon export``: a run's packets for Wireshark, each with the Raft messages that it completes as its comment."""

from __future__ import annotations

import argparse
import sqlite3
from pathlib import Path

from raftmon.driver.cli.arguments import CommandParser
from raftmon.driver.cli.message_source import add_message_source, message_source
from raftmon.monitor.packets.capture_reader import read_capture
from raftmon.monitor.packets.pcapng_writer import PcapngWriter
from raftmon.setup.errors import InputError

__all__ = ["main", "parser"]

_MOST_COMMENT = 8000
_BATCH = 1000


def parser() -> CommandParser:
    """The options of ``raftmon export``."""
    made = CommandParser(
        "export",
        "Write the packets of a run or capture as pcapng, and add Raft messages as the comment of the packet "
        "that completes them (Wireshark: column or filter frame.comment).",
        "raftmon export --pcapng raft.pcapng\ntshark -r raft.pcapng -Y 'frame.comment contains \"MsgVote\"'",
    )
    add_message_source(made)
    made.add_argument("--pcapng", type=Path, required=True, metavar="FILE", help="the file to write")
    return made


def main(arguments: argparse.Namespace) -> int:
    """Write it."""
    with message_source(arguments) as source:
        if source.capture is None:
            raise InputError("there are no packets beside this record: name the capture or a run that recorded packets")
        if arguments.pcapng.exists() and arguments.pcapng.samefile(source.capture):
            raise InputError(f"{arguments.pcapng} is the capture itself: write to another file")
        try:
            packets, comments = _write(source.connection, source.capture, arguments.pcapng)
        except OSError as error:
            raise InputError(f"cannot write {arguments.pcapng}: {error.strerror}; choose another place") from error
    print(f"{packets:,} packets, {comments:,} with Raft messages, written to {arguments.pcapng}")
    return 0


def _write(connection: sqlite3.Connection, capture: Path, target: Path) -> tuple[int, int]:
    rows = connection.execute("SELECT * FROM messages ORDER BY last_packet, id")
    row = rows.fetchone()
    writer = PcapngWriter((), 0, "raftmon export")
    interfaces: dict[str, int] = {}
    packets = comments = 0
    with target.open("wb") as file:
        blocks = [writer.header]
        for packet in read_capture(capture):
            parts = [packet.comment] if packet.comment else []
            named = False
            while row is not None and row["last_packet"] <= packet.number:
                if row["last_packet"] == packet.number:
                    parts.append(describe(row))
                    named = True
                row = rows.fetchone()
            if packet.interface not in interfaces:
                interfaces[packet.interface] = len(interfaces)
                blocks.append(writer.interface(packet.interface or "capture"))
            comment = "; ".join(parts)[:_MOST_COMMENT]
            blocks.append(writer.packet(interfaces[packet.interface], packet.time_ns, packet.data, comment))
            packets += 1
            comments += named
            if len(blocks) >= _BATCH:
                file.write(b"".join(blocks))
                blocks.clear()
        file.write(b"".join(blocks))
    return packets, comments


def describe(row: sqlite3.Row) -> str:
    """One message of the record in one line."""
    text = f"{row['kind']} {row['source'] or '?'}->{row['target'] or '?'} term {row['term']} index {row['log_index']}"
    if row["entries"]:
        text += (
            f" entries {row['first_index']}..{row['last_index']}"
            if row["first_index"]
            else f" {row['entries']} entries"
        )
    if row["commit_index"]:
        text += f" commit {row['commit_index']}"
    if row["snapshot_index"]:
        text += f" snapshot {row['snapshot_index']}"
    if row["reject"]:
        text += f" rejected hint {row['reject_hint']}"
    if row["grp"]:
        text += f" group {row['grp']}"
    if row["first_packet"] != row["last_packet"]:
        text += f" (from packet {row['first_packet']})"
    return text
