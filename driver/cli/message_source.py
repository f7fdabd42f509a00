"""Which message record a command is about: a run, a ``messages.sqlite`` or a capture decoded on the fly."""

from __future__ import annotations

import argparse
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson

from driver.cli.arguments import CommandParser
from driver.store import find_run
from monitor.capture import is_capture
from monitor.raft.record import decode_capture
from monitor.raft.store import open_store
from setup.errors import InputError

__all__ = ["MessageSource", "add_message_source", "message_source"]

_RECORD = "messages.sqlite"
_PACKETS = "packets.pcapng"


@dataclass(frozen=True, slots=True)
class MessageSource:
    """A record that can be asked. ``folder`` is the run's, None for a capture or a single file."""

    path: Path
    connection: sqlite3.Connection
    folder: Path | None = None
    capture: Path | None = None


def add_message_source(parser: CommandParser) -> None:
    """The argument ``[RUN|FILE]`` and ``--store``."""
    parser.add_argument(
        "source",
        nargs="?",
        metavar="RUN|FILE",
        help="a run's folder or part of its name, a messages.sqlite, or a pcap/pcapng file, gzipped or not "
        "(default: the newest run)",
    )
    parser.add_store()


def names_of_run(folder: Path) -> dict[str, str]:
    """IP address -> node name, as the monitor's configuration in a run's folder tells; empty where there is none."""
    for file in sorted(folder.glob("monitor*.json")):
        try:
            found = orjson.loads(file.read_bytes())
        except (OSError, orjson.JSONDecodeError):
            continue
        hosts = found.get("hosts") if isinstance(found, dict) else None
        if isinstance(hosts, list):
            return {host["address"]: host["name"] for host in hosts if isinstance(host, dict) and "address" in host}
    return {}


@contextmanager
def message_source(arguments: argparse.Namespace) -> Iterator[MessageSource]:
    """Open what the arguments name; a capture is decoded into a temporary record first.

    Raises InputError where there is nothing to read.
    """
    given = arguments.source
    path = Path(given) if given is not None else None
    if path is not None and path.is_file():
        if is_capture(path):
            with tempfile.TemporaryDirectory(prefix="raftmon-") as folder:
                target = Path(folder) / _RECORD
                decode_capture(path, target)
                yield MessageSource(path, open_store(target), None, path)
            return
        yield MessageSource(path, open_store(path), path.parent if (path.parent / "config.json").exists() else None)
        return
    run = find_run(given, arguments.store).path
    record, packets = run / _RECORD, run / _PACKETS
    if record.exists():
        yield MessageSource(run, open_store(record), run, packets if packets.exists() else None)
    elif packets.exists():
        with tempfile.TemporaryDirectory(prefix="raftmon-") as folder:
            target = Path(folder) / _RECORD
            decode_capture(packets, target, names_of_run(run))
            yield MessageSource(run, open_store(target), run, packets)
    else:
        raise InputError(f"{run} has neither {_RECORD} nor {_PACKETS}: it was run without recording")
