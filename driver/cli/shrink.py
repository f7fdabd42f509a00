"""``raftmon shrink``: make a run that failed small, and write it as a scenario."""

from __future__ import annotations

import argparse
from pathlib import Path

import orjson

from raftmon.driver.campaign.workers import DaskWorkers
from raftmon.driver.cli.arguments import CommandParser
from raftmon.driver.cli.console import NeutralConsole
from raftmon.driver.run.replayed import replayed
from raftmon.driver.run_folder import check_store, find_run
from raftmon.driver.shrink.oracle import Oracle
from raftmon.driver.shrink.shrink import Shrunk, shrink
from raftmon.setup.errors import EXIT_INVALID, EXIT_UNKNOWN, InputError

__all__ = ["main", "parser"]


def parser() -> CommandParser:
    """The options of ``raftmon shrink``."""
    made = CommandParser(
        "shrink",
        "Shrink an invalid run: leave out faults, rules, nodes, clients and operations while it still fails, and write "
        "the rest as a scenario file for raftmon reproduce.\n"
        "Exit status: 0 the scenario fails in most of its attempts, 1 it does not, 2 the run does not fail again.",
        "raftmon shrink latest\nraftmon shrink store/nats-set/20261125T101010.000000Z --minutes 5 -o lost-writes.py",
    )
    add = made.add_argument
    add("run", nargs="?", metavar="RUN", help="a run's folder or a part of its name (default: the newest)")
    add("-o", "--output", type=Path, metavar="FILE.py", help="the scenario file (default: shrunk-NAME-TIME.py)")
    add("--minutes", type=float, default=15.0, metavar="M", help="how long it may take, about (default: 15)")
    add("--trials", type=int, default=5, metavar="N", help="how often the scenario is played at the end (default: 5)")
    add("--dask", metavar="ADDRESS", help="run on Dask: tcp://HOST:PORT, or local:N for N workers here")
    add("--trust", action="store_true", help="run the code that the recorded run names (rules files, adapter, server)")
    add("--json", action="store_true", help="print one JSON object: path, fails, of, steps, curve")
    made.add_store()
    return made


def main(arguments: argparse.Namespace) -> int:
    """Shrink it, and say what is left."""
    if not 0 < arguments.minutes <= 24 * 60 or arguments.trials < 1:
        raise InputError("raftmon shrink needs --minutes above 0 (at most 1440) and --trials of at least 1")
    folder = find_run(arguments.run, arguments.store)
    config = replayed(folder, trusted=arguments.trust)
    target = arguments.output or Path(f"shrunk-{folder.path.parent.name}-{folder.path.name[:15]}.py")
    if target.suffix != ".py" or target.exists():
        why = "it exists already" if target.exists() else "its name does not end in .py"
        raise InputError(f"{target} cannot be the scenario file: {why}; name another with -o")
    check_store(arguments.store)
    console = NeutralConsole(stderr=True, highlight=False)

    def say(text: str) -> None:
        console.print(text, markup=False, soft_wrap=True)

    pool = None if arguments.dask is None else DaskWorkers(arguments.dask, say)
    oracle = Oracle(frozenset(), arguments.store, say)
    if pool is not None:
        oracle.once, oracle.at_once = pool.once, pool.count
    try:
        found = shrink(
            folder, config, store=arguments.store, target=target, minutes=arguments.minutes, trials=arguments.trials,
            say=say, oracle=oracle,
        )  # fmt: skip
    finally:
        if pool is not None:
            pool.close()
    if arguments.json:
        print(orjson.dumps(found.to_json(), option=orjson.OPT_INDENT_2).decode())
    else:
        _print(found)
    if found.path is None:
        return EXIT_UNKNOWN
    return 0 if found.fails * 2 > found.of else EXIT_INVALID


def _print(found: Shrunk) -> None:
    print(f"{found.runs} runs in {found.seconds:,.0f} s")
    for number, step in enumerate(found.steps, 1):
        print(f"  {number}. {step}")
    if found.why_not is not None:
        print(f"no scenario: {found.why_not}")
        return
    for what, fails, of in found.curve:
        print(f"  {'█' * round(20 * fails / of):<20} {fails} of {of}  {what}")
    print(f"{found.path} fails {found.fails} of {found.of}: raftmon reproduce {found.path}")
