"""``raftmon messages``: look at the Raft messages of a run or a capture."""

from __future__ import annotations

import argparse
import csv
import dataclasses
import sqlite3
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import orjson

from raftmon.driver.cli.arguments import CommandParser
from raftmon.driver.cli.message_source import MessageSource, add_message_source, message_source, say_zero
from raftmon.driver.cli.message_stats import print_statistics
from raftmon.monitor.raft.database.query import Filter, read_meta, select_messages, statistics
from raftmon.monitor.raft.database.where import FIELDS
from raftmon.monitor.raft.message import KINDS
from raftmon.setup.errors import InputError, suggestion

__all__ = ["main", "parser"]

_AROUND_NS = 5_000_000
_POLL_S = 0.2


def parser() -> CommandParser:
    """The options of ``raftmon messages``."""
    made = CommandParser(
        "messages",
        "List the Raft messages between nodes. --where compares fields and joins with and, or, not; "
        f"its fields are {', '.join(FIELDS)}.",
        "raftmon messages --where 'kind = \"MsgVote\" and term > 3'\nraftmon messages --around 120\n"
        "raftmon messages capture.pcap.gz --stats --format json",
    )
    add_message_source(made)
    made.add_argument("--where", metavar="EXPR", help="only messages that match this expression")
    made.add_argument("--kind", action="append", default=[], metavar="KIND", help="only this kind (may be repeated)")
    made.add_argument("--from", dest="sender", metavar="NODE", help="only messages of this node")
    made.add_argument("--to", metavar="NODE", help="only messages to this node")
    made.add_argument("--term", type=int, metavar="N", help="only messages of this term")
    made.add_argument(
        "--since",
        type=float,
        metavar="S",
        help="from so many seconds after the clients' first operation on (of a capture: after its first message)",
    )
    made.add_argument("--until", type=float, metavar="S", help="up to so many seconds after it; negative is before it")
    made.add_argument("--around", type=int, metavar="OP", help="while this operation of the history was going on")
    made.add_argument("--limit", type=int, metavar="N", help="at most so many")
    made.add_argument("--follow", action="store_true", help="keep printing new messages of a live run")
    made.add_argument("--stats", action="store_true", help="counts, rates, round trips, elections and node states")
    made.add_argument("--format", choices=("table", "json", "csv"), default="table", help="default: table")
    return made


def _kinds(names: Sequence[str]) -> tuple[str, ...]:
    """The kinds that were asked for; a misspelt one must not look like an empty answer."""
    for name in names:
        if name not in KINDS:
            meant = suggestion(name, KINDS)
            raise InputError(f"--kind: unknown message {name!r}; {meant}(available: {', '.join(KINDS)})")
    return tuple(names)


def _known_nodes(connection: sqlite3.Connection, *names: str | None) -> None:
    """Refuse a node that the record does not know; one that is not finished may come to know it."""
    if not any(names) or not read_meta(connection).get("finished"):
        return
    sides = "SELECT source AS name FROM channels UNION SELECT target FROM channels ORDER BY 1"
    known = [row["name"] for row in connection.execute(sides) if row["name"] is not None]
    for name in names:
        if name is not None and known and name not in known:
            raise InputError(f"unknown node {name!r} in this record (available: {', '.join(known)})")


def main(arguments: argparse.Namespace) -> int:
    """Print them."""
    with message_source(arguments) as source:
        if arguments.stats:
            found = statistics(source.connection, source.began_ns())
            if arguments.format == "json":
                print(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode())
            elif arguments.format == "csv":
                raise InputError("--stats has no csv form: give --format table or json")
            else:
                print_statistics(found)
            return 0
        _known_nodes(source.connection, arguments.sender, arguments.to)
        wanted = _filter(arguments, source)
        start_ns = source.zero_ns()
        wanted.condition(start_ns)  # what is wrong with it is said before the first line
        messages = _counted(_described(source, wanted, arguments, start_ns), source)
        _PRINTERS[arguments.format](messages, arguments.follow)
    return 0


def _counted(messages: Iterator[dict[str, Any]], source: MessageSource) -> Iterator[dict[str, Any]]:
    """The same, and on stderr what their seconds count from, or that there are none."""
    found = False
    for message in messages:
        if not found:
            say_zero("messages", source)
        found = True
        yield message
    if not found:
        print("raftmon messages: no message of this record is like that", file=sys.stderr)


def _filter(arguments: argparse.Namespace, source: MessageSource) -> Filter:
    start_ns = source.zero_ns()
    since_ns = None if arguments.since is None else start_ns + int(arguments.since * 1e9)
    until_ns = None if arguments.until is None else start_ns + int(arguments.until * 1e9)
    if arguments.around is not None:
        offset_ns = source.run_offset_ns()
        begin_ns, end_ns = (time_ns + offset_ns for time_ns in _operation_times(source, arguments.around))
        since_ns = max(begin_ns - _AROUND_NS, since_ns or 0)
        until_ns = min(end_ns + _AROUND_NS, until_ns if until_ns is not None else end_ns + _AROUND_NS)
    return Filter(
        arguments.where,
        _kinds(arguments.kind),
        arguments.sender,
        arguments.to,
        arguments.term,
        since_ns,
        until_ns,
    )


def _operation_times(source: MessageSource, index: int) -> tuple[int, int]:
    """When the operation whose invocation is event ``index`` of the history began and ended."""
    history = source.folder / "history.jsonl" if source.folder is not None else None
    if history is None or not history.exists():
        raise InputError("--around needs a run with a history: name a run's folder")
    process = begin_ns = None
    last_ns = 0
    for line in history.read_bytes().splitlines():
        try:
            event = orjson.loads(line)
        except orjson.JSONDecodeError:
            continue
        last_ns = event.get("time_ns", last_ns)
        if event.get("index") == index:
            if event.get("type") != "invoke":
                raise InputError(f"event {index} of {history} is no invocation: name the index of one")
            process, begin_ns = event.get("process"), event["time_ns"]
        elif begin_ns is not None and event.get("process") == process and event.get("type") != "invoke":
            return begin_ns, int(event["time_ns"])
    if begin_ns is None:
        raise InputError(f"there is no operation {index} in {history}")
    return begin_ns, last_ns


def _described(
    source: MessageSource, wanted: Filter, arguments: argparse.Namespace, start_ns: int
) -> Iterator[dict[str, Any]]:
    """The messages as objects; with --follow until the record is finished."""
    count = 0
    while True:
        finished = bool(read_meta(source.connection).get("finished"))
        last = wanted.after_id
        left = None if arguments.limit is None else arguments.limit - count
        for row in select_messages(source.connection, wanted, left, start_ns or None):
            start_ns = start_ns or row["time_ns"]
            yield _object(source.connection, row, start_ns)
            last = row["id"]
            count += 1
        if not arguments.follow or finished or (arguments.limit is not None and count >= arguments.limit):
            return
        sys.stdout.flush()
        wanted = dataclasses.replace(wanted, after_id=last)
        time.sleep(_POLL_S)


def _context(row: sqlite3.Row) -> str | None:
    context = row["context"]
    if not isinstance(context, bytes | None):
        raise InputError(f"message {row['id']} has a context that raftmon did not write; decode its capture again")
    return context.hex() if context else None


def _object(connection: sqlite3.Connection, row: sqlite3.Row, start_ns: int) -> dict[str, Any]:
    operations = []
    if row["entries"]:
        operations = [
            {"index": entry["log_index"], "term": entry["term"], "op": entry["operation"], "key": entry["key"]}
            for entry in connection.execute(
                "SELECT log_index, term, operation, key FROM entries WHERE message = ? ORDER BY position, part",
                (row["id"],),
            )
        ]
    return {
        "id": row["id"],
        "time_ns": row["time_ns"],
        "at_s": round((row["time_ns"] - start_ns) / 1e9, 6),
        "kind": row["kind"],
        "from": row["source"],
        "to": row["target"],
        "term": row["term"],
        "log_term": row["log_term"],
        "index": row["log_index"],
        "commit": row["commit_index"],
        "entries": row["entries"],
        "operations": operations,
        "reject": bool(row["reject"]),
        "reject_hint": row["reject_hint"],
        "context": _context(row),
        "snapshot_index": row["snapshot_index"],
        "group": row["grp"],
        "channel": row["channel"],
        "system": row["system"],
        "packets": [row["first_packet"], row["last_packet"]],
        "size": row["size"],
        "verdict": row["verdict"],
        "delivered": None if row["delivered"] is None else bool(row["delivered"]),
    }


def _readable(context: str) -> str:
    """A message's context, given in hex: text where it is that (``CampaignTransfer``), a counter of raft 3.7 (8 bytes,
    little-endian, of which the upper are 0) as a number, else its bytes as rules take them.
    """
    data = bytes.fromhex(context)
    text = data.decode("ascii", "replace")
    if text.isprintable() and text.isascii():
        return text
    if len(data) == 8 and data[5:] == bytes(3):
        return str(int.from_bytes(data, "little"))
    return f"0x{context[:32]}"


def _detail(message: dict[str, Any]) -> str:
    parts = []
    if message["operations"]:
        shown = [f"{item['op']} {item['key'] or ''}".strip() for item in message["operations"][:3]]
        more = len(message["operations"]) - len(shown)
        parts.append("; ".join(shown) + (f"; {more} more" if more else ""))
    if message["kind"] in ("MsgVote", "MsgPreVote"):
        parts.append(f"last log term {message['log_term']}")
    elif message["kind"] in ("MsgVoteResp", "MsgPreVoteResp"):
        parts.append("refused" if message["reject"] else "granted")
    elif message["reject"]:
        parts.append(f"rejected, hint {message['reject_hint']}")
    if message["snapshot_index"]:
        parts.append(f"snapshot {message['snapshot_index']}")
    if message["context"]:
        parts.append("context " + _readable(message["context"]))
    if message["group"]:
        parts.append(message["group"])
    if message["verdict"]:
        parts.append(f"[{message['verdict']}]")
    return ", ".join(parts)


def _print_table(messages: Iterable[dict[str, Any]], _follow: bool) -> None:
    print(f"{'seconds':>12} {'packet':>8}  {'kind':<17} {'from':>6} -> {'to':<6} {'term':>5} {'index':>8}", end=" ")
    print(f"{'commit':>8} entries, what they do")
    for message in messages:
        link = f"{message['from'] or '?':>6} -> {message['to'] or '?':<6}"
        print(
            f"{message['at_s']:>12.6f} {message['packets'][1]:>8}  {message['kind']:<17} {link} "
            f"{message['term']:>5} {message['index']:>8} {message['commit']:>8} "
            f"{message['entries'] or '':<3} {_detail(message)}".rstrip()
        )


def _print_json(messages: Iterable[dict[str, Any]], follow: bool) -> None:
    """One array, or one object a line where it goes on."""
    if follow:
        for message in messages:
            print(orjson.dumps(message).decode(), flush=True)
        return
    print("[", end="")
    for number, message in enumerate(messages):
        print(("," if number else "") + "\n" + orjson.dumps(message).decode(), end="")
    print("\n]")


def _print_csv(messages: Iterable[dict[str, Any]], _follow: bool) -> None:
    columns = (
        "id", "at_s", "kind", "from", "to", "term", "log_term", "index", "commit", "entries", "operations", "reject",
        "reject_hint", "context", "group", "channel", "first_packet", "last_packet", "size", "verdict", "delivered",
    )  # fmt: skip
    writer = csv.writer(sys.stdout)
    writer.writerow(columns)
    for message in messages:
        operations = ";".join(f"{item['op']} {item['key'] or ''}".strip() for item in message["operations"])
        first, last = message["packets"]
        flat = message | {"operations": operations, "first_packet": first, "last_packet": last}
        writer.writerow([flat[column] for column in columns])


_PRINTERS: dict[str, Callable[[Iterable[dict[str, Any]], bool], None]] = {
    "table": _print_table,
    "json": _print_json,
    "csv": _print_csv,
}
