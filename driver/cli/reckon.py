"""``raftmon reckon``: an experiment of reckon's, described as reckon's users describe it."""

from __future__ import annotations

import argparse
import secrets
import sys
from pathlib import Path

from raftmon.adapters.hooks import nodes_needed
from raftmon.adapters.systems import system
from raftmon.driver.cli.arguments import CommandParser
from raftmon.driver.cli.console import NeutralConsole
from raftmon.driver.cli.run import end_as_by_ctrl_c
from raftmon.driver.reckon import add_reckon_options, config_of, write_results
from raftmon.driver.results.summary import summary
from raftmon.driver.run.live import remember_outer_pid
from raftmon.driver.run.phases import run
from raftmon.driver.run.plan import make_plan
from raftmon.driver.run.screen import RunScreen
from raftmon.driver.run_folder import check_store
from raftmon.driver.testing.shell import open_shell
from raftmon.setup.errors import InputError
from raftmon.setup.sandbox import enter

__all__ = ["main", "parser"]

LOG_WIDTH = 120


def parser() -> CommandParser:
    """The options of ``raftmon reckon``."""
    made = CommandParser(
        "reckon",
        "Run a reckon (HAOC 2021) experiment with raftmon: same arguments, defaults and result file,\n"
        "plus raftmon's verdict. docs/reckon.md maps every option.",
        "raftmon reckon etcd simple uniform leader-recovery --duration 30\n"
        "raftmon reckon etcd-pre-vote wan uniform partial-partition --number-nodes 5 --rate 200",
    )
    add_reckon_options(made)
    made.add_argument("--store", type=Path, default=Path("store"), metavar="DIR", help="raftmon: where runs are kept")
    return made


def main(arguments: argparse.Namespace) -> int:
    """Make the experiment; write both results."""
    if arguments.seed is None:
        arguments.seed = secrets.token_hex(4)
        sys.orig_argv.extend(["--seed", arguments.seed])  # the command inside must draw the same
    config = config_of(arguments)
    target = Path(arguments.result_location)
    if not target.absolute().parent.is_dir():
        raise InputError(f"--result-location {target}: there is no folder {target.absolute().parent}")
    check_store(arguments.store)
    adapter = system(config.system, config.adapter_options())
    make_plan(config, adapter)
    if nodes_needed(adapter):
        remember_outer_pid()
        enter()
    end_as_by_ctrl_c()
    console = NeutralConsole(highlight=False, width=None if sys.stdout.isatty() else LOG_WIDTH)
    screen = RunScreen(console)
    try:
        interact = (lambda cluster: open_shell(cluster, config.seed)) if arguments.debug else None
        folder, results = run(config, arguments.store, screen, interact)
    finally:
        screen.close()
    console.print(summary(results, str(folder.path)))
    if not arguments.debug:
        count = write_results(folder, target)
        console.print(f"{count} results in reckon's format: {target}")
    return results.valid.exit_status
