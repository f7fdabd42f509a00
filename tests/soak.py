"""``make soak SECONDS=600``: one run with random faults for as long as asked, and how much memory each process takes.

Prints a line every ten seconds: the resident memory in MB of driver, monitor, recorder, client hosts and nodes, and the
size of the record on the disk. Ends with 1 where monitor, recorder, driver or a client host grew by more than a tenth
between the run's second fifth and its end, or the run was not valid.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

_MODULES = {
    "raftmon.monitor": "monitor",
    "raftmon.monitor.recorder": "recorder",
    "raftmon.driver.clients": "clients",
    "raftmon.driver.cli": "driver",
}
_WATCHED = tuple(_MODULES.values())
_GROWTH, _SLACK_MB = 1.1, 4.0
_EVERY_S = 10.0


def sizes_mb(below: psutil.Process) -> dict[str, float]:
    """Resident memory in MB of the largest process of each kind in a run, servers as ``node``."""
    found: dict[str, float] = {}
    for process in below.children(recursive=True):
        try:
            words, mb = process.cmdline(), process.memory_info().rss / 1e6
        except psutil.Error:
            continue
        name = next((_MODULES[word] for word in words if word in _MODULES), None)
        if name is None and words and "python" not in words[0]:
            name = "node"
        if name is not None:
            found[name] = max(found.get(name, 0.0), mb)
    return found


def grown(seen: list[dict[str, float]]) -> list[str]:
    """Who grew by more than a tenth from the second fifth on, in words; ``seen`` are sizes in their order."""
    if len(seen) < 5:
        return []
    early = seen[len(seen) // 5 : 2 * len(seen) // 5]
    late = seen[-len(early) :]
    words = []
    for name in _WATCHED:
        before, after = (max((one[name] for one in part if name in one), default=0.0) for part in (early, late))
        if before and after > before * _GROWTH + _SLACK_MB:
            words.append(f"{name} grew from {before:.1f} to {after:.1f} MB")
    return words


def main() -> int:
    """Run, look, judge."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak")
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("options", nargs="*", help="after --: options of raftmon run")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="raftmon-soak-") as store:
        command = [
            sys.executable, "-m", "raftmon.driver.cli", "run", "--fault", "random", "--seed", str(arguments.seed),
            "--duration", str(arguments.seconds), "--store", store, *arguments.options,
        ]  # fmt: skip
        with tempfile.TemporaryFile() as output:
            run = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
            seen = _watch(psutil.Process(run.pid), run, Path(store))
            output.seek(0)
            print(output.read().decode(errors="replace")[-6000:])
    words = grown(seen)
    print("; ".join(words) or f"memory flat over {len(seen) * _EVERY_S:.0f} s")
    return 1 if words or run.returncode else 0


def _watch(process: psutil.Process, run: subprocess.Popen[bytes], store: Path) -> list[dict[str, float]]:
    """A line every ten seconds until the run ends; the sizes while its clients worked."""
    seen: list[dict[str, float]] = []
    began = time.monotonic()
    while run.poll() is None:
        try:
            run.wait(_EVERY_S)
        except subprocess.TimeoutExpired:
            try:
                found = sizes_mb(process)
            except psutil.Error:
                break
            if "clients" in found:
                seen.append(found)
            disk_mb = {
                name: sum(one.stat().st_size for one in store.glob(f"*/*/{name}*")) / 1e6
                for name in ("history.jsonl", "packets.pcapng", "messages.sqlite", "events.jsonl")
            }
            print(
                f"{time.monotonic() - began:6.0f} s  "
                + "  ".join(f"{name} {mb:.1f} MB" for name, mb in sorted(found.items()))
                + "  |  " + "  ".join(f"{name} {mb:.1f}" for name, mb in disk_mb.items()),
                flush=True,
            )  # fmt: skip
    run.wait()
    return seen


if __name__ == "__main__":
    raise SystemExit(main())
