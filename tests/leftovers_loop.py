"""Kills a run N times at random moments, by SIGKILL, and looks for what it left on the host.

    python tests/leftovers_loop.py [--times 20] [--seed 1] [--latest 8] [-- COMMAND …]

The command is ``raftmon run`` unless another is given. Exit status 1 if anything was left. With its own seed, so a
failure's moments can be had again.
"""

import argparse
import itertools
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from raftmon.driver.faults.registry import catalogue  # noqa: E402
from raftmon.setup import leftovers  # noqa: E402  (a script: the path comes first)


def main():
    parser = argparse.ArgumentParser(description="Kill a run at random moments; nothing may be left.")
    parser.add_argument("--times", type=int, default=20, metavar="N")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--latest", type=float, default=8.0, metavar="S", help="kill no later than S seconds")
    parser.add_argument("--settle", type=float, default=15.0, metavar="S", help="what was killed has S seconds to die")
    parser.add_argument("--every-fault", action="store_true", help="each run has another fault of the catalogue on")
    parser.add_argument("command", nargs="*", help="what to run and kill, after --")
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    kinds = itertools.cycle(catalogue()) if arguments.every_fault else None
    token = f"{os.getpid()}-{time.time_ns()}"
    environment = {**os.environ, leftovers.TOKEN_VARIABLE: token}
    before = leftovers.take(token)
    failures = killed = 0
    for number in range(1, arguments.times + 1):
        moment_s = chance.uniform(0.0, arguments.latest)
        fault = [] if kinds is None else ["--fault", f"{next(kinds)}@1%..99%"]
        with tempfile.TemporaryDirectory(prefix="raftmon-leftovers-") as store:  # a killed run keeps a fifth of a GB
            command = arguments.command or [
                str(ROOT / ".venv/bin/raftmon"), "run", "--duration", "20", "--store", store,
            ]  # fmt: skip
            lines, still_ran = _kill_once([*command, *fault], environment, moment_s, before, arguments.settle)
        killed += still_ran
        failures += bool(lines)
        under = f" under {fault[1]}" if fault else ""
        print(f"{number}: killed after {moment_s:.2f} s{under}; {'; '.join(lines) or 'nothing left'}", flush=True)
    if not killed:
        print("no run lived until it was to be killed: nothing was tested", file=sys.stderr)
        return 1
    print(f"{killed} of {arguments.times} runs killed alive; {failures} left something")
    return 1 if failures else 0


def _kill_once(command, environment, moment_s, before, settle_s):
    """What was left, and whether the run still ran when its moment came."""
    token = environment[leftovers.TOKEN_VARIABLE]
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            command, env=environment, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
        try:
            status = process.wait(moment_s)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            return leftovers.settled(before, token, settle_s), True
        output.seek(0)
        words = output.read().decode(errors="replace").splitlines()[-1:]
        return [f"the run ended by itself with {status} {words}", *leftovers.settled(before, token, settle_s)], False


if __name__ == "__main__":
    sys.exit(main())
