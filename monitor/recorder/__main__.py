"""The recorder process: ``python -m raftmon.monitor.recorder CONFIG.json``, started by the monitor.

It reads frames from descriptor 0 until its end, and reports on descriptor 1, one JSON object a line: once a second, and
a last time with ``"finished": true``. It outlives the monitor: when that dies, it closes its files properly.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import orjson

from raftmon.monitor import cpu
from raftmon.monitor.config import MonitorConfig
from raftmon.monitor.heartbeats import RECORDER, Heartbeats, Pulse
from raftmon.monitor.packets.addresses import AddressBook
from raftmon.monitor.recorder.leader_board import BoardWriter
from raftmon.monitor.recorder.pipe import GO
from raftmon.monitor.recorder.recorder import Recorder, default_board, default_file, default_sinks
from raftmon.monitor.recorder.spool import Spool
from raftmon.setup.errors import EXIT_INTERNAL, EXIT_USAGE, InputError, RaftmonError

__all__ = ["main", "record"]

_WORK_BYTES = 1 << 16  # what is decoded at a time where nothing else waits: some 5 ms
_WANTED_S = 2.0  # how long somebody who asked is served at once
_SPARE, _SPARE_LEAST = 0.35, 0.25  # of all processors' time, left over or used here: then there is time to decode
_SPARE_NS = 500_000_000
_READ_BYTES = 1 << 18  # small enough to stay in the processor's cache on its way to the file
_LATE_NS = 100_000_000  # from a packet's arrival to its being taken: later than that and it is behind
_HURRY_NS = 1_000_000_000  # how long it takes its large share then
_TICK_S = 0.1
_REPORT_NS = 1_000_000_000


def _say(recorder: Recorder, *, finished: bool) -> None:
    """One line to the monitor; a monitor that is gone does not matter."""
    line = orjson.dumps({**recorder.report(), "finished": finished}) + b"\n"
    try:
        os.write(1, line)
    except OSError:
        return


class _Patience:
    """Whether messages are decoded ``now``: while somebody asks for them, and while the machine has time to spare.

    ``gives_way`` says that the recorder does only what can wait, or would be done at once anyway: it may let everybody
    else run first. While it scans heads alone, and while somebody waits for messages, it may not.
    """

    def __init__(self, board: BoardWriter | None, *, waits: bool) -> None:
        self._board = board if waits else None
        self._spare = cpu.Spare(enough=_SPARE, little=_SPARE_LEAST, own_s=time.process_time)
        self._spare_due_ns = 0
        self.now = self.gives_way = True

    def look(self, now_ns: int) -> None:
        """Decide anew."""
        if self._board is None:
            return
        if now_ns >= self._spare_due_ns:
            self._spare.look()
            self._spare_due_ns = now_ns + _SPARE_NS
        wanted = self._board.wanted(_WANTED_S)
        self.now = self._spare.enough or wanted
        self.gives_way = self._spare.enough and not wanted


def record(
    recorder: Recorder,
    descriptor: int,
    beat: Callable[[int], None] = lambda _now_ns: None,
    board: BoardWriter | None = None,
    *,
    waits: bool = False,
) -> None:
    """Feed ``recorder`` from ``descriptor`` until its end; ``beat(now_ns)`` is called in every round.

    With ``waits``, decoding may wait until there is time.
    """
    next_tick = time.monotonic_ns()
    next_report = next_tick + _REPORT_NS
    os.set_blocking(descriptor, True)
    share, behind_until_ns = cpu.Share(), 0
    share.behind(False)
    patience = _Patience(board, waits=waits)
    _say(recorder, finished=False)  # the monitor waits for this before it says that it is ready
    while True:
        busy = patience.now and recorder.waiting_bytes > 0
        ready, _, _ = select.select([descriptor], [], [], 0 if busy else _TICK_S)
        if ready:
            data = os.read(descriptor, _READ_BYTES)
            if not data:
                share.behind(True)  # somebody waits for the files
                return
            recorder.feed(data)
        if patience.now or recorder.must_work:
            recorder.work(_READ_BYTES if recorder.must_work else _WORK_BYTES)
        now_ns = time.monotonic_ns()
        beat(now_ns)
        if ready and (recorder.last_lag_ns > _LATE_NS or share.hurried):
            behind_until_ns = now_ns + _HURRY_NS
        share.behind(now_ns < behind_until_ns or not patience.gives_way)
        if now_ns >= next_tick:
            patience.look(now_ns)
            recorder.tick(drained=not ready)
            next_tick = now_ns + int(_TICK_S * 1e9)
        if now_ns >= next_report:
            _say(recorder, finished=False)
            next_report = now_ns + _REPORT_NS


def _work_off(recorder: Recorder) -> None:
    """The pipe has ended: decode what waits, and say every second that it goes on."""
    due_ns = time.monotonic_ns() + _REPORT_NS
    while recorder.waiting_bytes:
        recorder.work(_READ_BYTES)
        if (now_ns := time.monotonic_ns()) >= due_ns:
            recorder.tick()
            _say(recorder, finished=False)
            due_ns = now_ns + _REPORT_NS


def main(argv: Sequence[str]) -> int:
    """The process: ``argv`` is the path of the monitor's configuration.

    With ``--wait`` no file is opened before the byte ``GO`` has come; where the pipe ends before it, nothing was done.
    ``--beats`` is the descriptor of the run's heartbeats.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # only the end of the pipe ends it, so that nothing already fed is lost
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    if "--wait" in argv[1:] and os.read(0, len(GO)) != GO:
        return 0
    try:
        config = MonitorConfig.from_json(Path(argv[0]).read_bytes(), argv[0])
        board = default_board(config)
        spool = Spool(Path(config.folder)) if board is not None else None
        recorder = Recorder(AddressBook(config), default_file(config), default_sinks(config), spool=spool, board=board)
    except InputError as error:
        print(f"raftmon recorder: {error}", file=sys.stderr)
        return EXIT_USAGE
    except (RaftmonError, OSError) as error:
        print(f"raftmon recorder: {error}", file=sys.stderr)
        return EXIT_INTERNAL
    gc.freeze()
    cpu.batch()
    beats = Heartbeats(int(argv[argv.index("--beats") + 1])) if "--beats" in argv[1:] else Heartbeats.new()
    record(recorder, 0, Pulse(beats, RECORDER), board, waits=board is not None and board.known)
    beats.rest(RECORDER)  # what waits to be decoded, and files of hours, may take long to complete
    _work_off(recorder)
    recorder.close()
    _say(recorder, finished=True)
    return EXIT_INTERNAL if recorder.errors else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
