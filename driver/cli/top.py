"""``raftmon top``: a live run at a glance."""

from __future__ import annotations

import argparse
import contextlib
import sqlite3
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.live import Live

from raftmon.driver.cli.arguments import CommandParser
from raftmon.driver.cli.console import NeutralConsole
from raftmon.driver.live.screen import screen
from raftmon.driver.live.view import LiveView, live_view
from raftmon.driver.run_folder import RunFolder, find_run, live_socket
from raftmon.monitor.control.client import MonitorClient
from raftmon.monitor.raft.database.store import open_store
from raftmon.setup.errors import InputError, RaftmonError

__all__ = ["main", "parser"]


def parser() -> CommandParser:
    """The options of ``raftmon top``."""
    made = CommandParser(
        "top",
        "Watch a live run: nodes with roles, terms and indexes as the wire shows them, packets on each link, rules "
        "with counts, votes and other rare messages. Ends with the run, or with Ctrl-C.",
        "raftmon top\nraftmon top --run store/etcd-register/20261125T101010.000000Z --once",
    )
    made.add_run_choice()
    made.add_argument("--interval", type=float, default=1.0, metavar="S", help="seconds between two looks (default: 1)")
    made.add_argument("--once", action="store_true", help="look once and print it")
    return made


def main(arguments: argparse.Namespace) -> int:
    """Watch until the run is over."""
    if not 0.1 <= arguments.interval <= 3600:
        raise InputError(f"--interval is {arguments.interval:g}: give 0.1 to 3600 seconds")
    folder = find_run(arguments.run, arguments.store)
    title = f"{folder.path.parent.name}/{folder.path.name}"
    console = NeutralConsole(highlight=False, width=None if sys.stdout.isatty() else 100)
    with MonitorClient(live_socket(folder), "top") as client:
        looks = _looks(client, folder, arguments.interval)
        if arguments.once:
            console.print(screen(next(looks), title))
            return 0
        with (
            Live(console=console, auto_refresh=False, screen=sys.stdout.isatty()) as live,
            contextlib.suppress(KeyboardInterrupt),
        ):
            for view in looks:
                live.update(screen(view, title), refresh=True)
    return 0


def _looks(client: MonitorClient, folder: RunFolder, interval_s: float) -> Iterator[LiveView]:
    """A view every so often, until the monitor ends."""
    before: dict[str, Any] | None = None
    record: sqlite3.Connection | None = None
    last_s = time.monotonic()
    try:
        while True:
            try:
                stats = client.stats()
            except RaftmonError:
                return  # the run is over
            record = record or _record(folder.path / "messages.sqlite")
            now_s = time.monotonic()
            yield live_view(stats, before, now_s - last_s if before else 0.0, record, time.monotonic_ns())
            before, last_s = stats, now_s
            time.sleep(interval_s)
    finally:
        if record is not None:
            record.close()


def _record(path: Path) -> sqlite3.Connection | None:
    if not path.exists():
        return None
    try:
        return open_store(path)
    except RaftmonError:  # it is being made
        return None
