"""What judging costs in processor time: less at the mercy of what else the machine does than any clock on the wall."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil

_TABLE = Path("/proc/net/netfilter/nfnetlink_queue")
_LAST_ID = 7  # the column with the number of the last packet queued


def _judged() -> int:
    """How many packets the queue has had so far; 0 where this user may not know."""
    try:
        rows = _TABLE.read_text().split("\n")
    except OSError:
        return 0
    return sum(int(row.split()[_LAST_ID]) for row in rows if row)


def _spent_ns(pid: int) -> int:
    """Processor time of all threads (proc(5), schedstat), the forwarding done inside the verdict's system call too."""
    return sum(int((task / "schedstat").read_text().split()[0]) for task in Path(f"/proc/{pid}/task").iterdir())


def processes(parent: int) -> dict[str, int]:
    """The processes that work for the queue program ``parent``, by the key in which their cost is told."""
    children = psutil.Process(parent).children()
    recorders = [child.pid for child in children if "raftmon.monitor.recorder" in child.cmdline()]
    return {"loop_us": parent, **({"recorder_us": recorders[0]} if recorders else {})}


@contextlib.contextmanager
def per_packet(pids: Mapping[str, int], found: dict[str, Any]) -> Iterator[None]:
    """After the block ``found["cost"]`` has microseconds a packet for each of ``pids``, if any packet was queued."""
    judged, spent = _judged(), {key: _spent_ns(pid) for key, pid in pids.items()}
    yield
    packets = _judged() - judged
    if pids and packets > 0:
        found["cost"] = {key: round((_spent_ns(pid) - spent[key]) / 1e3 / packets, 2) for key, pid in pids.items()}
