"""``raftmon clean``: remove recorded runs."""

from __future__ import annotations

import argparse

from raftmon.driver.cli.arguments import CommandParser
from raftmon.driver.run_folder import remove_runs
from raftmon.setup.errors import InputError

__all__ = ["main", "parser"]


def parser() -> CommandParser:
    """The options of ``raftmon clean``."""
    made = CommandParser(
        "clean",
        "Remove recorded runs from the store, oldest first. Server binaries and everything else stay.",
        "raftmon clean --keep 3",
    )
    made.add_store()
    made.add_argument("--keep", type=int, default=0, metavar="N", help="keep the newest N runs (default: 0)")
    return made


def main(arguments: argparse.Namespace) -> int:
    """Remove them and say how many."""
    if arguments.keep < 0:
        raise InputError(f"--keep is {arguments.keep}: give 0 or more")
    try:
        count = remove_runs(arguments.store, arguments.keep)
    except OSError as error:
        raise InputError(f"the store {arguments.store} could not be cleaned ({error}): remove it by hand") from error
    print(f"removed {count} run{'' if count == 1 else 's'} from {arguments.store}")
    return 0
