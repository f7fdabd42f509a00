"""``raftmon sweep``: the product of systems, workloads, faults, topologies, sizes and seeds, in one table."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path
from typing import Any

import orjson

from raftmon.adapters.systems import system
from raftmon.driver.campaign.matrix import Cell, Matrix, split_list
from raftmon.driver.campaign.sweep import KEEP, Sweep, exit_status, open_sweep
from raftmon.driver.campaign.tables import csv_text, junit, summary_table, write_parquet
from raftmon.driver.campaign.workers import Row, workers
from raftmon.driver.cli.arguments import CommandParser
from raftmon.driver.cli.console import NeutralConsole
from raftmon.driver.cli.run import config_of
from raftmon.driver.cli.run import parser as run_parser
from raftmon.driver.quantities import duration_s
from raftmon.driver.run.plan import make_plan
from raftmon.driver.run_folder import check_store
from raftmon.setup.errors import InputError

__all__ = ["main", "parser"]

_LISTS = ("systems", "workloads", "faults", "topologies", "nodes")


def parser() -> CommandParser:
    """The options of ``raftmon sweep``."""
    made = CommandParser(
        "sweep",
        "Run every combination of the lists given and report one table. A sweep that was interrupted goes on with "
        "--resume.\nExit status: 0 every run valid, 1 one invalid, 2 one unknown, failed or missing.",
        "raftmon sweep --systems etcd,nats --faults kill-leader,halves --workloads register,set --repeat 2\n"
        "raftmon sweep --systems nats@2.9.10,nats@2.10.27 --faults 'none,kill-leader@2s..4s+halves@5s..7s' "
        "-- --duration 10s\n"
        "raftmon sweep --matrix nightly.toml --dask tcp://10.0.0.1:8786 --resume --junit sweep.xml",
    )
    add = made.add_argument
    add("--systems", metavar="LIST", help="systems, each with its server's version or not: etcd,nats@2.9.10")
    add("--workloads", metavar="LIST", help="workloads (default: register)")
    add("--faults", metavar="LIST", help="faults; + joins several into one schedule (default: none)")
    add("--topologies", metavar="LIST", help="topologies (default: simple)")
    add("--nodes", metavar="LIST", help="numbers of nodes (default: 3)")
    add("--repeat", type=int, metavar="N", help="seeds for each combination (default: 1)")
    add("--seed", type=int, metavar="N", help="the first seed; then N+1, … (default: 1)")
    add("--matrix", type=Path, metavar="FILE.toml", help="the lists from a file; options on the command line win")
    add("--name", metavar="NAME", help="the sweep's folder in the store (default: from its lists)")
    add("--resume", action="store_true", help="go on with a sweep that was interrupted")
    add("--jobs", type=int, metavar="N", help="runs at once on this machine (default: one for every four cores)")
    add("--dask", metavar="ADDRESS", help="run on Dask: tcp://HOST:PORT, or local:N for N workers here")
    add(
        "--keep", choices=KEEP, default="all", help="of valid runs: all, failed (nothing), thin (no packets, node data)"
    )
    add("--timeout", default="10m", metavar="T", help="how long one run may take (default: 10m)")
    add("--csv", type=Path, metavar="FILE", help="also write the table of all runs as CSV")
    add("--parquet", type=Path, metavar="FILE", help="also write it as Parquet (needs raftmon[parquet])")
    add("--junit", type=Path, metavar="FILE", help="also write JUnit XML, a test case a run")
    add("--json", action="store_true", help="print one JSON object instead of the table")
    made.add_store()
    add("options", nargs="*", metavar="OPTION", help="after --: options of raftmon run, for every run")
    return made


def _matrix(arguments: argparse.Namespace) -> Matrix | None:
    """What is asked for; None if nothing is said (``--resume --name``)."""
    given: dict[str, Any] = {}
    for name in _LISTS:
        text = getattr(arguments, name)
        if text is not None:
            given[name] = split_list(text, f"--{name}")
    if "nodes" in given:
        if not all(word.isdigit() for word in given["nodes"]):
            raise InputError(f"--nodes {arguments.nodes}: give whole numbers with commas")
        given["nodes"] = tuple(map(int, given["nodes"]))
    given |= {name: getattr(arguments, name) for name in ("repeat", "seed") if getattr(arguments, name) is not None}
    if arguments.options:
        given["options"] = tuple(arguments.options)
    if arguments.matrix is not None:
        return dataclasses.replace(Matrix.from_toml(arguments.matrix), **given)
    if not given and arguments.resume:
        return None
    return Matrix(**given)


def _check(matrix: Matrix) -> None:
    """Refuse a cell that cannot be run before any is. Raises InputError that names it."""
    options = run_parser()
    for cell in Matrix.cells(dataclasses.replace(matrix, repeat=1)):
        try:
            config = config_of(options.parse_args(list(cell.options)))
            make_plan(config, system(config.system, config.adapter_options()))
        except InputError as error:
            raise InputError(f"{cell.key}: {error}") from error


def main(arguments: argparse.Namespace) -> int:
    """Do what is missing, print the table."""
    matrix = _matrix(arguments)
    check_store(arguments.store)
    timeout_s = duration_s(arguments.timeout, "--timeout")
    if matrix is not None:
        _check(matrix)
    sweep = open_sweep(arguments.store, arguments.name, matrix, resume=arguments.resume)
    console = NeutralConsole(stderr=True, highlight=False)

    def say(cell: Cell, row: Row, where: str) -> None:
        console.print(f"{row['verdict']:<8} {cell.key}  ({where})", markup=False, soft_wrap=True)
        if row["verdict"] != "valid":
            console.print(f"         {row['sentence']}\n         {row.get('path') or ''}", markup=False, soft_wrap=True)

    try:
        missing = len(sweep.missing())
        console.print(f"{sweep.folder}: {sweep.matrix.count} runs, {missing} to do", markup=False, soft_wrap=True)
        pool = workers(arguments.dask, arguments.jobs, lambda text: console.print(text, markup=False, soft_wrap=True))
        try:
            sweep.run(pool, arguments.store, timeout_s, arguments.keep, say)
        except KeyboardInterrupt:
            console.print("interrupted: --resume goes on with it")
        finally:
            pool.close()
        return _report(sweep, arguments)
    finally:
        sweep.close()


def _report(sweep: Sweep, arguments: argparse.Namespace) -> int:
    rows = sweep.rows()
    (sweep.folder / "runs.csv").write_text(csv_text(rows), newline="")
    (sweep.folder / "junit.xml").write_bytes(junit(rows, sweep.folder.name))
    if arguments.csv is not None:
        arguments.csv.write_text(csv_text(rows), newline="")
    if arguments.junit is not None:
        arguments.junit.write_bytes(junit(rows, sweep.folder.name))
    if arguments.parquet is not None:
        write_parquet(rows, arguments.parquet)
    if arguments.json:
        found = {"path": str(sweep.folder), "count": sweep.matrix.count, "done": len(rows), "runs": rows}
        print(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode())
    else:
        NeutralConsole(highlight=False, width=None if sys.stdout.isatty() else 140).print(summary_table(rows))
        print(f"{len(rows)} of {sweep.matrix.count} runs; every run is a row of {sweep.folder / 'runs.csv'}")
    return exit_status(rows, sweep.matrix.count)
