"""Default runs of every system, one after another: none may end invalid (``make soak-verdicts``).

``python -m tests.soak_verdicts --times 10 --duration 10 [SYSTEM ...]``. A run that ends invalid is kept and named, with
its sentence; its exit status is 1 then. Not collected by pytest: it takes minutes. A system known to be wrong is judged
by the sentence that is expected of it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from raftmon.setup.python import module_command

SYSTEMS = ("etcd", "pysyncobj", "nats", "ovsdb", "hashicorp-raft", "zookeeper", "dqlite")
KNOWN = {"nats": "register"}  # nats-server 2.9.10 and its cas: docs/adapters.md; whatever else is invalid is false
FAILED = 70  # a run that left no results


def one_run(system: str, duration_s: float, store: Path, seed: int) -> tuple[int, dict[str, str], str]:
    """(exit status, {checker: sentence} of those that said invalid, the error's text)."""
    command = module_command("raftmon.driver.cli", "run", "--system", system, "--duration", str(duration_s))
    command += ["--seed", str(seed), "--json", "--store", str(store)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=duration_s + 120, check=False)
    try:
        said = json.loads(ended.stdout)
    except json.JSONDecodeError:
        return FAILED, {}, ended.stderr.strip()[-400:]
    checkers = said.get("checkers", {})
    wrong = {name: one["sentence"] for name, one in checkers.items() if one["valid"] == "invalid"}
    return ended.returncode, wrong, "; ".join(said.get("reasons", []))[:300]


def main() -> int:
    """Run, print a line a run and one a system; 1 where a verdict was false."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("systems", nargs="*", default=SYSTEMS)
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--duration", type=float, default=10.0)
    parser.add_argument("--store", type=Path, default=None)
    asked = parser.parse_args()
    store = asked.store or Path(tempfile.mkdtemp(prefix="raftmon-soak-"))
    false = 0
    for system in asked.systems:
        counts = {0: 0, 1: 0, 2: 0}
        for seed in range(1, asked.times + 1):
            status, wrong, why = one_run(system, asked.duration, store, seed)
            counts[status] = counts.get(status, 0) + 1
            unexpected = {name: text for name, text in wrong.items() if name != KNOWN.get(system)}
            false += bool(unexpected) or status == FAILED
            if status:
                print(f"{system} seed {seed}: exit {status} {unexpected or wrong or why}", flush=True)
        named = {0: "valid", 1: "invalid", 2: "unknown"}
        print(f"{system}: " + ", ".join(f"{n} {named.get(s, f'exit {s}')}" for s, n in counts.items() if n), flush=True)
    print(f"{false} false verdicts or failed runs; runs in {store}", flush=True)
    return 1 if false else 0


if __name__ == "__main__":
    sys.exit(main())
