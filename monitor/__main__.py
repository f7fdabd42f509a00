"""The monitor process: ``python -m raftmon.monitor CONFIG.json [DESCRIPTOR]``.

It is ready when its control socket answers. It ends on ``stop``, SIGTERM or SIGINT: held packets leave, the recorder
finishes its files, ``monitor.json`` is written. DESCRIPTOR is the shared memory of the run's heartbeats, if others
watch this process.
"""

from __future__ import annotations

import faulthandler
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from raftmon.monitor.config import MonitorConfig
from raftmon.monitor.heartbeats import Heartbeats
from raftmon.monitor.recorder.process import RecorderProcess
from raftmon.setup.errors import EXIT_INTERNAL, InputError, RaftmonError


def main(argv: Sequence[str]) -> int:
    """Run a monitor; returns its exit status."""
    faulthandler.enable()  # a crash in C, of a user's rule for one, leaves its place in monitor.log
    if len(argv) not in (1, 2):
        print("usage: python -m raftmon.monitor CONFIG.json [DESCRIPTOR]", file=sys.stderr)
        return InputError.exit_status
    try:
        text = Path(argv[0]).read_bytes()
    except OSError as error:
        print(f"raftmon monitor: cannot read {argv[0]}: {error.strerror}", file=sys.stderr)
        return InputError.exit_status
    recorder: RecorderProcess | None = None
    try:
        config = MonitorConfig.from_json(text, argv[0])
        beats = Heartbeats(int(argv[1])) if len(argv) > 1 else Heartbeats.new()
        if config.record:  # before the imports below: both processes then start side by side
            recorder = RecorderProcess(Path(argv[0]), config.record_backlog_bytes, beats)
        from raftmon.monitor.process import MonitorProcess

        process = MonitorProcess(config, Path(argv[0]), recorder, beats)
        recorder = None  # it is the process's now
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: process.stop())
        process.run()
    except RaftmonError as error:
        print(f"raftmon monitor: {error}", file=sys.stderr)
        return error.exit_status
    except OSError as error:
        print(f"raftmon monitor: {error}", file=sys.stderr)
        return EXIT_INTERNAL
    finally:
        if recorder is not None:
            recorder.abandon()
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
