"""What decoding costs a whole run: ``python -m tests.bench.whole_run [--rounds 3] [--old WORKTREE]``.

Each round runs etcd with five clients and its data on the disk: without a monitor, and with all that ``raftmon run``
does; with ``--old``, also from an installed worktree of older code. Answered operations over those without a monitor,
and how late the heads of messages were known. At the end one run at 1,000 operations a second, for that lag alone.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parents[2]


def run(root: Path, store: Path, name: str, seconds: int, *options: str) -> dict[str, Any]:
    """One run: answered operations, and the recorder's counters (none without a monitor)."""
    command = [str(root / ".venv/bin/raftmon"), "run", "--system", "etcd", "--fault", "none", "--clients", "5"]
    command += ["--duration", str(seconds), "--store", str(store), "--name", name, *options]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=seconds + 120)
    folders = sorted((store / name).glob("2*"))
    if done.returncode or not folders:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout[-800:]}{done.stderr[-800:]}")
    with (folders[-1] / "history.jsonl").open() as lines:
        answered = sum('"ok"' in line for line in lines)
    counters = folders[-1] / "monitor.json"
    recorder = (json.loads(counters.read_text()).get("recorder") or {}) if counters.exists() else {}
    return {"answered": answered, "recorder": recorder}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--old", type=Path, help="an installed worktree of older code, run beside")
    arguments = parser.parse_args()
    variants = {"decoding": (_ROOT, ())} | ({"old": (arguments.old, ())} if arguments.old else {})
    ratios: dict[str, list[float]] = {name: [] for name in variants}
    with tempfile.TemporaryDirectory(dir=_ROOT / "store" if (_ROOT / "store").is_dir() else None) as folder:
        store = Path(folder)
        for number in range(arguments.rounds):
            bare = run(_ROOT, store, f"bare-{number}", arguments.seconds, "--no-monitor")["answered"]
            for name, (root, options) in variants.items():
                found = run(root, store, f"{name}-{number}", arguments.seconds, *options)
                ratios[name].append(found["answered"] / bare)
                heads = found["recorder"].get("heads_lag_ms", {})
                print(
                    f"round {number + 1}: {name} {found['answered']:,} of {bare:,} answered, heads {heads}", flush=True
                )
        found = run(_ROOT, store, "rate", arguments.seconds, "--rate", "1000")
        heads = found["recorder"].get("heads_lag_ms", {})
        print(f"at 1,000 operations a second ({found['answered']:,} answered): heads {heads}", file=sys.stdout)
    for name, values in ratios.items():
        spread = f"{min(values):.3f} to {max(values):.3f}"
        print(f"{name} over no monitor: {statistics.median(values):.3f} ({spread})")


if __name__ == "__main__":
    main()
