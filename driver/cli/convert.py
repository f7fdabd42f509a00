"""``raftmon convert``: rewrite a history in another format."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from raftmon.driver.cli.arguments import CommandParser
from raftmon.driver.histories import FORMATS, WRITERS, read_history, write_history

__all__ = ["main", "parser"]


def parser() -> CommandParser:
    """The options of ``raftmon convert``."""
    made = CommandParser(
        "convert",
        "Rewrite a history in another format, by the ending of the new name (.jsonl, .edn, .log, .txt; .gz packs it).",
        "raftmon convert history.edn history.jsonl.gz",
    )
    made.add_argument("source", type=Path, metavar="IN", help="a history, or a run's folder")
    made.add_argument("target", type=Path, metavar="OUT", help="the file to write")
    made.add_argument("--format", default="auto", metavar="NAME", help=f"of IN: auto, {', '.join(FORMATS)}")
    made.add_argument("--to", default="auto", metavar="NAME", help=f"of OUT: auto, {', '.join(WRITERS)}")
    return made


def main(arguments: argparse.Namespace) -> int:
    """Convert, and say what was wrong with the original."""
    history = read_history(arguments.source, arguments.format)
    written = write_history(history, arguments.target, arguments.to)
    for problem in history.problems:
        print(f"raftmon convert: {arguments.source}: {problem}", file=sys.stderr)
    print(f"{len(history)} operations, {history.meta.format} to {written}: {arguments.target}")
    return 0
