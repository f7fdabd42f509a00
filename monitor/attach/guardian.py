"""Takes an attached monitor's iptables chains away however it ends, SIGKILL included.

``installed(plan)`` starts a child that holds the reading end of a pipe; when this process ends, by whatever means, the
kernel closes the writing end, and the child removes the chains.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence

import orjson

from raftmon.monitor.attach.chains import IptablesPlan
from raftmon.setup.errors import RaftmonError
from raftmon.setup.python import module_command

__all__ = ["installed", "remove"]

_COMMAND_S = 30.0


def remove(commands: Sequence[Sequence[str]]) -> None:
    """Run every command; one that fails (the chain is gone already) does not keep the others from being run."""
    for command in commands:
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                timeout=_COMMAND_S, check=False,
            )  # fmt: skip


@contextlib.contextmanager
def installed(plan: IptablesPlan) -> Iterator[None]:
    """The plan's chains for the length of the block, or of this process. Raises RaftmonError if iptables refuses."""
    remove(plan.remove)  # what a killed guardian left
    guardian = subprocess.Popen(
        [*module_command("raftmon.monitor.attach.guardian")], stdin=subprocess.PIPE, start_new_session=True
    )
    assert guardian.stdin is not None
    guardian.stdin.write(orjson.dumps(plan.remove) + b"\n")
    guardian.stdin.flush()
    try:
        for command in plan.install:
            _run(command)
        yield
    finally:
        guardian.stdin.close()
        guardian.wait()


def _run(command: Sequence[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_COMMAND_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RaftmonError(f"cannot run {command[0]}: {error}") from error
    if done.returncode:
        words = done.stderr.strip().splitlines()
        raise RaftmonError(f"{' '.join(command)} failed: {words[0] if words else done.returncode}")


def main() -> int:
    """The guardian: read what to remove, wait for the end of the pipe, remove it."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    line = sys.stdin.buffer.readline()
    while os.read(0, 4096):
        pass
    if line.endswith(b"\n"):
        remove(orjson.loads(line))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
