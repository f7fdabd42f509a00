"""The argument parser of every command: its errors are one sentence and exit status 64."""

from __future__ import annotations

import argparse
import sys
from typing import NoReturn

from setup.errors import EXIT_USAGE

__all__ = ["CommandParser"]


class CommandParser(argparse.ArgumentParser):
    """An ArgumentParser with an example under its help and raftmon's exit status for bad arguments."""

    def __init__(self, command: str, summary: str, example: str) -> None:
        super().__init__(
            prog=f"raftmon {command}",
            description=summary,
            epilog="example:\n" + "\n".join(f"  {line}" for line in example.strip().splitlines()),
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    def error(self, message: str) -> NoReturn:
        """Print what was wrong and leave with 64."""
        print(f"{self.prog}: {message}\n{self.prog} --help shows what it takes", file=sys.stderr)
        raise SystemExit(EXIT_USAGE)
