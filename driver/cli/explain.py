"""``raftmon explain``: who is to blame for an invalid run, by three witnesses."""

from __future__ import annotations

import argparse
import sys

import orjson
from rich.console import Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from raftmon.driver.blame.explain import Explanation
from raftmon.driver.cli.arguments import CommandParser
from raftmon.driver.cli.console import NeutralConsole
from raftmon.driver.results.explained import explain_run
from raftmon.driver.run_folder import find_run

__all__ = ["main", "parser"]


def parser() -> CommandParser:
    """The options of ``raftmon explain``."""
    made = CommandParser(
        "explain",
        "Explain the anomalies of a run: what clients were told, what the wire shows and what the nodes store, side by "
        "side, and the cause in one sentence. Exit status: 1 if there is an anomaly, 0 if there is none.",
        "raftmon explain\nraftmon explain store/nats-register/20261125T101010.000000Z --json",
    )
    made.add_argument(
        "run", nargs="?", metavar="RUN", help="a run's folder or a part of its name (default: the newest)"
    )
    made.add_argument(
        "--json", action="store_true", help="print a JSON list: checker, anomaly, blame, clients, wire, nodes"
    )
    made.add_store()
    return made


def main(arguments: argparse.Namespace) -> int:
    """Print an explanation for each anomaly."""
    found = explain_run(find_run(arguments.run, arguments.store))
    if arguments.json:
        print(orjson.dumps([one.to_json() for one in found], option=orjson.OPT_INDENT_2).decode())
    else:
        console = NeutralConsole(highlight=False, width=None if sys.stdout.isatty() else 160)
        for one in found:
            console.print(_shown(one))
        if not found:
            console.print("nothing to explain: no checker says invalid")
    return 1 if found else 0


def _shown(one: Explanation) -> Panel:
    table = Table(box=None, pad_edge=False, header_style="dim", expand=True)
    for name in ("clients were told", "on the wire", "nodes and disks"):
        table.add_column(name, ratio=1, overflow="fold")
    table.add_row(*(Text("\n\n".join(lines)) for lines in (one.clients, one.wire, one.nodes)))
    body = Group(Text(one.anomaly), Text(), table, Text(), Text(f"blame: {one.blame}", style="bold"))
    return Panel(body, title=Text(one.checker), title_align="left")
