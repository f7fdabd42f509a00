"""``raftmon runs``: list recorded runs."""

from __future__ import annotations

import argparse

import orjson

from raftmon.driver.cli.arguments import CommandParser
from raftmon.driver.run_list import FIELDS, select_runs

__all__ = ["main", "parser"]


def parser() -> CommandParser:
    """The options of ``raftmon runs``."""
    made = CommandParser(
        "runs",
        "List the recorded runs of a store, oldest first. --where compares fields and joins with and, or, not; its "
        f"fields are {', '.join(FIELDS)}.",
        'raftmon runs\nraftmon runs --where \'verdict = "invalid" and system = "nats"\' --format json',
    )
    made.add_store()
    made.add_argument("--where", metavar="EXPR", help="only runs that match this expression")
    made.add_argument("--format", choices=("table", "json"), default="table", help="default: table")
    return made


def main(arguments: argparse.Namespace) -> int:
    """Print them."""
    found = select_runs(arguments.store, arguments.where)
    if arguments.format == "json":
        print(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode())
        return 0
    for run in found:
        print(f"{run['verdict']:<8} {run['size_mb']:>8.1f} MB  {run['system'] or '?':<12} {run['path']}")
    size_mb = sum(run["size_mb"] for run in found)
    print(f"{len(found)} run{'' if len(found) == 1 else 's'} in {arguments.store}, {size_mb:,.1f} MB")
    return 0
