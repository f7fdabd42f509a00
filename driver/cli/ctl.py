"""``raftmon ctl``: change the rules of a live run, and watch its monitor."""

from __future__ import annotations

import argparse
import getpass
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from raftmon.driver.cli.arguments import CommandParser
from raftmon.driver.run_folder import find_run, live_socket
from raftmon.monitor.control.client import MonitorClient
from raftmon.monitor.message_rules.trigger_words import split_waiting, triggers_help
from raftmon.monitor.rules.language import vocabulary_help
from raftmon.setup.errors import InputError

__all__ = ["main", "parser"]

_WITH_ARGUMENT = {
    "add": "a rule, as in 'n1->n2 drop 10%%'",
    "remove": "the name of a rule",
    "release": "the name of a rule that holds messages, and takes how many",
    "deliver": "the id of a recorded message (raftmon messages), and takes to NODE",
}
_OPERATIONS = (
    "rules", "triggers", "held", "add", "remove", "release", "deliver", "heal", "stats", "pause", "resume", "watch",
    "words",
)  # fmt: skip


def parser() -> CommandParser:
    """The options of ``raftmon ctl``."""
    made = CommandParser(
        "ctl",
        "Change the rules of a running monitor, or watch it. Several users may do so at once. A change is in force "
        "when the command returns and is logged in the run's events.jsonl with its author.",
        "raftmon ctl add 'n1->n2 delay 50ms'\nraftmon ctl heal\nraftmon ctl watch\n"
        "raftmon ctl release r1        # the oldest message that rule r1 holds\n"
        "raftmon ctl deliver 512 to n3 # message 512 of the record once more\n"
        "raftmon ctl words     # the conditions and actions of rules; needs no run",
    )
    made.add_store()
    made.add_argument("--run", metavar="RUN", help="a run's folder or a part of its time stamp (default: the newest)")
    made.add_argument("--socket", type=Path, metavar="PATH", help="a monitor's control socket, instead of a run")
    made.add_argument("--json", action="store_true", help="print what the monitor answers as JSON")
    made.add_argument("--author", default=None, help="the name in the run's log (default: your user name)")
    made.intermixed = True  # options may stand between the operation and what it is about
    made.add_argument("operation", choices=_OPERATIONS, help="what to do")
    made.add_argument("argument", nargs="*", metavar="RULE|NAME|ID", help="what to add, remove, release or deliver")
    return made


def main(arguments: argparse.Namespace) -> int:
    """Do one operation and print its result."""
    operation, (argument, *more) = arguments.operation, arguments.argument or [None]
    extra = _extra(operation, more)
    if (argument is not None) != (operation in _WITH_ARGUMENT):
        needs = "needs " + _WITH_ARGUMENT[operation].replace("%%", "%") if operation in _WITH_ARGUMENT else "takes none"
        raise InputError(f"{operation} {needs}, not {argument!r}" if argument else f"{operation} {needs}")
    if operation == "words":
        print(f"{vocabulary_help()}\n{triggers_help()}")
        return 0
    path = arguments.socket or live_socket(find_run(arguments.run, arguments.store))
    with MonitorClient(path, arguments.author or _user()) as client:
        if operation == "watch":
            return _watch(client, arguments.json)
        method = getattr(client, operation)
        if operation == "deliver":
            argument = _number(argument, "the id of a recorded message")
        result = method() if argument is None else method(argument, *extra)
    if arguments.json:
        print(orjson.dumps(result).decode())
    else:
        for line in _words(operation, argument, result):
            print(line)
    return 0


def _extra(operation: str, words: list[str]) -> list[Any]:
    """What stands behind the first argument: how many to release, to whom to deliver."""
    if operation == "release" and len(words) == 1:
        return [_number(words[0], "how many messages to release")]
    if operation == "deliver" and len(words) == 2 and words[0] == "to":
        return [words[1]]
    if words:
        raise InputError(f"{operation} cannot take {' '.join(words)!r}; put a rule in quotes (raftmon ctl --help)")
    return []


def _number(text: str, what: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise InputError(f"{what} is a number from 1, not {text!r}")
    return int(text)


def _kept(message: Mapping[str, Any]) -> str:
    return f"{message['rule']}: {message['kind']} {message['link']} term {message['term']} index {message['index']}"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id without a name
        return str(os.getuid())


def _words(operation: str, argument: str | None, result: Any) -> list[str]:
    if operation == "rules":
        return [_rule(rule) for rule in result] or ["no rules"]
    if operation in ("held", "release"):
        return [_kept(one) for one in result] or ["no rule holds a message"]
    if operation == "deliver":
        return [f"delivered again to {result['to']}: {result['text']}"]
    if operation == "triggers":
        return [f"{one['name']}: {one['trigger']} ({_state(one)})" for one in result] or ["nothing is waited for"]
    if operation == "stats":
        return _stats(result)
    return {
        "add": [f"{result} {'waits' if split_waiting(argument or '') else 'is in force'}: {argument}"],
        "remove": [f"{argument} is gone"],
        "heal": [f"{result} rule{'' if result == 1 else 's'} removed"],
        "pause": ["no rule is asked until resume; every packet passes"],
        "resume": ["rules are asked again"],
    }[operation]


def _state(trigger: Mapping[str, Any]) -> str:
    times = trigger["fired"]
    return f"{trigger['state']}, fired {times} time{'' if times == 1 else 's'}" if times else str(trigger["state"])


def _rule(rule: Mapping[str, Any]) -> str:
    rest = ", ".join(f"{key} {value}" for key, value in rule.items() if key not in ("name", "match", "action"))
    return f"{rule['name']}: {rule.get('match', '')} {rule.get('action', '')}" + (f", {rest}" if rest else "")


def _stats(stats: Mapping[str, Any]) -> list[str]:
    own, late = stats["own_time_us"], stats["hold_lateness_ms"]
    lines = [
        f"packets {stats['packets']} ({stats['bytes']} bytes), judged {stats['judged']}, dropped {stats['dropped']}, "
        f"delayed {stats['delayed']}, modified {stats['modified']}, held now {stats['held']}",
        f"own time p50 {own['p50']} us, p99 {own['p99']} us, max {own['max']} us; "
        f"hold lateness p99 {late['p99']} ms; record lost {stats['recorder_lost_packets']} packets"
        + ("; PAUSED" if stats["paused"] else ""),
    ]
    lines += [f"  {link}: {count}" for link, count in stats["links"].items() if count]
    lines += [
        f"  rule {name}: {rule['hits']} of {rule['packets']}" + (", removed" if rule.get("removed") else "")
        for name, rule in stats["rules"].items()
    ]
    return lines


def _watch(client: MonitorClient, as_json: bool) -> int:
    """One line a second with what changed, until the monitor ends."""
    before: Mapping[str, Any] | None = None
    for stats in client.watch():
        if as_json:
            print(orjson.dumps(stats).decode(), flush=True)
        else:
            new = {
                key: stats[key] - (before[key] if before else 0) for key in ("packets", "bytes", "dropped", "delayed")
            }
            in_force = sum(not rule.get("removed") for rule in stats["rules"].values())
            print(
                f"{time.strftime('%H:%M:%S')}  {new['packets']} packets, {new['bytes'] / 1e6:.1f} MB, "
                f"dropped {new['dropped']}, delayed {new['delayed']}, held {stats['held']}, "
                f"rules {in_force}, own time p99 {stats['own_time_us']['p99']} us",
                flush=True,
            )
        before = stats
    return 0
