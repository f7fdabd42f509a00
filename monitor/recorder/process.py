"""The recorder as a child of the monitor: started, fed over a pipe, and given time to finish."""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import orjson

from raftmon.monitor import cpu
from raftmon.monitor.heartbeats import RECORDER, Heartbeats
from raftmon.monitor.recorder.pipe import GO, Backlog, open_pipe
from raftmon.setup.errors import RaftmonError
from raftmon.setup.python import module_command

__all__ = ["RecorderProcess"]

_START_S = 30.0
_DRAIN_S = 20.0
_FINISH_S = 60.0
_LOOK_S = 0.2
_STILL_NS = 10_000_000_000


class RecorderProcess:
    """The child that records: its pipe, and what it last said about itself.

    It may be made early, since its start takes as long as the monitor's own: it opens no file before ``begin``. It
    beats in ``beats`` while it records.
    """

    def __init__(self, config_path: Path, backlog_bytes: int, beats: Heartbeats) -> None:
        reader, writer = open_pipe()
        self._writer = writer
        self._beats = beats
        shared = beats.descriptor
        self._process = subprocess.Popen(
            module_command("raftmon.monitor.recorder", str(config_path), "--wait", "--beats", str(shared)),
            stdin=reader,
            stdout=subprocess.PIPE,
            pass_fds=(shared,),
        )
        os.close(reader)
        self.backlog = Backlog(writer, backlog_bytes, lambda: cpu.boost(self.pid))
        self.said: dict[str, Any] = {}
        self._first = threading.Event()
        self._listener = threading.Thread(target=self._listen, name="recorder-report", daemon=True)
        self._listener.start()

    @property
    def pid(self) -> int:
        """The recorder's process id."""
        return self._process.pid

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.said = orjson.loads(line)
            self._first.set()
        self._first.set()  # it ended: nobody need wait for it

    def begin(self) -> None:
        """Let it open its files; before the first packet is fed."""
        os.write(self._writer, GO)

    def abandon(self) -> None:
        """End it before it began: it has touched nothing."""
        os.close(self._writer)
        self._process.wait(_FINISH_S)

    def wait_until_started(self) -> None:
        """Return when it takes packets; raises RaftmonError if it ended, or did not begin in time."""
        if not self._first.wait(_START_S) or not self.said:
            raise RaftmonError("the recorder did not start; its message is above, or in the run's monitor.log")

    def finish(self) -> None:
        """Give it the rest, close the pipe and wait until its files are complete; bounded, then it is killed."""
        deadline = time.monotonic() + _DRAIN_S
        while self.backlog.waiting_bytes and time.monotonic() < deadline and not self._stands_still():
            self.backlog.push()
            time.sleep(0.002)
        os.close(self._writer)
        deadline = time.monotonic() + _FINISH_S
        while self._process.poll() is None:
            if time.monotonic() >= deadline or self._stands_still():
                self._process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_LOOK_S)
        self._listener.join(timeout=5)

    def _stands_still(self) -> bool:
        """Whether it has not moved for so long that nobody need wait for it: it was stopped, say."""
        return self._beats.quiet_ns(RECORDER, time.monotonic_ns()) > _STILL_NS
