"""Kills and pauses nodes for rules, from the queue loop: a signal to a process group takes microseconds.

Whoever started the nodes tells their pids (``know``). What was done is told to others on its own thread.
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from raftmon.monitor.rules.actions.kinds import Kill, Pause
from raftmon.monitor.rules.rule import RuleSet
from raftmon.setup.errors import InputError

__all__ = ["NodeAct", "NodeSignals", "start_ticks"]

_GROUP = 4  # PIDFD_SIGNAL_PROCESS_GROUP, Linux 6.9
_MAX_ACTS = 1000


@dataclass(frozen=True, slots=True)
class NodeAct:
    """One signal: ``what`` is killed, paused or resumed; ``packet_ns`` when its packet came, ``done_ns`` after it.

    Times are CLOCK_MONOTONIC.
    """

    node: str
    what: str
    rule: str
    packet_ns: int
    done_ns: int

    def to_json(self) -> dict[str, Any]:
        """For the control socket."""
        return asdict(self)


def start_ticks(pid: int) -> int:
    """When a process started, in clock ticks since boot: with its pid, its identity. Raises OSError for none."""
    text = Path(f"/proc/{pid}/stat").read_text()
    return int(text.rpartition(")")[2].split()[19])


class NodeSignals:
    """``possible`` says whether anybody will tell the pids; ``on_act`` is called on its own thread."""

    def __init__(
        self, *, possible: bool, on_act: Callable[[NodeAct], None], clock_ns: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self._possible = possible
        self._on_act = on_act
        self._clock_ns = clock_ns
        self._pidfds: dict[str, int] = {}
        self._pids: dict[str, int] = {}
        self._told: queue.SimpleQueue[NodeAct | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self.acts: deque[NodeAct] = deque(maxlen=_MAX_ACTS)
        self.missed = 0

    def check(self, rules: RuleSet) -> None:
        """Raise InputError for a rule that acts on nodes where that is impossible."""
        for rule in rules:
            if isinstance(rule.action, Kill | Pause) and not self._possible:
                word = type(rule.action).__name__.lower()
                raise InputError(
                    f"the rule {rule.name!r} cannot {word} a node: this monitor did not start the nodes; {word} it "
                    "yourself when a trigger fires (raftmon ctl triggers), or use raftmon run"
                )

    def know(self, node: str, pid: int, started: int) -> None:
        """The process that is this node now. Raises InputError if there is no such process."""
        try:
            pidfd = os.pidfd_open(pid)
            if start_ticks(pid) != started:
                os.close(pidfd)
                raise ProcessLookupError(f"pid {pid} is another process")
        except OSError as error:
            raise InputError(f"the process of {node} cannot be found: {error}") from error
        if (before := self._pidfds.pop(node, None)) is not None:
            os.close(before)
        self._pidfds[node], self._pids[node] = pidfd, pid

    def act(self, action: Kill | Pause, node: str, rule: str, packet_ns: int) -> bool:
        """Send the signal; whether the node was there. On the loop's thread."""
        kills = isinstance(action, Kill)
        if not self._send(node, signal.SIGKILL if kills else signal.SIGSTOP):
            self.missed += 1
            return False
        self._tell(NodeAct(node, "killed" if kills else "paused", rule, packet_ns, self._clock_ns()))
        if isinstance(action, Pause) and action.ms is not None:
            timer = threading.Timer(action.ms / 1000, self._resume, (node, self._pids[node], rule))
            timer.daemon = True
            timer.start()
        return True

    def close(self) -> None:
        """Tell what is left, and forget the nodes."""
        if self._thread is not None:
            self._told.put(None)
            self._thread.join(timeout=2)
        for pidfd in self._pidfds.values():
            os.close(pidfd)
        self._pidfds.clear()

    def _resume(self, node: str, pid: int, rule: str) -> None:
        if self._pids.get(node) == pid and self._send(node, signal.SIGCONT):
            now_ns = self._clock_ns()
            self._tell(NodeAct(node, "resumed", rule, now_ns, now_ns))

    def _send(self, node: str, number: signal.Signals) -> bool:
        pidfd = self._pidfds.get(node)
        if pidfd is None:
            return False
        try:
            signal.pidfd_send_signal(pidfd, number, None, _GROUP)
        except ProcessLookupError:
            return False
        except OSError:  # an older kernel: the leader lives, so the group is still its own
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(pidfd, 0)
                os.killpg(self._pids[node], number)
                return True
            return False
        return True

    def _tell(self, act: NodeAct) -> None:
        self.acts.append(act)
        if self._thread is None:
            self._thread = threading.Thread(target=self._telling, name="node-acts", daemon=True)
            self._thread.start()
        self._told.put(act)

    def _telling(self) -> None:
        while (act := self._told.get()) is not None:
            self._on_act(act)
