"""``python -m raftmon.adapters.contract SYSTEM``: the contract on a cluster of that system, in its own sandbox."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

from raftmon.adapters.contract import Context, LoopbackCluster, run_contract
from raftmon.adapters.systems import system
from raftmon.setup.errors import EXIT_INVALID, EXIT_VALID, RaftmonError
from raftmon.setup.sandbox import enter


def main() -> int:
    """Exit status 0 if every promise was kept, 1 where one was broken."""
    parser = argparse.ArgumentParser(prog="python -m raftmon.adapters.contract", description=__doc__)
    parser.add_argument("system", help="a name or the path of a .py file")
    parser.add_argument("--nodes", type=int, default=3, help="nodes of the cluster (default: 3)")
    parser.add_argument("--server", help="path of the server's binary")
    parser.add_argument("--op-timeout", type=float, default=2.0, help="seconds (default: 2)")
    arguments = parser.parse_args()
    options: dict[str, Any] = {"server": arguments.server} if arguments.server else {}
    try:
        adapter = system(arguments.system, options)
        enter()
        with (
            tempfile.TemporaryDirectory(prefix="raftmon-contract-") as folder,
            LoopbackCluster(adapter, arguments.nodes, Path(folder)) as cluster,
        ):
            context = Context(cluster, adapter, arguments.op_timeout)
            results = run_contract(context, lambda result: print(result, flush=True))
    except RaftmonError as error:
        print(error, file=sys.stderr)
        return error.exit_status
    return EXIT_INVALID if any(result.kept is False for result in results) else EXIT_VALID


if __name__ == "__main__":
    sys.exit(main())
