"""``raftmon reproduce``: known bugs, one command each, on stock binaries."""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import sys
from pathlib import Path

import orjson
from rich.console import Console
from rich.table import Table

from raftmon.driver.cli.arguments import CommandParser
from raftmon.driver.reproduce.loading import AFFECTED, CONTROL, Loaded, load_scenario, scenarios
from raftmon.driver.reproduce.recorded import recorded
from raftmon.driver.reproduce.rounds import Reproduced, reproduce
from raftmon.setup.errors import EXIT_INVALID, InputError

__all__ = ["main", "parser"]

_PIPED_WIDTH = 240  # a line a scenario, for grep
_LONG = 420


def parser() -> CommandParser:
    """The options of ``raftmon reproduce``."""
    made = CommandParser(
        "reproduce",
        "Reproduce a known bug on an affected version and on a control version, and report the results. Exit "
        "status: 0 shown on the affected version and not on the control, 1 otherwise, 2 where it could not be set up.",
        "raftmon reproduce --list\nraftmon reproduce etcd-18667\nraftmon reproduce etcd-18089 --repeat 5 --json\n"
        "raftmon reproduce ./mine.py\nraftmon reproduce --all --system etcd",
    )
    made.add_argument("names", nargs="*", metavar="NAME|FILE.py", help="scenarios, by name or from a file")
    made.add_argument("--list", action="store_true", help="list every scenario")
    made.add_argument("--all", action="store_true", help="every scenario")
    made.add_argument("--system", metavar="NAME", help="with --list and --all: of this system only")
    made.add_argument("--repeat", type=int, default=1, metavar="N", help="attempts on each version (default: 1)")
    made.add_argument("--affected", metavar="SPEC", help="another version to show it on (etcd@3.5.1)")
    made.add_argument("--control", metavar="SPEC", help="another version to compare with; none leaves it out")
    made.add_argument("--only", choices=(AFFECTED, CONTROL), help="attempts on one version only")
    made.add_argument("--seed", type=int, default=1, metavar="N", help="of the first attempt; then N+1, … (default: 1)")
    made.add_argument("--json", action="store_true", help="print JSON: one object, or a list for several scenarios")
    made.add_argument(
        "--recorded", action="store_true", help="play nothing: count the attempts that are in the store (with --all)"
    )
    made.add_argument("--markdown", type=Path, metavar="FILE", help="also write the table of results as Markdown")
    made.add_store()
    return made


def main(arguments: argparse.Namespace) -> int:
    """Play them all; the worst exit status."""
    if arguments.list:
        Console(highlight=False, width=None if sys.stdout.isatty() else _PIPED_WIDTH).print(_listed(arguments.system))
        return 0
    chosen = _chosen(arguments)
    if arguments.repeat < 1:
        raise InputError(f"--repeat is {arguments.repeat}: give 1 or more")
    found = recorded(arguments.store, chosen) if arguments.recorded else _played(arguments, chosen)
    if arguments.markdown is not None:
        arguments.markdown.write_text(_markdown(found))
    if arguments.json:
        rows = [result.to_json() for _, result in found]
        print(orjson.dumps(rows[0] if len(rows) == 1 else rows, option=orjson.OPT_INDENT_2).decode())
    else:
        Console(highlight=False).print(_results(found))
    statuses = [result.exit_status for _, result in found]
    return EXIT_INVALID if EXIT_INVALID in statuses else max(statuses, default=0)


def _played(arguments: argparse.Namespace, chosen: list[Loaded]) -> list[tuple[Loaded, Reproduced]]:
    """Play them one after the other, and say on stderr what comes of each attempt."""
    console = Console(stderr=True, highlight=False)
    found: list[tuple[Loaded, Reproduced]] = []
    for loaded in chosen:
        scenario = loaded.scenario
        console.print(f"{scenario.name}: {scenario.title}")
        control = arguments.control or (scenario.control[0] if scenario.control else None)
        if control is None:
            console.print(f"  no control: {scenario.why_no_control or 'none is known'}")
        result = reproduce(
            loaded,
            arguments.affected or scenario.affected[0],
            None if control == "none" else control,
            arguments.repeat,
            arguments.seed,
            arguments.store,
            lambda text: console.print(f"  {text}", markup=False),
            arguments.only,
        )
        found.append((loaded, result))
    return found


def _chosen(arguments: argparse.Namespace) -> list[Loaded]:
    if arguments.all:
        return [one for one in scenarios().values() if arguments.system in (None, one.scenario.system)]
    if not arguments.names:
        raise InputError("name a scenario, a .py file, or --all (raftmon reproduce --list has them)")
    return [load_scenario(name) for name in arguments.names]


def _listed(system: str | None) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("name", "what", "affected", "control", "fixed in"):
        table.add_column(name, overflow="fold", no_wrap=name == "name")
    for loaded in scenarios().values():
        one = loaded.scenario
        if system in (None, one.system):
            table.add_row(one.name, one.title, ", ".join(one.affected), ", ".join(one.control) or "–", one.fixed)
    return table


def _results(found: list[tuple[Loaded, Reproduced]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("name", "affected", "shown", "control", "shown", "seconds"):
        table.add_column(name, overflow="fold", no_wrap=name == "name")
    for _, one in found:
        control = one.control
        table.add_row(
            one.name,
            one.affected.version,
            f"{one.affected.shown} of {one.affected.of}",
            control.label if control else "–",
            f"{control.shown} of {control.of}" if control else "–",
            f"{one.affected.to_json()['seconds']:.1f}",
        )
    return table


def _spent_s(one: Reproduced) -> float:
    return one.affected.seconds + (one.control.seconds if one.control else 0.0)


def _markdown(found: list[tuple[Loaded, Reproduced]]) -> str:
    lines = [
        "# Reproduced on stock binaries",
        "",
        "Made by `raftmon reproduce`. *m of n*: attempts that showed the bug; *seconds*: the mean of an attempt on the "
        f"affected version. Linux {platform.release()}, {os.cpu_count()} processors, "
        f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}. All of these attempts together took "
        f"{sum(_spent_s(one) for _, one in found) / 60:.0f} minutes.",
        "",
        "| name | what the client sees | needs | affected | shown | control | shown | seconds | fixed in |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for loaded, one in found:
        scenario, control = loaded.scenario, one.control
        lines.append(
            f"| {scenario.name} | {scenario.seen} | {scenario.needs} | {one.affected.version} | "
            f"{one.affected.shown} of {one.affected.of} | {control.label if control else scenario.why_no_control} | "
            f"{f'{control.shown} of {control.of}' if control else '–'} | {one.affected.to_json()['seconds']:.1f} | "
            f"{scenario.fixed} |"
        )
    lines += ["", "## What was seen", "The first attempt that showed each, in raftmon's words.", ""]
    for _loaded, one in found:
        if one.affected.sentences and one.affected.shown:
            said = one.affected.sentences[0]
            lines.append(
                f"- **{one.name}** on {one.affected.version}: {said if len(said) < _LONG else said[:_LONG] + '…'}"
            )
    return "\n".join(lines) + "\n"
