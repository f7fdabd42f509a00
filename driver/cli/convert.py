"""``raftmon convert``: rewrite a history in another format."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from raftmon.driver.cli.arguments import CommandParser
from raftmon.driver.cli.progress import progress
from raftmon.driver.cli.standard_input import name_of_input, spooled_input
from raftmon.driver.histories.formats import FORMATS, Reading, read_history
from raftmon.driver.histories.writers import WRITERS, write_history

__all__ = ["main", "parser"]


def parser() -> CommandParser:
    """The options of ``raftmon convert``."""
    made = CommandParser(
        "convert",
        "Convert a history; the extension of OUT sets the format (.jsonl, .edn, .log, .txt; add .gz to compress).",
        "raftmon convert history.edn history.jsonl.gz\nzstdcat history.edn.zst | raftmon convert - history.jsonl",
    )
    made.add_argument("source", type=Path, metavar="IN", help="a history, or a run's folder; - is standard input")
    made.add_argument("target", type=Path, metavar="OUT", help="the file to write")
    made.add_argument("--format", default="auto", metavar="NAME", help=f"of IN: auto, {', '.join(FORMATS)}")
    made.add_argument("--to", default="auto", metavar="NAME", help=f"of OUT: auto, {', '.join(WRITERS)}")
    return made


def main(arguments: argparse.Namespace) -> int:
    """Convert, and say what was wrong with the original."""
    reading = Reading()
    with spooled_input(arguments.source) as path, progress(f"reading {name_of_input(arguments.source)}", reading.share):
        history = read_history(path, arguments.format, reading)
    written = write_history(history, arguments.target, arguments.to)
    for problem in history.problems:
        print(f"raftmon convert: {name_of_input(arguments.source)}: {problem}", file=sys.stderr)
    print(f"{len(history)} operations, {history.meta.format} to {written}: {arguments.target}")
    return 0
