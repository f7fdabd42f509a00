"""``raftmon replay``: the same plan again, in the same order as far as the wire can enforce it, and what differed."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path

import orjson

from raftmon.adapters.systems import system
from raftmon.driver.campaign.trial import run_once
from raftmon.driver.cli.arguments import CommandParser
from raftmon.driver.cli.console import NeutralConsole
from raftmon.driver.faults.text import schedule_text
from raftmon.driver.run.command import options_of
from raftmon.driver.run.config import RunConfig
from raftmon.driver.run.plan import make_plan
from raftmon.driver.run.replayed import replayed
from raftmon.driver.run_folder import RESULTS, RunFolder, check_store, find_run
from raftmon.driver.shrink.differences import differences
from raftmon.driver.shrink.shrink import recorded_faults
from raftmon.driver.shrink.triggers import counted
from raftmon.setup.errors import EXIT_INTERNAL, InputError, RaftmonError

__all__ = ["by_messages", "main", "parser"]

_SPARE_S = 120.0


def parser() -> CommandParser:
    """The options of ``raftmon replay``."""
    made = CommandParser(
        "replay",
        "Run a recorded run's plan again and list what differed. Where messages are followed as they pass, each fault "
        "waits for the message that came before it in the recording, so that faults keep their place in the order of "
        "deliveries; elsewhere, and with --by-time, they come at their recorded times.\n"
        "Exit status: that of the new run.",
        "raftmon replay latest\nraftmon replay store/etcd-register/20261125T101010.000000Z --by-time --json",
    )
    add = made.add_argument
    add("run", nargs="?", metavar="RUN", help="a run's folder or a part of its name (default: the newest)")
    add("--by-time", action="store_true", help="faults at their recorded times, even where messages are followed")
    add("--trust", action="store_true", help="run the code that the recorded run names (rules files, adapter, server)")
    add("--json", action="store_true", help="print one JSON object: path, verdict, schedule, differences")
    made.add_store()
    return made


def by_messages(folder: RunFolder, config: RunConfig) -> RunConfig | None:
    """The configuration whose faults wait for messages; None if its messages are not followed as they pass."""
    results = folder.load(RESULTS) or {}
    faults = []
    for fault, row in recorded_faults(config, results):
        waiting = fault if fault.when is not None else counted(folder, fault, row, results.get("began_ns") or 0)
        faults.append(fault if waiting is None else waiting)
    if not any(fault.when for fault in faults):
        return None
    changed = dataclasses.replace(config, faults=schedule_text(faults))
    try:
        make_plan(changed, system(changed.system, changed.adapter_options()))
    except InputError:
        return None
    return changed


def main(arguments: argparse.Namespace) -> int:
    """Run it again, and compare."""
    folder = find_run(arguments.run, arguments.store)
    config = replayed(folder, trusted=arguments.trust)
    results = folder.load(RESULTS)
    if not isinstance(results, dict):
        raise InputError(f"{folder.path} has no results: only a run that ended can be replayed")
    check_store(arguments.store)
    timed = [fault for fault, _ in recorded_faults(config, results)]
    again = None if arguments.by_time else by_messages(folder, config)
    how = "by messages" if again is not None else "by time"
    again = again or (dataclasses.replace(config, faults=schedule_text(timed)) if timed else config)
    console = NeutralConsole(stderr=True, highlight=False)
    console.print(f"{how}: {again.faults}", markup=False, soft_wrap=True)
    row = run_once(options_of(again), arguments.store, timeout_s=config.duration_s + _SPARE_S)
    if not row.get("path"):
        error = RaftmonError(row["sentence"])
        error.exit_status = row["exit_status"] or EXIT_INTERNAL
        raise error
    found = differences(folder, RunFolder(Path(row["path"])))
    if arguments.json:
        value = {
            "path": row["path"],
            "verdict": row["verdict"],
            "how": how,
            "schedule": again.faults,
            "differences": found,
        }
        sys.stdout.write(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode() + "\n")
    else:
        print(f"{row['verdict']}: {row['sentence']}\n  run  {row['path']}")
        print("nothing that is compared differed" if not found else f"{len(found)} differences:")
        for sentence in found:
            print(f"  {sentence}")
    return int(row["exit_status"])
