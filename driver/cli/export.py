"""``raftmon export``: a run in other people's formats: Wireshark, Perfetto, CSV, Parquet, OpenTelemetry, one zip."""

from __future__ import annotations

import argparse
import sqlite3
from importlib.resources import files
from pathlib import Path

from raftmon.driver.cli.arguments import CommandParser
from raftmon.driver.cli.message_source import add_message_source, message_source
from raftmon.driver.exports.packed import pack
from raftmon.driver.exports.perfetto import write_perfetto
from raftmon.driver.exports.rows import RunRows
from raftmon.driver.exports.spans import write_jaeger, write_otlp
from raftmon.driver.exports.tables import write_csv, write_parquet
from raftmon.driver.run_folder import find_run
from raftmon.monitor.packets.capture_reader import read_capture
from raftmon.monitor.packets.pcapng_writer import PcapngWriter
from raftmon.setup.errors import InputError

__all__ = ["describe", "main", "parser"]

_MOST_COMMENT = 8000
_BATCH = 1000
_FORMS = ("pcapng", "perfetto", "csv", "parquet", "otlp", "jaeger", "zip", "lua")


def parser() -> CommandParser:
    """The options of ``raftmon export``."""
    made = CommandParser(
        "export",
        "Write a run in other people's formats. --pcapng adds Raft messages as the comment of the packet that "
        "completes them (also of a capture); --perfetto opens in ui.perfetto.dev and chrome://tracing; --csv and "
        "--parquet write operations, messages and events; --otlp and --jaeger write spans of operations; --zip packs "
        "a run for raftmon check; --lua writes a Wireshark plugin that makes fields (raft.kind, raft.term) of the "
        "comments.",
        "raftmon export --pcapng raft.pcapng --lua raft.lua\n"
        "tshark -X lua_script:raft.lua -r raft.pcapng -Y 'raft.kind == \"MsgVote\" and raft.term > 2'\n"
        "raftmon export latest --perfetto\nraftmon export --csv tables/ --otlp spans.json",
    )
    add_message_source(made)
    add = made.add_argument
    add("--pcapng", type=Path, metavar="FILE", help="packets for Wireshark, with Raft messages as comments")
    add(
        "--perfetto",
        type=Path,
        nargs="?",
        const=Path("trace.json"),
        metavar="FILE.json",
        help="a trace: clients, nodes, faults, messages as flows (default: trace.json)",
    )
    add("--most-messages", type=int, default=200_000, metavar="N", help="of --perfetto (default: 200000)")
    add(
        "--csv",
        type=Path,
        nargs="?",
        const=Path("tables"),
        metavar="FOLDER",
        help="operations.csv, messages.csv, events.csv (default: tables)",
    )
    add(
        "--parquet",
        type=Path,
        nargs="?",
        const=Path("tables"),
        metavar="FOLDER",
        help="the same as Parquet (needs raftmon[parquet]; default: tables)",
    )
    add(
        "--otlp",
        type=Path,
        nargs="?",
        const=Path("spans.json"),
        metavar="FILE.json",
        help="OpenTelemetry spans (OTLP JSON; default: spans.json)",
    )
    add(
        "--jaeger",
        type=Path,
        nargs="?",
        const=Path("jaeger.json"),
        metavar="FILE.json",
        help="the same as the JSON that Jaeger's UI opens (default: jaeger.json)",
    )
    add("--zip", type=Path, metavar="FILE.zip", help="the run without node data, for raftmon check")
    add("--lua", type=Path, metavar="FILE.lua", help="a Wireshark plugin that reads the comments of --pcapng")
    return made


def main(arguments: argparse.Namespace) -> int:
    """Write what was asked for."""
    asked = [form for form in _FORMS if getattr(arguments, form) is not None]
    if not asked:
        raise InputError(f"say what to write: {', '.join(f'--{form}' for form in _FORMS)}")
    if arguments.lua is not None:
        _write_lua(arguments.lua)
    if arguments.pcapng is not None:
        _pcapng(arguments)
    if set(asked) - {"lua", "pcapng"}:
        _run(arguments)
    return 0


def _write_lua(target: Path) -> None:
    if target.exists():
        raise InputError(f"{target} exists: name another file")
    target.write_bytes(files("raftmon.driver.exports").joinpath("raft_comments.lua").read_bytes())
    print(f"{target}: put it into Wireshark's plugin folder, or give tshark -X lua_script:{target}")


def _run(arguments: argparse.Namespace) -> None:
    folder = find_run(arguments.source, arguments.store)
    rows = RunRows(folder)
    for form in ("perfetto", "otlp", "jaeger", "zip"):
        target = getattr(arguments, form)
        if target is not None and target.exists():
            raise InputError(f"{target} exists: name another file")
    try:
        if arguments.perfetto is not None:
            events, left_out = write_perfetto(rows, arguments.perfetto, arguments.most_messages)
            more = f"; {left_out:,} messages left out (--most-messages)" if left_out else ""
            print(f"{events:,} events, written to {arguments.perfetto}: open it in ui.perfetto.dev{more}")
        if arguments.otlp is not None:
            print(f"{write_otlp(rows, arguments.otlp):,} spans, written to {arguments.otlp}")
        if arguments.jaeger is not None:
            count = write_jaeger(rows, arguments.jaeger)
            print(f"{count:,} spans, written to {arguments.jaeger}: upload it in Jaeger's UI (Search, Upload)")
        for write, target in ((write_csv, arguments.csv), (write_parquet, arguments.parquet)):
            if target is not None:
                for path, count in write(rows, target).items():
                    print(f"{count:,} rows, written to {path}")
    except OSError as error:
        raise InputError(f"cannot write {error.filename}: {error.strerror}; choose another place") from error
    if arguments.zip is not None:
        count, size = pack(folder, arguments.zip)
        print(f"{count} files, {size / 1e6:,.1f} MB, written to {arguments.zip}: raftmon check reads it anywhere")


def _pcapng(arguments: argparse.Namespace) -> None:
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
