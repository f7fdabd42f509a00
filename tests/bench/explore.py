"""Guided against blind exploration: ``python -m tests.bench.explore SYSTEM SERVER WORKLOAD [--repeats N]``.

Both get the same budget, the same faults and the same seeds, in turns. Printed: for each, the time and the number of
schedules to the first violation (none found counts as the whole budget) and the states reached by then, with medians.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

import orjson

from raftmon.setup.python import module_command


def once(arguments: argparse.Namespace, seed: int, *, blind: bool) -> tuple[float, int, int, bool]:
    """(seconds, schedules, states, found) of one exploration."""
    with tempfile.TemporaryDirectory(prefix="raftmon-bench-") as store:
        options = {
            "--system": arguments.system,
            "--server": arguments.server,
            "--workload": arguments.workload,
            "--minutes": f"{arguments.seconds / 60:.4f}",
            "--seed": str(seed),
            "--duration": arguments.duration,
            "--store": store,
            "--confirm": "0",
        }
        command = [*module_command("raftmon.driver.cli"), "explore", "--json", *(["--blind"] if blind else [])]
        command += [word for pair in options.items() for word in pair]
        command += ["--faults", arguments.faults] if arguments.faults else []
        if arguments.lock:
            command = ["flock", arguments.lock, *command]
        ended = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
        found = orjson.loads(ended.stdout)
    seconds = found["found"][0]["seconds"] if found["found"] else float(arguments.seconds)
    return seconds, found["trials"], found["states"], bool(found["found"])


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("system")
    parser.add_argument("server")
    parser.add_argument("workload")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--duration", default="3")
    parser.add_argument("--faults")
    parser.add_argument("--lock", type=Path, help="a lock file to hold during each exploration")
    arguments = parser.parse_args()
    rows: dict[str, list[tuple[float, int, int, bool]]] = {"guided": [], "blind": []}
    for seed in range(1, arguments.repeats + 1):
        for name, found in rows.items():
            found.append(once(arguments, seed, blind=name == "blind"))
            seconds, trials, states, shown = found[-1]
            verdict = "violation" if shown else "none"
            print(
                f"{name:<7} seed {seed}: {verdict} after {seconds:.0f} s, {trials} schedules, {states} states",
                flush=True,
            )
    for name, found in rows.items():
        medians = [median(one[column] for one in found) for column in range(3)]
        shown = sum(one[3] for one in found)
        print(
            f"{name:<7} median: {medians[0]:.0f} s to the first violation ({shown} of {len(found)} found one), "
            f"{medians[1]:g} schedules, {medians[2]:g} states"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
