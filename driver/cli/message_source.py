"""Which message record a command is about: a run, a ``messages.sqlite`` or a capture decoded on the fly."""

from __future__ import annotations

import argparse
import sqlite3
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from raftmon.driver.cli.arguments import CommandParser
from raftmon.driver.cli.standard_input import is_stream, spooled_input
from raftmon.driver.run_folder import CONFIG, RESULTS, RunFolder, find_run
from raftmon.monitor.packets.capture_reader import is_capture
from raftmon.monitor.raft.codecs.table import all_codecs
from raftmon.monitor.raft.database.query import first_time, read_meta
from raftmon.monitor.raft.database.store import open_store
from raftmon.monitor.recorder.leader_board import caught_up
from raftmon.monitor.recorder.message_sink import decode_capture
from raftmon.setup.errors import InputError

__all__ = [
    "MessageSource",
    "add_capture_options",
    "add_message_source",
    "json_lines",
    "message_source",
    "names_of_run",
    "say_zero",
]

_RECORD = "messages.sqlite"
_PACKETS = "packets.pcapng"


@dataclass(frozen=True, slots=True)
class MessageSource:
    """A record that can be asked. ``folder`` is the run's, None for a capture or a single file."""

    path: Path
    connection: sqlite3.Connection
    folder: Path | None = None
    capture: Path | None = None

    def run_offset_ns(self) -> int:
        """What to add to the run's times (CLOCK_MONOTONIC) to have them on the record's clock.

        0 for a record that was made while the run was on; for one decoded from packets.pcapng, whose times are UTC, by
        the pair of clocks in config.json.
        """
        if self.folder is None or read_meta(self.connection).get("clock") != "utc":
            return 0
        config = RunFolder(self.folder).load(CONFIG) or {}
        wall_ns, monotonic_ns = config.get("wall_ns"), config.get("monotonic_ns")
        return wall_ns - monotonic_ns if isinstance(wall_ns, int) and isinstance(monotonic_ns, int) else 0

    def began_ns(self) -> int | None:
        """When the clients of the run began, on the record's clock: second 0 of everything that is shown of the run.

        None if there is no run, or its clients have not begun: seconds then count from the first message.
        """
        if self.folder is None:
            return None
        found = (RunFolder(self.folder).load(RESULTS) or {}).get("began_ns")
        if not isinstance(found, int):
            events = json_lines(self.folder / "events.jsonl")
            found = next((event.get("begin_ns") for event in events if event.get("event") == "workload began"), None)
        return found + self.run_offset_ns() if isinstance(found, int) else None

    def zero_ns(self) -> int:
        """What seconds count from, on the record's clock; 0 if there is no message either."""
        began_ns = self.began_ns()
        return first_time(self.connection) if began_ns is None else began_ns


def json_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The objects with a ``time_ns`` in a file of JSON lines; none where there is no file, or a line is torn."""
    if not path.exists():
        return
    for line in path.read_bytes().splitlines():
        try:
            found = orjson.loads(line)
        except orjson.JSONDecodeError:
            continue  # the last line of a run that died
        if isinstance(found, dict) and isinstance(found.get("time_ns"), int):
            yield found


def say_zero(command: str, source: MessageSource) -> None:
    """Tell on stderr what seconds count from, where there is no run and so no client's first operation."""
    if source.folder is None:
        print(f"raftmon {command}: this is no run, so seconds count from the first message", file=sys.stderr)


def add_capture_options(parser: CommandParser) -> None:
    """``--port`` and ``--codec``: what is read of a capture."""
    parser.add_argument(
        "--port", type=_ports, metavar="PORT[,PORT]",
        help="of a capture, only connections to these server ports (default: all)",
    )  # fmt: skip
    parser.add_argument(
        "--codec", action="append", default=[], metavar="FILE.py",
        help="a codec of your own for the connections of a capture (docs/raft.md); repeatable",
    )  # fmt: skip


def _ports(text: str) -> frozenset[int]:
    try:
        found = frozenset(int(word) for word in text.split(","))
    except ValueError:
        found = frozenset()
    if not found or not all(1 <= port <= 65535 for port in found):
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of ports: write --port 2380 or --port 12380,22380")
    return found


def add_message_source(parser: CommandParser) -> None:
    """The argument ``[RUN|FILE]`` and ``--store``."""
    parser.add_argument(
        "source",
        nargs="?",
        metavar="RUN|FILE",
        help="a run's folder or part of its name, a messages.sqlite, or a pcap/pcapng file, packed or not; "
        "- is standard input (default: the newest run)",
    )
    add_capture_options(parser)
    parser.add_store()


def names_of_run(folder: Path) -> dict[str, str]:
    """IP address -> node name, as the monitor's configuration in a run's folder tells; empty if there is none."""
    for file in sorted(folder.glob("monitor*.json")):
        try:
            found = orjson.loads(file.read_bytes())
        except (OSError, orjson.JSONDecodeError):
            continue
        hosts = found.get("hosts") if isinstance(found, dict) else None
        if isinstance(hosts, list):
            named = [host for host in hosts if isinstance(host, dict) and "address" in host and "name" in host]
            return {host[kind]: host["name"] for kind in ("presented", "address") for host in named if host.get(kind)}
    return {}


def _pointing_to(arguments: argparse.Namespace, path: Path) -> argparse.Namespace:
    return argparse.Namespace(**{**vars(arguments), "source": str(path)})


def _say_notes(capture: Path, summary: Mapping[str, Any]) -> None:
    """What there is to say of a capture (where it breaks off, say), on stderr."""
    for note in summary["notes"]:
        print(f"raftmon: {capture}: {note}", file=sys.stderr)


@contextmanager
def message_source(arguments: argparse.Namespace) -> Iterator[MessageSource]:
    """Open what the arguments name; a capture is decoded into a temporary record first.

    Raises InputError if there is nothing to read.
    """
    given, ports, codecs = arguments.source, arguments.port, all_codecs(arguments.codec)
    if is_stream(given):
        with spooled_input(given) as spooled, message_source(_pointing_to(arguments, spooled)) as source:
            yield source
        return
    path = Path(given) if given is not None else None
    if path is not None and path.is_file():
        if is_capture(path):
            with tempfile.TemporaryDirectory(prefix="raftmon-") as folder:
                target = Path(folder) / _RECORD
                _say_notes(path, decode_capture(path, target, ports=ports, codecs=codecs))
                yield MessageSource(path, open_store(target), None, path)
            return
        if ports is not None:
            raise InputError(f"--port selects connections of a capture: give the capture from which {path} was made")
        yield MessageSource(path, open_store(path), path.parent if (path.parent / "config.json").exists() else None)
        return
    run = find_run(given, arguments.store).path
    record, packets = run / _RECORD, run / _PACKETS
    if record.exists() and ports is None:
        if not caught_up(run):  # of a live run, what was sent until now
            print(f"raftmon: {run} is live, and its newest messages are still being decoded", file=sys.stderr)
        yield MessageSource(run, open_store(record), run, packets if packets.exists() else None)
    elif packets.exists():
        with tempfile.TemporaryDirectory(prefix="raftmon-") as folder:
            target = Path(folder) / _RECORD
            _say_notes(packets, decode_capture(packets, target, names_of_run(run), ports=ports, codecs=codecs))
            yield MessageSource(run, open_store(target), run, packets)
    else:
        what = f"no {_PACKETS}, which --port needs" if record.exists() else f"neither {_RECORD} nor {_PACKETS}"
        raise InputError(f"{run} has {what}: it was run without recording")
