"""What runs could leave behind on the host: processes, namespaces, mounts, interfaces, firewall rules.

    python -m raftmon.setup.leftovers save FILE       remember what is there
    python -m raftmon.setup.leftovers compare FILE    exit 1, and say what, if more is there now

Processes are those that inherited the variable RAFTMON_LEFTOVERS with the value it has now, so that other runs on the
machine are not mistaken for ours.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil

__all__ = ["TOKEN_VARIABLE", "Snapshot", "added", "main", "settled", "take"]

TOKEN_VARIABLE = "RAFTMON_LEFTOVERS"
Snapshot = dict[str, list[str]]  # kind of thing -> its sorted descriptions
_SAVE_COMMANDS = ("iptables-legacy-save", "iptables-nft-save", "ip6tables-legacy-save", "ip6tables-nft-save")
_LONGEST_DYING_S = 15.0


def take(token: str) -> Snapshot:
    """What is there now, seen from the caller's own namespaces; ``token`` marks the processes that count.

    Firewall rules can be read by root alone; others get none.
    """
    return {
        "process": _processes(token),
        "network namespace": sorted(os.listdir("/run/netns")) if os.path.isdir("/run/netns") else [],
        "mount": _mounts(),
        "interface": sorted(name for _, name in socket.if_nameindex()),
        "firewall rule": _rules(),
    }


def _processes(token: str) -> list[str]:
    found = []
    for process in psutil.process_iter():
        try:
            if (
                process.pid != os.getpid()
                and process.environ().get(TOKEN_VARIABLE) == token
                and process.status() != psutil.STATUS_ZOMBIE
            ):
                found.append(f"{process.pid} {' '.join(process.cmdline())[:200]}")
        except psutil.Error:  # it ended, or is another user's
            continue
    mine = {f"{parent.pid} " for parent in psutil.Process().parents()}  # make, the shell, the test runner
    return sorted(line for line in found if not line.startswith(tuple(mine)))


def _mounts() -> list[str]:
    """Mount points with their kinds (proc_pid_mountinfo(5): the kind follows the lone dash)."""
    found = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        words = line.split()
        found.append(f"{words[4]} ({words[words.index('-') + 1]})")
    return sorted(found)


def _rules() -> list[str]:
    """Every rule of both flavours, without counters. A table that is merely empty is no rule."""
    found = []
    for name in _SAVE_COMMANDS:
        command = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
        if command is None:
            continue
        done = subprocess.run([command], capture_output=True, text=True, check=False)
        lines = (line.split(" [")[0] for line in done.stdout.splitlines())
        found += [f"{name}: {line}" for line in lines if line.startswith(("-A", ":RAFTMON"))]
    return sorted(found)


def added(before: Snapshot, after: Snapshot) -> list[str]:
    """One line for each thing that is there after and was not before."""
    lines = []
    for kind, things in after.items():
        rest = list(before.get(kind, []))
        for thing in things:
            if thing in rest:
                rest.remove(thing)  # counted: the same mount twice is one more
            else:
                lines.append(f"{kind} left: {thing}")
    return lines


def settled(
    before: Snapshot,
    token: str,
    timeout_s: float = _LONGEST_DYING_S,
    see: Callable[[str], Snapshot] = take,
    clock: Callable[[], float] = time.monotonic,
) -> list[str]:
    """What was added, once nothing is or ``timeout_s`` is over: what was killed takes a moment to die."""
    deadline = clock() + timeout_s
    pause = threading.Event()
    while (lines := added(before, see(token))) and clock() < deadline:
        pause.wait(0.05)
    return lines


def main(argv: Sequence[str] | None = None) -> int:
    """The command described above."""
    parser = argparse.ArgumentParser(
        prog="python -m raftmon.setup.leftovers", description="Find what runs left on the host."
    )
    parser.add_argument("action", choices=("save", "compare"))
    parser.add_argument("file", type=Path)
    arguments = parser.parse_args(argv)
    token = os.environ.get(TOKEN_VARIABLE, "")
    if arguments.action == "save":
        arguments.file.write_text(json.dumps(take(token), indent=1))
        return 0
    lines = settled(json.loads(arguments.file.read_text()), token)
    for line in lines:
        print(line, file=sys.stderr)
    print(f"leftovers: {len(lines) or 'none'}")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
