"""``raftmon exec``: run a command on a node or client host of a live run."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from raftmon.driver.cli.arguments import CommandParser
from raftmon.driver.run.live import command_on_host
from raftmon.driver.run_folder import CONFIG, find_run
from raftmon.setup.errors import InputError

__all__ = ["main", "parser"]


def parser() -> CommandParser:
    """The options of ``raftmon exec``."""
    made = CommandParser(
        "exec",
        "Run a command in the network namespace of a node (n1) or client host (c1) of a live run.",
        "raftmon exec n1 etcdctl --endpoints 10.77.1.2:2379 endpoint status\nraftmon exec n2 ip addr",
    )
    made.add_run_choice()
    made.add_argument("host", metavar="HOST", help="n1, n2, …, c1, …")
    made.add_argument("argv", nargs=argparse.REMAINDER, metavar="COMMAND", help="the command and its arguments")
    return made


def main(arguments: argparse.Namespace) -> int:
    """Replace this process by the command."""
    argv = arguments.argv[1:] if arguments.argv[:1] == ["--"] else arguments.argv
    if not argv:
        raise InputError(f"raftmon exec {arguments.host} needs a command: ip addr, for one")
    folder = find_run(arguments.run, arguments.store)
    command = command_on_host(folder, arguments.host, argv)
    server = ((folder.load(CONFIG) or {}).get("config") or {}).get("server")
    if server:  # etcdctl lies beside etcd, in the cache
        os.environ["PATH"] = f"{Path(server).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    try:
        os.execvp(command[0], command)
    except OSError as error:
        raise InputError(f"{command[0]} cannot be executed: {error.strerror}; it comes with util-linux") from error
