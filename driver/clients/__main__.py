"""``python -m raftmon.driver.clients CONFIG.json``: one client host. Started by ClientFleet; see host.py."""

from __future__ import annotations

import sys
from pathlib import Path

from raftmon.driver.clients.config import HostConfig
from raftmon.driver.clients.host import run_host
from raftmon.setup.errors import EXIT_USAGE, RaftmonError


def main() -> int:
    """Run one client host until its work is done; returns the exit status."""
    if len(sys.argv) != 2:
        print("usage: python -m raftmon.driver.clients CONFIG.json", file=sys.stderr)
        return EXIT_USAGE
    try:
        return run_host(HostConfig.load(Path(sys.argv[1])))
    except RaftmonError as error:
        print(error, file=sys.stderr)
        return error.exit_status


if __name__ == "__main__":
    sys.exit(main())
