"""From file to verdict, old code beside new: ``python -m tests.bench.histories [--old FOLDER]``. A line of JSON a case.

FOLDER is a checkout of raftmon before the readers were compiled (786a936); without one only today's figures are given.
Every measurement is a process of its own, old and new in turn, and the best of several: what is compared ran in the
same minutes on the same machine. ``seconds`` are from the start of reading to the verdict; ``peak_mb`` is the process.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from raftmon.driver.histories.writers import write_history
from tests.driver.histories.synthetic import register_deeds, simulate

CASES = ((1_000_000, "jsonl"), (100_000, "edn"))
_MEASURED = """
import json, resource, sys, time
from {prefix}driver.checkers import RegisterChecker, check_safely, read_history
begin, cpu = time.perf_counter(), time.process_time()
history = read_history(sys.argv[1])
read_s = time.perf_counter() - begin
result = check_safely(RegisterChecker(), history)
figures = {{"read_s": read_s, "seconds": time.perf_counter() - begin, "valid": result.valid.value}}
children = resource.getrusage(resource.RUSAGE_CHILDREN)
figures["cpu_s"] = time.process_time() - cpu + children.ru_utime + children.ru_stime
own = next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1]
figures["peak_mb"] = max(int(own), children.ru_maxrss) / 1000  # ru_maxrss of itself is its parent's, if that was larger
print(json.dumps(figures))
"""


def measured(path: Path, old: Path | None) -> dict[str, Any]:
    """One process that reads and judges ``path``, with today's code or that in ``old``."""
    code = _MEASURED.format(prefix="" if old else "raftmon.")
    environment = {**os.environ, "PYTHONPATH": str(old)} if old else dict(os.environ)
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, env=environment, cwd=old or Path.cwd(), check=True
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def case(path: Path, old: Path | None, times: int) -> dict[str, Any]:
    """The best of ``times`` of each, in turn, and the ratios."""
    figures: dict[str, list[dict[str, Any]]] = {"new": [], "old": []}
    for _ in range(times):
        if old is not None:
            figures["old"].append(measured(path, old))
        figures["new"].append(measured(path, None))
    best = {name: min(runs, key=lambda run: run["cpu_s"]) for name, runs in figures.items() if runs}
    found: dict[str, Any] = {
        name: {k: round(v, 2) if k != "valid" else v for k, v in run.items()} for name, run in best.items()
    }
    if old is not None:
        found["ratios"] = {
            k: round(best["old"][k] / best["new"][k], 1) for k in ("read_s", "seconds", "cpu_s", "peak_mb")
        }
    return found


def main() -> int:
    """Run every case."""
    parser = argparse.ArgumentParser(description="from file to verdict, old beside new")
    parser.add_argument("--old", type=Path, default=Path("/tmp/raftmon-old"))
    parser.add_argument("--times", type=int, default=2)
    arguments = parser.parse_args()
    old = arguments.old if (arguments.old / "driver").is_dir() else None
    with tempfile.TemporaryDirectory() as folder:
        for operations, ending in CASES:
            path = Path(folder) / f"history.{ending}"
            write_history(simulate(register_deeds(), {}, operations, 5, random.Random(1)), path)
            print(
                json.dumps({"operations": operations, "format": ending, **case(path, old, arguments.times)}), flush=True
            )
            path.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
