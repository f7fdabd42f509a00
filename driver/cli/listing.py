"""``raftmon list``: what there is of each kind, from the rows."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator

from raftmon.adapters.systems import system_kinds
from raftmon.driver.checkers.checkers import checker_kinds
from raftmon.driver.cli.arguments import CommandParser
from raftmon.driver.faults.faults import fault_kinds
from raftmon.driver.topologies.topologies import topology_kinds
from raftmon.driver.workloads.workloads import workload_kinds
from raftmon.monitor.message_rules.trigger_words import TRIGGERS
from raftmon.monitor.raft.codecs.table import all_codecs
from raftmon.monitor.rules.language.action_words import PACKET_ACTIONS
from raftmon.monitor.rules.language.condition_words import PACKET_CONDITIONS
from raftmon.monitor.rules.language.message_words import MESSAGE_ACTIONS, MESSAGE_CONDITIONS
from raftmon.monitor.rules.language.word import Word
from raftmon.setup.kinds import unknown

__all__ = ["LISTS", "checker_lines", "main", "parser"]

_WIDTH = 28
_FORM_WIDTH = 54  # words of rules come with their parameters


def _row(name: str, summary: str, *more: str) -> Iterator[str]:
    yield f"{name:<{_WIDTH}} {summary}".rstrip()
    for line in more:
        yield f"{'':<{_WIDTH}} {line}"


def _option(name: str, default: object, help: str) -> str:
    return f"{name}={default}".ljust(20) + f" {help}".rstrip()


def _systems() -> Iterator[str]:
    for name, kind in system_kinds().items():
        yield from _row(name, kind.summary, *((f"server {kind.server}",) if kind.server else ()))


def _faults() -> Iterator[str]:
    for name, kind in fault_kinds().items():
        needs = [
            *([f"{kind.least_nodes} nodes or more"] if kind.least_nodes > 2 else []),
            *(["a host beyond the nodes"] if kind.spares else []),
            *(["clients' traffic through the monitor"] if kind.client_traffic else []),
            *(["disks that raftmon serves"] if kind.disks else []),
            *(["a system whose messages can be edited (docs/raft.md)"] if kind.messages else []),
        ]
        options = [_option(option, known.default, known.help) for option, known in kind.options.items()]
        yield from _row(name, kind.summary, *options, *([f"needs {', '.join(needs)}"] if needs else []))


def checker_lines() -> Iterator[str]:
    """Every checker, what it asks, understands, and takes."""
    for name, kind in checker_kinds().items():
        functions = ", ".join(sorted([*(kind.functions or ()), *kind.aliases])) or "what it finds: it decides by itself"
        options = [f"option {option}: {help}" for option, help in kind.options.items()]
        yield from _row(name, kind.summary, f"understands {functions}", *options)


def _workloads() -> Iterator[str]:
    for name, kind in workload_kinds().items():
        options = [
            _option(option, known.default, kind.options.get(option, ""))
            for option, known in kind.parameters().items()
            if known.default is not known.empty
        ]
        yield from _row(name, kind.summary, *options)


def _topologies() -> Iterator[str]:
    for name, kind in topology_kinds().items():
        yield from _row(f"{name}[:{kind.argument}]" if kind.argument else name, kind.summary)
    yield from _row("FILE.toml", "sites and links of your own")


def _codecs() -> Iterator[str]:
    for codec in all_codecs():
        yield from _row(codec.name, codec.summary)


def _words(on_packets: Iterable[Word[object]], on_messages: Iterable[Word[object]]) -> Iterator[str]:
    """The words of rules with their parameters; those that only Raft messages have say so."""
    for note, rows in (("", on_packets), ("Raft messages: ", on_messages)):
        for row in rows:
            yield f"{row.form:<{_FORM_WIDTH}} {note}{row.help}"


def _triggers() -> Iterator[str]:
    for row in TRIGGERS:
        yield f"when {row.form:<{_FORM_WIDTH - 5}} {row.help}"


LISTS: dict[str, Callable[[], Iterator[str]]] = {
    "systems": _systems,
    "faults": _faults,
    "checkers": checker_lines,
    "workloads": _workloads,
    "topologies": _topologies,
    "codecs": _codecs,
    "actions": lambda: _words(PACKET_ACTIONS, MESSAGE_ACTIONS),
    "conditions": lambda: _words(PACKET_CONDITIONS, MESSAGE_CONDITIONS),
    "triggers": _triggers,
}
"""What can be listed, and its lines."""


def parser() -> CommandParser:
    """The options of ``raftmon list``."""
    made = CommandParser(
        "list",
        "List what is available, built in or from installed packages: name, description, options.",
        "raftmon list\nraftmon list faults\nraftmon list actions",
    )
    made.add_argument("what", nargs="?", metavar="WHAT", help=f"{', '.join(LISTS)} (default: all of them)")
    return made


def main(arguments: argparse.Namespace) -> int:
    """Print them; 0."""
    if arguments.what is None:
        for number, (what, lines) in enumerate(LISTS.items()):
            print("\n" * bool(number) + f"{what}:")
            print("\n".join(f"  {line}" for line in lines()))
        return 0
    if arguments.what not in LISTS:
        raise unknown("list", arguments.what, LISTS)
    print("\n".join(LISTS[arguments.what]()))
    return 0
