"""The argument parser of every command: its errors are one sentence and exit status 64."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import NoReturn

from raftmon.setup.errors import EXIT_USAGE, suggestion

__all__ = ["CommandParser"]


class CommandParser(argparse.ArgumentParser):
    """An ArgumentParser with an example under its help and raftmon's exit status for bad arguments.

    ``intermixed`` lets options stand between arguments of which the last may be left out.
    """

    intermixed = False

    def __init__(self, command: str, summary: str, example: str) -> None:
        super().__init__(
            prog=f"raftmon {command}",
            description=summary,
            epilog="example:\n" + "\n".join(f"  {line}" for line in example.strip().splitlines()),
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    def add_run_choice(self) -> None:
        """``--run`` and ``--store``: which recorded run is meant."""
        self.add_argument("--run", metavar="RUN", help="a run's folder or a part of its name (default: the newest)")
        self.add_store()

    def add_store(self) -> None:
        """``--store``."""
        self.add_argument(
            "--store", type=Path, default=Path("store"), metavar="DIR", help="where runs are kept (default: ./store)"
        )

    def error(self, message: str) -> NoReturn:
        """Print what was wrong and leave with 64."""
        words = message.partition("unrecognized arguments: ")[2].split()
        wrong = next((word.partition("=")[0] for word in words if word.startswith("--")), None)
        meant = suggestion(wrong, self._option_string_actions).strip() if wrong else ""
        print(f"{self.prog}: {message}{'; ' + meant if meant else ''}\nsee {self.prog} --help", file=sys.stderr)
        raise SystemExit(EXIT_USAGE)
