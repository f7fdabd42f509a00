"""The monitor of a cluster: its process from start to stop, and why it died where it did."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

from raftmon.driver.cluster.options import ClusterOptions
from raftmon.driver.run_folder import RunFolder
from raftmon.monitor.config import MonitorConfig
from raftmon.monitor.control.client import MonitorClient, MonitorGone, wait_until_ready
from raftmon.monitor.heartbeats import DRIVER, MONITOR, PERIOD_NS, RECORDER, Heartbeats, Pulse
from raftmon.monitor.message_rules.trigger_words import split_waiting
from raftmon.setup.errors import EXIT_USAGE, InputError, RaftmonError
from raftmon.setup.eventlog import EventLog
from raftmon.setup.python import module_command
from raftmon.setup.topology import Topology

__all__ = ["QUEUE_NUM", "READY_TIMEOUT_S", "STILL_S", "STOP_TIMEOUT_S", "MonitorProcess"]

QUEUE_NUM = 0
READY_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 45.0
"""How long the monitor may take to finish its record before it is killed."""

STILL_S = 10.0
"""A monitor that has stood still for so long is given up: as long as a control request may take."""

_MOMENT_NS = 1_000_000_000
_TAIL = 2000
_END_S = 10.0  # that a monitor may take from its last answer to its end


class MonitorProcess:
    """``launch`` it, ``wait_until_ready``, ``stop`` it, each once; ``why_died`` says at any time what ended it unasked.

    ``on_death`` is called on its own thread as soon as the process ends without having been told to. Meanwhile a
    thread beats for the driver and watches how long monitor and recorder stand still.
    """

    def __init__(
        self, folder: RunFolder, options: ClusterOptions, log: EventLog, on_death: Callable[[], None] = lambda: None
    ) -> None:
        self._folder = folder
        self._options = options
        self._log = log
        self._on_death = on_death
        self._process: subprocess.Popen[bytes] | None = None
        self._client: MonitorClient | None = None
        self._wanted = False  # from when it is ready until it is told to end
        self._beats: Heartbeats | None = None
        self._hung_s = 0.0
        self._ended = threading.Event()
        self._beating = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def launch(self, topology: Topology, system: str) -> None:
        """Start the process; it needs no network yet. ``system`` is whose messages it decodes."""
        path = self._folder.path / "monitor-config.json"
        path.write_bytes(self._config(topology, system).to_json())
        self._beats = Heartbeats.new()
        shared = self._beats.descriptor
        with self._log_file.open("ab") as errors:
            self._process = subprocess.Popen(
                [*module_command("raftmon.monitor"), str(path), str(shared)],
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                pass_fds=(shared,),
            )
        self._beating.start()

    def wait_until_ready(self) -> MonitorClient:
        """Return when every rule is in force and every trigger armed; the connection to it.

        Raises InputError for a rule that cannot be carried out on this system, RaftmonError if the monitor does not
        start.
        """
        process = self._process
        assert process is not None, "launch it first"
        try:
            client = self._client = wait_until_ready(
                self._folder.control_socket, "driver", READY_TIMEOUT_S, lambda: process.poll() is None
            )
        except RaftmonError:
            if process.poll() != EXIT_USAGE:
                raise
            # A rule that cannot be carried out on this system: the user's to change, in the monitor's own words.
            said = self._log_file.read_text().strip().rpartition("raftmon monitor: ")[2]
            raise InputError(said) from None
        self._wanted = True
        threading.Thread(target=self._watch, args=(process,), name="monitor-death", daemon=True).start()
        for line in self._options.rules:  # what waits is armed before the first node starts
            if split_waiting(line) is not None:
                client.add(line)
        return client

    def _config(self, topology: Topology, system: str) -> MonitorConfig:
        options = self._options
        return MonitorConfig.of_topology(
            topology,
            self._folder.path,
            monotonic_ns=time.monotonic_ns(),
            wall_ns=time.time_ns(),
            queue=QUEUE_NUM,
            control=str(self._folder.control_socket),
            seed=options.seed,
            rules=tuple(line for line in options.rules if split_waiting(line) is None),
            scripts=options.scripts,
            codecs=options.codecs,
            strict=options.strict,
            record=options.record,
            decode=system if options.record else None,
        )

    def stop(self) -> None:
        """Let it finish its record and end; kill it where it does not within STOP_TIMEOUT_S."""
        self._wanted = False
        process, client = self._process, self._client
        if process is None:
            return
        if process.poll() is None:
            try:
                if client is None:  # it never got ready
                    process.terminate()
                else:
                    client.stop()
            except RaftmonError:
                process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._ended.set()
        self._beating.join()
        if self._beats is not None:
            self._beats.close()
        if client is not None:
            client.close()

    def why_died(self, error: BaseException | None = None) -> str | None:
        """What ended the monitor while it was wanted, in words; None if it lives and moves, or was told to end.

        ``error`` is what just failed: where it says that the monitor is ending, its end is waited for.
        """
        process = self._process
        if process is None or not self._wanted:
            return None
        if isinstance(error, MonitorGone):
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_END_S)
        code = process.poll()
        if code is None:
            return None
        if self._hung_s:
            how = f"had not moved for {self._hung_s:.0f} s (stopped, starved or hung) and was killed"
        else:
            how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"
        yours = [Path(script).name for script in self._options.scripts]
        blame = f" Your rules run inside it: {', '.join(yours)}." if yours else ""
        tail = self._log_file.read_text(errors="replace")[-_TAIL:].strip()
        return (
            f"the monitor {how} in the middle of the run; from then on the cluster was cut off.{blame} "
            f"The end of monitor.log: {tail or '(empty)'}"
        )

    def _beat(self) -> None:
        """A thread: the driver's heartbeat, and its look at the others'.

        A monitor that does not move is killed: whoever waits for it hears of that at once, and its recorder completes
        the files. Where this thread was held up itself, the monitor may have been, too, and gets a moment.
        """
        beats, process = self._beats, self._process
        assert beats is not None
        assert process is not None
        pulse = Pulse(beats, DRIVER, (MONITOR, RECORDER))
        looked_ns = patient_until_ns = 0
        while not self._ended.wait(PERIOD_NS / 2e9):
            now_ns = time.monotonic_ns()
            if now_ns - looked_ns > _MOMENT_NS:
                patient_until_ns = now_ns + _MOMENT_NS
            looked_ns = now_ns
            pulse(now_ns)
            still_s = beats.quiet_ns(MONITOR, now_ns) / 1e9
            if still_s > STILL_S and not self._hung_s and now_ns > patient_until_ns:
                self._hung_s = still_s
                self._log.error("monitor hung", still_s=round(still_s, 1))
                process.kill()

    @property
    def _log_file(self) -> Path:
        return self._folder.path / "monitor.log"

    def _watch(self, process: subprocess.Popen[bytes]) -> None:
        """A thread: wait for its end."""
        process.wait()
        if self._wanted:
            self._log.error("monitor died", status=process.returncode)
            self._on_death()
