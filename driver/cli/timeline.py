"""``raftmon timeline``: terms, leaders, elections, faults and client outages of a run as one text."""

from __future__ import annotations

import argparse
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import orjson

from raftmon.driver.cli.arguments import CommandParser
from raftmon.driver.cli.message_source import (
    MessageSource,
    add_message_source,
    json_lines,
    message_source,
    say_zero,
)
from raftmon.monitor.raft.tracker import SUPERSEDED

__all__ = ["main", "parser"]

_OUTAGE_MS = 500.0
_Line = tuple[int, str, str]


def parser() -> CommandParser:
    """The options of ``raftmon timeline``."""
    made = CommandParser(
        "timeline",
        "Print every change of term, leader or role, and every election, fault and client outage, one per line. Lines "
        "marked wire come from decoded messages, status from what nodes reported. Seconds count from the clients' "
        "first operation; in a capture, from its first message.",
        "raftmon timeline\nraftmon timeline capture.pcap.gz",
    )
    add_message_source(made)
    made.add_argument(
        "--outage-ms", type=float, default=_OUTAGE_MS, metavar="MS",
        help="shortest interval without a successful operation that is an outage (default: 500)",
    )  # fmt: skip
    return made


def main(arguments: argparse.Namespace) -> int:
    """Print it."""
    with message_source(arguments) as source:
        lines = list(_wire(source))
        if source.folder is not None:
            told = [*_events(source.folder / "events.jsonl")]
            told += _outages(source.folder / "history.jsonl", arguments.outage_ms)
            offset_ns = source.run_offset_ns()
            lines += [(time_ns + offset_ns, origin, text) for time_ns, origin, text in told]
        lines.sort(key=lambda line: line[0])
        start_ns = source.zero_ns() or (lines[0][0] if lines else 0)
    if lines:
        say_zero("timeline", source)
    for time_ns, origin, text in lines:
        print(f"{(time_ns - start_ns) / 1e9:>+12.3f} s  {origin:<7} {text}")
    if not lines:
        print("nothing to show: no message was decoded")
    return 0


def _wire(source: MessageSource) -> Iterator[_Line]:
    connection = source.connection
    roles: dict[tuple[str, str], str] = {}
    for row in connection.execute("SELECT * FROM changes ORDER BY rowid"):
        group = f" ({row['grp']})" if row["grp"] else ""
        where = f"  [packet {row['packet']}]"
        match row["what"]:
            case "term":
                text = f"{row['node']} is in term {row['value']}"
            case "leader":
                text = f"{row['node']} LEADS term {row['value']}"
            case "role":
                text = _role(connection, row, roles.get((row["grp"], row["node"])))
                roles[row["grp"], row["node"]] = row["value"]
            case _:
                continue
        yield row["time_ns"], "wire", text + group + where
    for row in connection.execute("SELECT * FROM elections ORDER BY start_ns"):
        group = f" ({row['grp']})" if row["grp"] else ""
        silent = f" for {row['silent_ms']:.0f} ms" if row["silent_ms"] is not None else ""
        votes = ", ".join(orjson.loads(row["votes"])) or "no node"
        if row["end_ns"] is None:
            result = "no winner was seen"
        else:
            result = f"{row['winner']} led {(row['end_ns'] - row['start_ns']) / 1e6:.1f} ms later"
        stands = f"{row['candidate']} is a candidate ({row['cause']}{silent})"
        yield row["start_ns"], "wire", f"election of term {row['term']}: {stands}, votes of {votes}; {result}{group}"
    for row in connection.execute("SELECT * FROM violations ORDER BY id"):
        yield row["time_ns"], "BROKEN", f"{row['invariant']}: {row['sentence']}"


def _role(connection: sqlite3.Connection, row: sqlite3.Row, before: str | None) -> str:
    """What a node became; of a leader that steps down, for which message."""
    node, role = row["node"], row["value"]
    if role == SUPERSEDED:
        return f"{node} is superseded: another node leads a newer term"
    if before != "leader" or role != "follower":
        return f"{node} is {role}"
    found = connection.execute(
        "SELECT kind, term, source FROM messages WHERE last_packet = ? AND target = ? ORDER BY term DESC LIMIT 1",
        (row["packet"], node),
    ).fetchone()
    return f"{node} steps down" + (f": {found['kind']} of term {found['term']} from {found['source']}" if found else "")


def _events(path: Path) -> Iterator[_Line]:
    """Faults, kills, and what nodes said of themselves, from the run's event log."""
    for event in json_lines(path):
        name = str(event.get("event", ""))
        if name == "status":
            said = ", ".join(f"{key} {event[key]}" for key in ("term", "role", "leader", "commit") if key in event)
            silent = event.get("role") == "silent"
            text = f"{event.get('node')} does not respond" if silent else f"{event.get('node')} reports {said}"
            yield event["time_ns"], "status", text
        elif "fault" in event:
            label = str(event["fault"])
            text = str(event.get("sentence") or "").removeprefix(f"{label} healed")
            shown = f", {event['receipt']}: {event['shown_by']}" if "receipt" in event and "shown_by" in event else ""
            yield event["time_ns"], "fault", f"{name}: {label}{text and ', '}{text}{shown}"
        elif name.startswith("node "):
            yield event["time_ns"], "node", f"{event.get('node')} {name.removeprefix('node ')}"
        elif name in ("workload began", "workload ended", "run ended"):
            yield event.get("begin_ns", event["time_ns"]), "run", name  # the order to begin is logged ahead of time


def _outages(path: Path, outage_ms: float) -> Iterator[_Line]:
    """Times in which operations were asked for and none succeeded."""
    last_ok_ns: int | None = None
    asked = 0
    for event in json_lines(path):
        kind = event.get("type")
        if kind == "invoke":
            asked += 1
            last_ok_ns = event["time_ns"] if last_ok_ns is None else last_ok_ns
        elif kind == "ok":
            if last_ok_ns is not None and event["time_ns"] - last_ok_ns > outage_ms * 1e6:
                span_ms = (event["time_ns"] - last_ok_ns) / 1e6
                yield last_ok_ns, "clients", f"no operation succeeded for {span_ms:.0f} ms ({asked} invoked)"
            last_ok_ns, asked = event["time_ns"], 0
