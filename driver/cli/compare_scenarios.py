"""``raftmon compare --scenarios``: published experiments x systems, as a table, CSV, Markdown and a picture."""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import sys
from collections.abc import Sequence
from pathlib import Path

import orjson
from rich.table import Table

from raftmon.driver.cli.console import NeutralConsole
from raftmon.driver.experiments.picture import picture
from raftmon.driver.experiments.published import EXPERIMENTS, Experiment, experiment
from raftmon.driver.experiments.rounds import Contender, Played, contender, play_all
from raftmon.driver.experiments.tables import by_cell, cell, in_page, markdown, read_csv, write_csv
from raftmon.setup.errors import EXIT_UNKNOWN, InputError

__all__ = ["DEFAULT_SYSTEMS", "compare_scenarios", "list_scenarios"]

DEFAULT_SYSTEMS = "etcd@3.4.23,etcd@3.5.30,nats@2.9.10,pysyncobj@0.3.17,zookeeper,ovsdb,dqlite,hashicorp-raft"


def list_scenarios() -> int:
    """Print every published experiment."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("scenario", "nodes", "what is cut", "published in"):
        table.add_column(name, overflow="fold", no_wrap=name == "scenario")
    for one in EXPERIMENTS:
        table.add_row(one.name, str(one.nodes), one.title, one.source)
    NeutralConsole(highlight=False).print(table)
    return 0


def compare_scenarios(arguments: argparse.Namespace) -> int:
    """Play them, print the table and write the files; 0, or 2 where some run could not be set up.

    With ``--csv`` of an earlier call its rows count, and only what is missing of ``--repeat`` rounds is played.
    """
    scenarios = _scenarios(arguments.scenarios)
    systems = [contender(word.strip()) for word in arguments.systems.split(",") if word.strip()]
    if not systems or arguments.repeat < 0 or arguments.jobs < 1:
        raise InputError("raftmon compare needs at least one system in --systems, --jobs 1 or more, --repeat 0 or more")
    kept = _kept(arguments.csv)
    if arguments.markdown is not None:
        in_page(_page(arguments.markdown), "")  # refused before hours of runs, not after them
    say = NeutralConsole(stderr=True, highlight=False)
    missing = _missing(scenarios, systems, arguments.repeat, kept)
    played = list(kept)
    results = play_all(missing, arguments.seed, arguments.store, arguments.cut, arguments.after, arguments.jobs,
                       arguments.stop_after)  # fmt: skip
    for number, row in enumerate(results, 1):
        played.append(row)
        if arguments.csv is not None:
            arguments.csv.write_text(write_csv(played))  # after each run: what was played is not lost
        say.print(f"{number} of {len(missing)}: {row.scenario} on {row.system}: {_sentence(row)}", markup=False)
    _write(arguments, played)
    if arguments.json:
        print(orjson.dumps([_to_json(row) for row in played], option=orjson.OPT_INDENT_2).decode())
    else:
        width = None if sys.stdout.isatty() else 160
        NeutralConsole(highlight=False, width=width).print(_table(played))
    return EXIT_UNKNOWN if any(row.measured is None for row in played) else 0


def _scenarios(text: str) -> list[Experiment]:
    if text.strip() == "all":
        return list(EXPERIMENTS)
    found = [experiment(word.strip()) for word in text.split(",") if word.strip()]
    if not found:
        raise InputError("--scenarios is empty (raftmon compare --list has them)")
    return found


def _kept(path: Path | None) -> list[Played]:
    return read_csv(path.read_text(), str(path)) if path is not None and path.exists() else []


def _page(path: Path) -> str:
    try:
        return path.read_text()
    except OSError as error:
        raise InputError(f"--markdown {path}: {error.strerror}") from error


def _missing(
    scenarios: Sequence[Experiment], systems: Sequence[Contender], repeat: int, kept: Sequence[Played]
) -> list[tuple[Experiment, Contender, int]]:
    """What is still to be played; systems take turns, so that a machine that grows busier is so for all of them."""
    there = [(row.scenario, row.system) for row in kept if row.measured is not None]
    return [
        (scenario, system, number)
        for number in range(repeat)
        for scenario in scenarios
        for system in systems
        if there.count((scenario.name, system.label)) <= number
    ]


def _sentence(row: Played) -> str:
    if row.measured is None:
        return f"could not be set up: {row.why}"
    found = row.measured
    return (
        f"no answer for {found.outage_ms / 1000:.1f} s while cut and {found.outage_after_ms / 1000:.1f} s after, "
        f"{found.terms} + {found.terms_after} terms, {found.won} of {found.elections} elections won, {row.verdict}"
    )


def _to_json(row: Played) -> dict[str, object]:
    measured = row.measured.to_json() if row.measured else None
    return {"scenario": row.scenario, "system": row.system, "round": row.round, "verdict": row.verdict,
            "measured": measured, "why": row.why, "run": row.run}  # fmt: skip


def _write(arguments: argparse.Namespace, played: Sequence[Played]) -> None:
    if arguments.svg is not None:
        arguments.svg.write_text(picture(played, arguments.cut))
    if arguments.markdown is not None:
        machine = (
            f"Measured on {datetime.datetime.now(datetime.UTC):%Y-%m-%d} with `raftmon compare --scenarios`: Linux "
            f"{platform.release()}, {os.cpu_count()} processors, cuts of {arguments.cut:g} s, default timeouts."
        )
        page = arguments.markdown
        shown = os.path.relpath(arguments.svg, page.parent) if arguments.svg is not None else None
        page.write_text(in_page(_page(page), markdown(played, machine, shown)))


def _table(played: Sequence[Played]) -> Table:
    table = Table(
        title="longest time without an answer while cut / after the heal (s), terms gained while cut + after",
        title_justify="left", box=None, pad_edge=False, header_style="dim",
    )  # fmt: skip
    cells = by_cell(played)
    systems = list(dict.fromkeys(row.system for row in played))
    table.add_column("", no_wrap=True)
    for system in systems:
        table.add_column(system, overflow="fold")
    for scenario in dict.fromkeys(row.scenario for row in played):
        shown = []
        for system in systems:
            runs = cells.get((scenario, system), [])
            during, after, terms, more = (
                cell(runs, name) for name in ("outage_ms", "outage_after_ms", "terms", "terms_after")
            )
            shown.append(f"{during} / {after}, {terms} + {more}" if runs else "–")
        table.add_row(scenario, *shown)
    return table
