"""``raftmon explore``: look for violations, guided by the states that the wire shows."""

from __future__ import annotations

import argparse
import secrets
import shutil
from dataclasses import replace
from pathlib import Path
from random import Random

import orjson

from raftmon.driver.campaign.matrix import split_list
from raftmon.driver.campaign.workers import DaskWorkers
from raftmon.driver.cli.arguments import CommandParser
from raftmon.driver.cli.console import NeutralConsole
from raftmon.driver.cli.run import add_run_options, config_of
from raftmon.driver.explore.arena import keeps_warm
from raftmon.driver.explore.corpus import Corpus
from raftmon.driver.explore.explore import CONFIRM, Explored, Explorer, possible_pool, possible_triggers
from raftmon.driver.explore.far import explore_far
from raftmon.driver.explore.schedules import Drawer
from raftmon.driver.explore.warm import WarmCluster
from raftmon.driver.faults.schedule import PlannedFault
from raftmon.driver.faults.text import schedule_text
from raftmon.driver.run.config import RunConfig
from raftmon.driver.run_folder import check_store
from raftmon.setup.errors import EXIT_INVALID, InputError

__all__ = ["main", "parser"]


def parser() -> CommandParser:
    """The options of ``raftmon explore``."""
    made = CommandParser(
        "explore",
        "Look for violations: play schedules of faults on a warm cluster, keep and mutate those that reached states "
        "nobody had seen on the wire, until the minutes are over or a violation was found.\n"
        "Exit status: 1 a violation was found, 0 none.",
        "raftmon explore --system nats --server nats@2.9.10 --minutes 10\n"
        "raftmon explore --system pysyncobj --server pysyncobj@0.3.11 --workload set --minutes 5 --json",
    )
    add = made.add_argument
    add("--minutes", type=float, default=10.0, metavar="M", help="how long (default: 10)")
    add("--faults", metavar="LIST", help="what schedules are made of (default: all that this cluster can do)")
    add("--go-on", action="store_true", help="go on after a violation, for others")
    add("--blind", action="store_true", help="draw every schedule anew and learn nothing, for comparison")
    add(
        "--confirm",
        type=int,
        default=CONFIRM,
        metavar="N",
        help=f"runs that try a violation again (default: {CONFIRM})",
    )
    add("--dask", metavar="ADDRESS", help="play on Dask: tcp://HOST:PORT, or local:N for N workers here")
    add("--fresh", action="store_true", help="forget the corpus of earlier explorations")
    add("--json", action="store_true", help="print one JSON object")
    add_run_options(made)
    made.set_defaults(fault="none", duration="3", clients=5)
    return made


def main(arguments: argparse.Namespace) -> int:
    """Explore, and say what was found."""
    if not 0 < arguments.minutes <= 7 * 24 * 60:
        raise InputError(f"--minutes is {arguments.minutes:g}: give more than 0 and at most 10080")
    if not 0 <= arguments.confirm <= 1000:
        raise InputError(f"--confirm is {arguments.confirm}: give 0 to 1000")
    if arguments.fault != "none" or arguments.rules or arguments.codec:
        raise InputError("raftmon explore draws its own schedules from --faults: no --fault, --rules or --codec")
    seed = arguments.seed = arguments.seed or secrets.token_hex(4)
    check_store(arguments.store)
    config = config_of(arguments)
    names = None if arguments.faults is None else split_list(arguments.faults, "--faults ")
    pool = possible_pool(config, names)
    folder = arguments.store / (arguments.name or f"explore-{config.system_name}-{config.workload}")
    if arguments.fresh and (folder / "states.txt").exists():
        shutil.rmtree(folder)
    console = NeutralConsole(stderr=True, highlight=False)

    def say(text: str) -> None:
        console.print(text, markup=False, soft_wrap=True)

    corpus = Corpus.open(folder, config.duration_s)
    arena = replace(config, name=None, faults=schedule_text([PlannedFault(n, 0.1, 0.2, o) for n, o in pool]))
    clusters: list[WarmCluster] = []

    def start() -> WarmCluster:
        for old in clusters:  # a warm cluster is of no use once the next one is there
            old.folder.remove()
        clusters[:] = [WarmCluster(arena, arguments.store, f"warm-{config.system_name}")]
        return clusters[0]

    say(f"seed {seed}, {len(pool)} kinds of fault, {len(corpus.states)} states and {len(corpus.kept)} schedules known")
    nodes = tuple(f"n{number}" for number in range(1, config.nodes + 1))
    drawer = Drawer(pool, config.duration_s, Random(seed), possible_triggers(config, pool), nodes)
    explorer = Explorer(
        config, corpus, drawer, arguments.store, start, say,
        warm=keeps_warm(config.workload), blind=arguments.blind, go_on=arguments.go_on,
        confirm=arguments.confirm,
    )  # fmt: skip
    dask = None if arguments.dask is None else DaskWorkers(arguments.dask, say)
    if dask is not None:
        explorer.once = dask.once
    try:
        if dask is None:
            result = explorer.explore(arguments.minutes)
        else:
            result = explore_far(explorer, dask, arena, arguments.minutes)
    finally:
        if dask is not None:
            dask.close()
        for old in clusters:
            if old.folder.is_run:
                old.folder.remove()
    _report(result, corpus, folder, config, as_json=arguments.json)
    return EXIT_INVALID if result.found else 0


def _report(result: Explored, corpus: Corpus, folder: Path, config: RunConfig, *, as_json: bool) -> None:
    if as_json:
        value = {
            "corpus": str(folder), "seed": config.seed, "trials": result.trials, "clusters": result.clusters,
            "seconds": result.seconds, "states": result.states, "new": result.new, "schedules": result.kept,
            "found": [one.to_json() for one in result.found], "curve": corpus.curve,
        }  # fmt: skip
        print(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())
        return
    rate = result.trials / result.seconds * 60 if result.seconds else 0.0
    print(
        f"{result.trials} schedules in {result.seconds:,.0f} s ({rate:.1f} a minute, {result.clusters} clusters): "
        f"{result.states} states, {result.new} new; {result.kept} schedules kept in {folder}"
    )
    for one in result.found:
        print(f"{one.sentence}\n  schedule  {one.schedule}\n  after     {one.seconds:.0f} s, in trial {one.trial}")
        print(f"  again     {one.again} of {one.of} runs of its own\n  run       {one.path}")
        print(f"  next      raftmon shrink {one.path}")
    if not result.found:
        print("no violation was found")
