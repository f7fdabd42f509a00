"""``python -m tests.bench.recovery``: does a fault slow the healthy phase after it?

For each fault one run: 5 s healthy, 3 s of the fault, 10 s to recover, 5 s healthy. The throughput of the second
phase is compared with that of the first *of the same run*, and all of it with runs without a fault, which say how
much the machine itself wavers. Prints a table and writes ``recovery.json``:
``{fault: {"ratios": [after/before, ...], "median": r}}``.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import orjson

from raftmon.driver.histories.formats import read_history
from raftmon.driver.run_folder import RESULTS, find_run

FAULTS = (
    "none", "kill-leader", "kill-majority", "pause-leader", "restart-all", "full-partition", "partial-partition",
    "halves", "one-way", "intermittent-partial", "intermittent-full", "client-from-node", "slow-links", "lossy-links",
    "duplicated-packets", "reordered-packets", "rate-limit", "slow-node", "member-replace", "wal-truncate",
)  # fmt: skip
START_S, STOP_S, END_S = 6.0, 9.0, 24.0
PHASE_S = 5.0
WARM_UP_S = 1.0


def one_run(fault: str, seed: int, store: Path, options: list[str]) -> float:
    """Operations in the last healthy phase over operations in the first; raises RuntimeError if a run failed."""
    text = "none" if fault == "none" else f"{fault}@{START_S}s..{STOP_S}s"
    command = [sys.executable, "-m", "raftmon.driver.cli", "run", "--fault", text, "--duration", str(END_S), "--json"]
    command += ["--clients", "6", "--op-timeout", "1s", "--seed", str(seed), "--store", str(store), *options]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode >= 64:
        raise RuntimeError(f"{fault}: {ended.stderr[-1500:]}")
    folder = find_run(None, store)
    began_ns = folder.load(RESULTS)["began_ns"]
    columns = read_history(folder.path).columns
    returned_s = (columns.return_ns[columns.outcome == 0] - began_ns) / 1e9

    def count(start_s: float) -> int:
        return int(np.count_nonzero((returned_s >= start_s) & (returned_s < start_s + PHASE_S)))

    ratio = count(END_S - PHASE_S) / max(1, count(WARM_UP_S))
    folder.remove()  # a run is some hundred MB
    return ratio


def main() -> int:
    """Measure all, interleaved round by round; 1 if the median of a fault is below 0.9."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.recovery", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--faults", default=",".join(FAULTS))
    parser.add_argument("--out", type=Path, default=Path("recovery.json"))
    parser.add_argument("options", nargs="*", help="after --: options of raftmon run")
    arguments = parser.parse_args()
    faults = arguments.faults.split(",")
    ratios: dict[str, list[float]] = {fault: [] for fault in faults}
    with tempfile.TemporaryDirectory(prefix="raftmon-recovery-") as store:
        for number in range(arguments.rounds):
            for fault in faults:
                ratios[fault].append(one_run(fault, number, Path(store), arguments.options))
                print(f"round {number + 1}: {fault}: {ratios[fault][-1]:.2f}", flush=True)
    result = {fault: {"ratios": found, "median": statistics.median(found)} for fault, found in ratios.items()}
    arguments.out.write_bytes(orjson.dumps(result, option=orjson.OPT_INDENT_2))
    print(f"\n{'fault':<22} after/before (median, least, greatest)")
    for fault, found in result.items():
        print(f"{fault:<22} {found['median']:.2f}  {min(found['ratios']):.2f}  {max(found['ratios']):.2f}")
    return int(any(found["median"] < 0.9 for found in result.values()))


if __name__ == "__main__":
    sys.exit(main())
