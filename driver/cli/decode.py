"""``raftmon decode``: decode the Raft messages of a capture."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import orjson

from raftmon.driver.cli.arguments import CommandParser
from raftmon.driver.cli.message_source import add_capture_options, names_of_run
from raftmon.driver.cli.progress import progress
from raftmon.driver.cli.standard_input import is_stream, name_of_input, spooled_input
from raftmon.monitor.packets.capture_reader import CaptureNotes
from raftmon.monitor.raft.codecs.table import BUILT_IN, all_codecs
from raftmon.monitor.recorder.message_sink import decode_capture
from raftmon.setup.errors import InputError

__all__ = ["main", "parser"]


def parser() -> CommandParser:
    """The options of ``raftmon decode``."""
    made = CommandParser(
        "decode",
        f"Decode the Raft messages of a capture ({', '.join(c.name for c in BUILT_IN)}) into a messages.sqlite.",
        "raftmon decode capture.pcapng -o messages.sqlite\nraftmon messages messages.sqlite --stats",
    )
    made.add_argument(
        "file", type=Path, metavar="FILE", help="a pcap or pcapng file, packed or not; - is standard input"
    )
    made.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help="the record to write (default: NAME.messages.sqlite beside NAME.pcapng)",
    )
    add_capture_options(made)
    made.add_argument("--json", action="store_true", help="print the result as JSON")
    return made


def default_target(capture: Path) -> Path:
    """The record beside a capture, named after it: two captures in one folder have two."""
    name = capture.name
    for suffix in (".gz", ".zst", ".lz4", ".pcapng", ".pcap", ".cap"):
        name = name.removesuffix(suffix)
    return capture.with_name(f"{name or capture.name}.messages.sqlite")


def main(arguments: argparse.Namespace) -> int:
    """Decode and say what was found; 1 where an invariant is broken."""
    if arguments.output is None and is_stream(arguments.file):
        raise InputError(f"give -o FILE: where to write the record of {name_of_input(arguments.file)}")
    target = arguments.output or default_target(arguments.file)
    begin = time.perf_counter()
    notes = CaptureNotes()
    with spooled_input(arguments.file) as path, progress(f"decoding {name_of_input(arguments.file)}", notes.share):
        names, codecs = names_of_run(path.parent), all_codecs(arguments.codec)
        result = decode_capture(path, target, names, ports=arguments.port, codecs=codecs, notes=notes)
    seconds = time.perf_counter() - begin
    if arguments.json:
        result |= {"output": str(target), "seconds": round(seconds, 3)}
        print(orjson.dumps(result, option=orjson.OPT_INDENT_2).decode())
    else:
        rate = result["messages"] / seconds if seconds else 0
        print(f"{result['messages']:,} messages from {result['packets']:,} packets in {seconds:.2f} s ({rate:,.0f}/s)")
        print(
            f"unparsed {result['unparsed_bytes']:,} B, skipped before synchronising {result['skipped_bytes']:,} B, "
            f"holes {result['hole_bytes']:,} B, not Raft {result['foreign_bytes']:,} B"
        )
        if arguments.port is not None:
            print(f"ignored (other ports): {result['left_out_bytes']:,} B")
        broken = {name: found["broken"] for name, found in result["invariants"].items() if found["broken"]}
        print("invariants: " + (", ".join(f"{name} broken {n} times" for name, n in broken.items()) or "none broken"))
        for note in result["notes"]:
            print(f"note: {note}")
        if not result["messages"]:
            print(f"note: no Raft message was found in {name_of_input(arguments.file)}")
        print(f"written to {target}")
    return 1 if result["violations"] else 0
