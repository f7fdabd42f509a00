"""Takes an attached monitor's iptables chains away however it ends, SIGKILL included.

``installed(plan)`` starts two children, the guardians, each with the reading end of a pipe. When this process ends, by
whatever means, the X
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence

import orjson

from raftmon.monitor.attach.chains import IptablesPlan
from raftmon.setup.errors import RaftmonError
from raftmon.setup.python import module_command

__all__ = ["installed", "remove"]

_COMMAND_S = 30.0
_GUARDIANS = 2
_END_S = 10.0  # that a guardian may take to remove the chains at the monitor's end
_MOST_RESTARTS = 1_000  # of one guardian; something that kills it more often is not to be outrun


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
    guardians = [_Guardian(plan.remove) for _ in range(_GUARDIANS)]
    try:
        for command in plan.install:
            _run(command)
        yield
    finally:
        for guardian in guardians:
            guardian.close()


class _Guardian:
    """A child that removes the chains when this process ends; started again when it is killed before that."""

    def __init__(self, commands: Sequence[Sequence[str]]) -> None:
        self._commands = commands
        self._line = orjson.dumps(commands)
        self._lock = threading.Lock()
        self._closed = False
        self._child = self._start()
        self._watcher = threading.Thread(target=self._watch, name="guardian", daemon=True)
        self._watcher.start()

    def close(self) -> None:
        """End the guardian, which removes the chains, and wait for it; one that does not move is killed instead."""
        with self._lock:
            self._closed = True
            _close_stdin(self._child)
        self._watcher.join(_END_S)
        if self._watcher.is_alive():  # it was stopped, say
            self._child.kill()
            self._watcher.join()
            remove(self._commands)

    def _start(self) -> subprocess.Popen[bytes]:
        # In memory that it is born with: sent through the pipe, they would be lost if this process died just before.
        held = os.memfd_create("raftmon-guardian")
        try:
            with open(held, "wb", closefd=False) as file:
                file.write(self._line)
            os.lseek(held, 0, os.SEEK_SET)
            return subprocess.Popen(
                module_command("raftmon.monitor.attach.guardian", str(held)),
                stdin=subprocess.PIPE,
                start_new_session=True,
                pass_fds=(held,),
            )
        finally:
            os.close(held)

    def _watch(self) -> None:
        for _ in range(_MOST_RESTARTS):
            self._child.wait()
            with self._lock:
                if self._closed:
                    return
                _close_stdin(self._child)
                try:
                    self._child = self._start()
                except OSError as error:
                    print(f"raftmon monitor: cannot replace a killed guardian: {error}", file=sys.stderr)
                    return
        self._child.wait()


def _close_stdin(child: subprocess.Popen[bytes]) -> None:
    assert child.stdin is not None
    with contextlib.suppress(BrokenPipeError):
        child.stdin.close()


def _run(command: Sequence[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_COMMAND_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RaftmonError(f"cannot run {command[0]}: {error}") from error
    if done.returncode:
        words = done.stderr.strip().splitlines()
        raise RaftmonError(f"{' '.join(command)} failed: {words[0] if words else done.returncode}")


def main() -> int:
    """The guardian: read what to remove (from the descriptor named), wait for the end of the pipe, remove it."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    with open(int(sys.argv[1]), "rb") as file:
        commands = orjson.loads(file.read())
    while os.read(0, 4096):
        pass
    remove(commands)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
