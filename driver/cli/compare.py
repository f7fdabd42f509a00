"""``raftmon compare``: the same experiment, or published scenarios, on several systems, side by side."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import orjson
from rich.table import Table

from raftmon.adapters.systems import system_kind
from raftmon.driver.cli.arguments import CommandParser
from raftmon.driver.cli.compare_scenarios import DEFAULT_SYSTEMS, compare_scenarios, list_scenarios
from raftmon.driver.cli.console import NeutralConsole
from raftmon.driver.results.comparison import Observation, observe
from raftmon.driver.run_folder import find_run
from raftmon.setup.errors import EXIT_INTERNAL, EXIT_INVALID, EXIT_USAGE, InputError, RaftmonError
from raftmon.setup.python import end_with_parent, module_command

__all__ = ["main", "parser"]

HAOC21 = (
    "--fault", "partial-partition@20%..60%", "--duration", "25s", "--clients", "6", "--rate", "200",
    "--op-timeout", "1s",
)  # fmt: skip
"""The experiment of HAOC 2021: a partial partition for 10 of 25 s (elections after 1000 ms, the adapter's default)."""


def parser() -> CommandParser:
    """The options of ``raftmon compare``."""
    made = CommandParser(
        "compare",
        "Run the same experiment on several systems and compare the client outages and Raft terms side by side.\n"
        "Without options it runs the experiment of HAOC 2021: a partial partition, with and without pre-vote.\n"
        "With --scenarios it plays published experiments on each system (etcd, or etcd@3.5.30) and prints how long\n"
        "clients had no answer, and what the wire shows of terms and elections.",
        "raftmon compare --repeat 5\n"
        "raftmon compare --list\n"
        "raftmon compare --scenarios haoc21,quorum-loss --systems etcd@3.4.23,etcd@3.5.30,ovsdb --repeat 3\n"
        "raftmon compare --scenarios all --csv compared.csv --svg compared.svg\n"
        "raftmon compare --systems etcd,etcd-pre-vote -- --fault full-partition --duration 20",
    )
    made.add_argument(
        "--systems", metavar="LIST",
        help="systems, with commas (default: etcd-no-pre-vote,etcd-pre-vote; with --scenarios eight systems)",
    )  # fmt: skip
    made.add_argument("--scenarios", metavar="LIST", help="published experiments, with commas, or all")
    made.add_argument("--list", action="store_true", help="list the published experiments")
    made.add_argument("--cut", type=float, default=8.0, metavar="S", help="scenarios: seconds of the cut (default: 8)")
    made.add_argument("--after", type=float, default=6.0, metavar="S", help="scenarios: seconds after it (default: 6)")
    made.add_argument("--jobs", type=int, default=1, metavar="N", help="scenarios: runs at a time (default: 1)")
    made.add_argument(
        "--stop-after", type=float, metavar="S",
        help="scenarios: begin no run after so many seconds; the next call with the same --csv goes on",
    )  # fmt: skip
    made.add_argument(
        "--csv", type=Path, metavar="FILE", help="scenarios: one line per run; an existing file is continued"
    )
    made.add_argument("--svg", type=Path, metavar="FILE", help="scenarios: a picture of the outages")
    made.add_argument(
        "--markdown", type=Path, metavar="FILE", help="scenarios: a page, whose marked part the tables replace"
    )
    made.add_argument("--repeat", type=int, default=1, metavar="N", help="rounds; systems take turns (default: 1)")
    made.add_argument("--seed", type=int, default=1, metavar="N", help="of the first round; then N+1, … (default: 1)")
    made.add_argument("--json", action="store_true", help="print one JSON object")
    made.add_store()
    made.add_argument("options", nargs="*", metavar="OPTION", help="after --: options of raftmon run")
    return made


def _one(system: str, seed: int, options: Sequence[str], store: Path) -> Observation:
    name = f"compare-{system}"
    command = [
        *module_command("raftmon.driver.cli"),
        "run",
        "--system",
        system,
        "--seed",
        str(seed),
        "--name",
        name,
    ]
    ended = subprocess.run(
        [*command, "--store", str(store), *options, "--json"],
        capture_output=True,
        check=False,
        preexec_fn=end_with_parent,
    )
    if ended.returncode >= EXIT_USAGE:
        said = ended.stderr.decode(errors="replace")[-2000:].strip()
        if ended.returncode == EXIT_USAGE:  # what was asked cannot be run: the user's to change
            raise InputError(f"the run on {system} was refused: {said.removeprefix('raftmon run: ')}")
        raise RaftmonError(f"the run on {system} failed:\n{said}")
    return observe(find_run(None, store))


def main(arguments: argparse.Namespace) -> int:
    """Run all, print, and return 1 if some run was not valid."""
    if arguments.list:
        return list_scenarios()
    if arguments.scenarios is not None:
        if arguments.options:
            raise InputError("--scenarios brings its own faults: leave out the options after --")
        arguments.systems = arguments.systems or DEFAULT_SYSTEMS
        return compare_scenarios(arguments)
    arguments.systems = arguments.systems or "etcd-no-pre-vote,etcd-pre-vote"
    systems = [word.strip() for word in arguments.systems.split(",") if word.strip()]
    if not systems or arguments.repeat < 1:
        raise InputError("raftmon compare needs at least one system in --systems, and --repeat 1 or more")
    options = arguments.options or list(HAOC21)
    if not options[0].startswith("-"):
        raise InputError(
            f"{options[0]!r} is no option of raftmon run: raftmon compare makes its runs itself. raftmon check FILE "
            "judges a recorded history, raftmon serve shows two recorded runs side by side"
        )
    for name in systems:
        system_kind(name)  # before the first run, not after it
    console = NeutralConsole(stderr=True, highlight=False)
    found: dict[str, list[Observation]] = {system: [] for system in systems}
    for number in range(arguments.repeat):
        for system in systems:
            console.print(f"round {number + 1} of {arguments.repeat}: {system}")
            found[system].append(_one(system, arguments.seed + number, options, arguments.store))
    if arguments.json:
        print(orjson.dumps({name: [one.to_json() for one in rows] for name, rows in found.items()}).decode())
    else:
        NeutralConsole(highlight=False, width=None if sys.stdout.isatty() else 120).print(_table(found))
    verdicts = {one.verdict for rows in found.values() for one in rows}
    if verdicts == {"valid"}:
        return 0
    return EXIT_INVALID if "invalid" in verdicts else EXIT_INTERNAL if not verdicts else 2


def _table(found: dict[str, list[Observation]]) -> Table:
    table = Table(title="after the heal", title_justify="left", box=None, pad_edge=False, header_style="dim")
    table.add_column("")
    for name in ("round", "verdict", "clients: longest outage", "(before any fault)", "wire: terms gained"):
        table.add_column(name, justify="right")
    for name in ("of them while cut", "new leaders"):
        table.add_column(name, justify="right")
    for system, rows in found.items():
        for number, one in enumerate(rows, 1):
            table.add_row(
                system if number == 1 else "", str(number), one.verdict, f"{one.outage_at_heal_ms:,.0f} ms",
                f"{one.longest_gap_before_ms:,.0f} ms", str(one.term_jump), str(one.cut_off_terms),
                str(one.leader_changes),
            )  # fmt: skip
    return table
