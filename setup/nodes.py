"""One process of a cluster: start, kill, pause, resume, stop, and whether it is ready, by asking it.

A node leads its own process group. Killing and pausing reach the whole group and every descendant (psutil), also
those that left the group. Its output goes to ``stdout.log`` in its folder; a line marks each start.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from raftmon.setup.errors import RaftmonError

__all__ = ["NodeProcess", "NodeStartError", "Popen", "stands_still"]

Popen = Callable[..., "subprocess.Popen[Any]"]
_TAIL_BYTES = 4096
_TAIL_LINES = 15
_LONGEST_KILL_S = 30.0  # a process in uninterruptible sleep on a slow disk; past this the machine is at fault


class NodeStartError(RaftmonError):
    """A node died before it was ready, or was not ready in time; the message ends with the tail of its log."""


def stands_still(pid: int) -> bool:
    """Whether every thread of a process is stopped or gone (state T, t, Z or X in /proc)."""
    for thread in Path(f"/proc/{pid}/task").glob("*/stat"):
        try:
            if thread.read_text().rpartition(")")[2].split()[0] not in "TtZX":
                return False
        except (OSError, IndexError):  # it ended
            continue
    return True


def _wait_stopped(tree: Sequence[psutil.Process], timeout_s: float = 5.0) -> None:
    """Return when every thread of every process has stopped: SIGSTOP reaches a thread that is in a call late."""
    deadline = time.monotonic() + timeout_s
    for process in tree:
        while not stands_still(process.pid) and time.monotonic() < deadline:
            time.sleep(0.001)


class NodeProcess:
    """A node's process over all its lives.

    ``popen`` starts the argument vector where it belongs (``functools.partial(network.popen, "n1")``) and must make it
    the leader of its own process group. Methods may be called from several threads; one order at a time is carried out.

    ``restarts`` counts the starts after the first; ``exit_codes`` holds how each life ended (negative: the signal).
    """

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        env: Mapping[str, str],
        folder: Path,
        popen: Popen = subprocess.Popen,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.log = folder / "stdout.log"
        self.restarts = 0
        self.exit_codes: list[int] = []
        self.paused = False
        self._argv = list(argv)
        self._env = dict(env)
        self._popen = popen
        self._clock = clock
        self._process: subprocess.Popen[Any] | None = None
        self._starts = 0
        self._order = threading.RLock()

    def start(self) -> None:
        """Start it; nothing happens if it runs. Raises RaftmonError if the command or its log cannot be opened."""
        with self._order:
            if self.alive:
                return
            try:
                self.log.parent.mkdir(parents=True, exist_ok=True)
                with self.log.open("ab") as output:
                    output.write(f"--- start {self._starts + 1} of {self.name}: {' '.join(self._argv)}\n".encode())
                    output.flush()
                    self._process = self._popen(
                        self._argv,
                        env={**os.environ, **self._env},
                        stdin=subprocess.DEVNULL,
                        stdout=output,
                        stderr=subprocess.STDOUT,
                        start_new_session=True,
                    )
            except OSError as error:
                raise RaftmonError(f"cannot start {self.name} ({self._argv[0]}): {error}") from error
            self.restarts = self._starts
            self._starts += 1
            self.paused = False

    def replace(self, argv: Sequence[str], env: Mapping[str, str]) -> None:
        """What the next start runs: another version of the server, say."""
        with self._order:
            self._argv, self._env = list(argv), dict(env)

    @property
    def pid(self) -> int | None:
        """The process id while it lives."""
        return self._process.pid if self._process is not None and self.alive else None

    @property
    def pids(self) -> list[int]:
        """The process ids of it and all its descendants while it lives, else empty."""
        with self._order:
            return [process.pid for process in self._tree()] if self.alive else []

    @property
    def alive(self) -> bool:
        """Whether the process exists (paused counts); notes the exit code of one that has just ended."""
        with self._order:
            if self._process is None:
                return False
            code = self._process.poll()
            if code is None:
                return True
            self.exit_codes.append(code)
            self._process = None
            return False

    def kill(self) -> None:
        """SIGKILL, as a power cut for the process; returns when it and its descendants are dead."""
        with self._order:
            self._end(signal.SIGKILL, grace_s=0.0)

    def stop(self, grace_s: float = 5.0) -> None:
        """SIGTERM, then SIGKILL after ``grace_s``; returns when it and its descendants are dead."""
        with self._order:
            if self.paused:
                self.resume()  # a stopped process would not see SIGTERM
            self._end(signal.SIGTERM, grace_s)

    def pause(self) -> None:
        """SIGSTOP to the whole group: it answers nothing, its kernel still does (a long garbage collection)."""
        with self._order:
            if self.alive:
                tree = self._tree()
                self._signal(tree, signal.SIGSTOP)
                _wait_stopped(tree)
                self.paused = True

    def resume(self) -> None:
        """SIGCONT to the whole group."""
        with self._order:
            if self.alive:
                self._signal(self._tree(), signal.SIGCONT)
            self.paused = False

    def wait_ready(self, ask: Callable[[], bool], timeout_s: float, poll_s: float = 0.05) -> None:
        """Ask until ``ask`` says yes. It should itself wait no longer than a second or so for its answer.

        Raises NodeStartError, with the tail of the node's log, if the node dies meanwhile or ``timeout_s`` runs out.
        """
        deadline = self._clock() + timeout_s
        pause = threading.Event()
        while True:
            if not self.alive:
                ended = f"ended with exit code {self.exit_codes[-1]}" if self.exit_codes else "was never started"
                raise NodeStartError(f"{self.name} {ended} before it was ready; {self.log} ends:\n{self.tail()}")
            if ask():
                return
            if self._clock() >= deadline:
                raise NodeStartError(
                    f"{self.name} was not ready after {timeout_s:g} s; {self.log} ends:\n{self.tail()}"
                )
            pause.wait(poll_s)

    def tail(self) -> str:
        """The last lines of its log."""
        try:
            with self.log.open("rb") as file:
                file.seek(max(0, self.log.stat().st_size - _TAIL_BYTES))
                return "\n".join(file.read().decode(errors="replace").splitlines()[-_TAIL_LINES:])
        except OSError as error:
            return f"(no log: {error.strerror})"

    def _tree(self) -> list[psutil.Process]:
        """The process and all its descendants, parents first."""
        assert self._process is not None
        try:
            top = psutil.Process(self._process.pid)
            return [top, *top.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def _signal(self, tree: list[psutil.Process], number: signal.Signals) -> None:
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)
        for process in tree:  # those that left the group; psutil refuses a pid that was reused
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(number)

    def _end(self, number: signal.Signals, grace_s: float) -> None:
        if not self.alive:
            return
        assert self._process is not None
        tree = self._tree()
        self._signal(tree, number)
        process = self._process
        if number != signal.SIGKILL:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(grace_s)
            self._signal([*tree, *self._tree()], signal.SIGKILL)
        try:
            process.wait(_LONGEST_KILL_S)
        except subprocess.TimeoutExpired as error:
            raise RaftmonError(f"{self.name} (pid {process.pid}) did not die of SIGKILL") from error
        # The descendants are pid 1's to reap; none may still write to the data when this returns.
        psutil.wait_procs([entry for entry in tree if entry.pid != process.pid], timeout=_LONGEST_KILL_S)
        _ = self.alive  # notes the exit code
        self.paused = False
