"""``raftmon clean``: remove recorded runs."""

from __future__ import annotations

import argparse
import sys

from raftmon.driver.cli.arguments import CommandParser
from raftmon.driver.run_folder import RunFolder, list_runs, remove_runs
from raftmon.setup.errors import InputError

__all__ = ["main", "parser"]


def parser() -> CommandParser:
    """The options of ``raftmon clean``."""
    made = CommandParser(
        "clean",
        "Remove recorded runs from the store, oldest first, after listing them. Only folders with "
        "raftmon's mark count as runs; symbolic links are never followed. Live runs, server binaries and all other "
        "files stay.",
        "raftmon clean --keep 3\nraftmon clean --yes",
    )
    made.add_store()
    made.add_argument("--keep", type=int, default=0, metavar="N", help="keep the newest N runs (default: 0)")
    made.add_argument("--yes", action="store_true", help="remove them without asking")
    return made


def main(arguments: argparse.Namespace) -> int:
    """Remove them and say how many."""
    if arguments.keep < 0:
        raise InputError(f"--keep is {arguments.keep}: give 0 or more")
    doomed, live = remove_runs(arguments.store, arguments.keep)
    stored = list(list_runs(arguments.store))
    size_mb = sum(run.size_bytes for run in stored) / 1e6
    print(f"{len(stored)} run{'' if len(stored) == 1 else 's'} in {arguments.store}, {size_mb:,.1f} MB")
    for run in live:
        print(f"kept, since it is live: {_name(run)}")
    if not doomed:
        print(f"nothing to remove in {arguments.store}")
        return 0
    for run in doomed:
        print(f"{run.size_bytes / 1e6:8.1f} MB  {_name(run)}")
    count = len(doomed)
    if not arguments.yes and not _agreed(f"remove {count} run{'' if count == 1 else 's'}? [y/N] "):
        print("nothing was removed (--yes removes without asking)")
        return 0
    try:
        for run in doomed:
            run.remove()
    except OSError as error:
        raise InputError(f"the store {arguments.store} could not be cleaned ({error}): remove it by hand") from error
    print(f"removed {count} run{'' if count == 1 else 's'} from {arguments.store}")
    return 0


def _name(run: RunFolder) -> str:
    return f"{run.path.parent.name}/{run.path.name}"


def _agreed(question: str) -> bool:
    """Ask on a terminal; where there is none nobody agreed."""
    if not sys.stdin.isatty():
        return False
    return input(question).strip().lower() in ("y", "yes")
