"""Ends a run N times at random moments, by a signal, and looks for what it left on the host.

    python tests/leftovers_loop.py [--times 20] [--seed 1] [--latest 8] [--signal KILL] [-- COMMAND …]

KILL ends it at once. After TERM and HUP the run must end by itself in --end seconds. STOP is SIGSTOP to the process
that the user sees, and SIGKILL a second later, while it is still stopped.
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
UPGRADE = "etcd@3.5.30"
sys.path.insert(0, str(ROOT))

from raftmon.driver.faults.faults import catalogue  # noqa: E402
from raftmon.setup import leftovers  # noqa: E402  (a script: the path comes first)


def with_options(name):
    """The text of --fault: an upgrade has to say to what."""
    return f"{name}(to={UPGRADE})" if name in ("upgrade", "rolling-upgrade") else name


def main():
    parser = argparse.ArgumentParser(description="Kill a run at random moments; nothing may be left.")
    parser.add_argument("--times", type=int, default=20, metavar="N")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--latest", type=float, default=8.0, metavar="S", help="kill no later than S seconds")
    parser.add_argument("--settle", type=float, default=15.0, metavar="S", help="what was killed has S seconds to die")
    parser.add_argument("--signal", choices=("KILL", "TERM", "HUP", "STOP"), default="KILL")
    parser.add_argument("--end", type=float, default=30.0, metavar="S", help="after TERM and HUP it has S seconds")
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
        fault = [] if kinds is None else ["--fault", f"{with_options(next(kinds))}@1%..99%"]
        with tempfile.TemporaryDirectory(prefix="raftmon-leftovers-") as store:  # a killed run keeps a fifth of a GB
            command = arguments.command or [
                str(ROOT / ".venv/bin/raftmon"), "run", "--duration", "20", "--store", store,
            ]  # fmt: skip
            lines, still_ran = _end_once([*command, *fault], environment, moment_s, before, arguments)
        killed += still_ran
        failures += bool(lines)
        under = f" under {fault[1]}" if fault else ""
        print(
            f"{number}: SIG{arguments.signal} after {moment_s:.2f} s{under}; {'; '.join(lines) or 'nothing left'}",
            flush=True,
        )
    if not killed:
        print("no run lived until it was to be killed: nothing was tested", file=sys.stderr)
        return 1
    print(f"{killed} of {arguments.times} runs ended alive by SIG{arguments.signal}; {failures} left something")
    return 1 if failures else 0


def _end_once(command, environment, moment_s, before, arguments):
    """What was left, and whether the run still ran when its moment came."""
    token, settle_s = environment[leftovers.TOKEN_VARIABLE], arguments.settle
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            command, env=environment, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
        try:
            status = process.wait(moment_s)
        except subprocess.TimeoutExpired:
            late = _signal(process, arguments)
            return [*late, *leftovers.settled(before, token, settle_s)], True
        output.seek(0)
        words = output.read().decode(errors="replace").splitlines()[-1:]
        return [f"the run ended by itself with {status} {words}", *leftovers.settled(before, token, settle_s)], False


def _signal(process, arguments):
    """Send the signal and wait until the process is gone; a line where it had to be killed."""
    process.send_signal(signal.Signals[f"SIG{arguments.signal}"])
    if arguments.signal in ("TERM", "HUP"):
        try:
            process.wait(arguments.end)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return [f"it still ran {arguments.end:g} s after SIG{arguments.signal}"]
        return []
    if arguments.signal == "STOP":
        time.sleep(1.0)  # everything else goes on meanwhile
        process.kill()
    process.wait()
    return []


if __name__ == "__main__":
    sys.exit(main())
