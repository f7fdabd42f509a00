"""Carries verdicts out: lets packets go, holds them, sends copies, starts tasks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from raftmon.monitor.fidelity import MonitorCounters
from raftmon.monitor.packets.addresses import Route, readdress
from raftmon.monitor.queue.hold import HoldHeap
from raftmon.monitor.queue.task_pool import TaskPool
from raftmon.monitor.recorder.pipe import PipeFrame
from raftmon.monitor.rules.task import Task
from raftmon.monitor.rules.verdict import Verdict

__all__ = ["Delivery", "QueuedPacket"]


class QueuedPacket(Protocol):
    """What netfilterqueue.Packet offers of what is used here. A verdict is given once, now or later."""

    id: int

    def get_payload(self) -> bytes:
        """The IP packet."""

    def set_payload(self, payload: bytes) -> None:
        """What shall leave instead."""

    def accept(self) -> None:
        """Let it go."""

    def drop(self) -> None:
        """Forget it."""


_Held = tuple[QueuedPacket | None, bytes | None]  # (None, data): a copy for the raw socket; (packet, None): unchanged


class Delivery:
    """Performs verdicts. ``send`` takes whole IP packets in delivery addresses and says whether they left."""

    def __init__(
        self, hold_max: int, send: Callable[[bytes], bool], tasks: TaskPool, counters: MonitorCounters
    ) -> None:
        self._hold: HoldHeap[_Held] = HoldHeap(hold_max)
        self._send = send
        self._tasks = tasks
        self._counters = counters
        self._behind_task: dict[Task, list[tuple[int, _Held]]] = {}

    @property
    def next_due_ns(self) -> int | None:
        """When the next held packet must go or the next task be given up."""
        due_ns, deadline_ns = self._hold.next_due_ns, self._tasks.next_deadline_ns
        if due_ns is None or deadline_ns is None:
            return due_ns if deadline_ns is None else deadline_ns
        return min(due_ns, deadline_ns)

    @property
    def held(self) -> int:
        """How many packets are held now."""
        return len(self._hold) + sum(map(len, self._behind_task.values()))

    @property
    def most_held(self) -> int:
        """The most that were held at the same time by delays."""
        return self._hold.most

    def perform(self, packet: QueuedPacket, data: bytes, route: Route, verdict: Verdict, now_ns: int) -> PipeFrame:
        """Do what ``verdict`` says with the packet that arrived as ``data``; returns what the record shall say."""
        counters = self._counters
        copies = verdict.copies
        sent: bytes | None = None
        waits = verdict.task is not None and self._start(verdict.task, now_ns)
        if not copies:
            packet.drop()
            counters.dropped += 1
        for index, copy in enumerate(copies):
            out = data if copy.data is None else copy.data
            changed = out != data if copy.data is not None else False
            payload: bytes | None = readdress(out, route.delivery) if route.moves else out
            if index == 0:
                if changed:
                    sent = out
                    counters.modified += 1
                if payload is data:
                    payload = None
            else:
                counters.copied += 1
            item: _Held = (packet if index == 0 else None, payload)
            if waits and verdict.task is not None:
                self._wait_for(verdict.task, copy.due_ns, item)
            elif copy.due_ns <= now_ns:
                self._release(item)
            else:
                self._hold_until(copy.due_ns, item)
        for forged in verdict.inject:
            if self._send(forged):
                counters.injected += 1
            else:
                counters.inject_failed += 1
        return PipeFrame(now_ns, route.link_id, data, verdict.comment, bool(copies), sent)

    def release_due(self, now_ns: int) -> None:
        """Let go everything whose time has come, and what waits for tasks that are given up."""
        add = self._counters.hold_lateness_ns.add
        for due_ns, item in self._hold.due(now_ns):
            self._release(item)
            add(now_ns - due_ns)
        if self._behind_task:
            for task in self._tasks.give_up(now_ns):
                self._release_waiting(task, now_ns)

    def task_ended(self, task: Task, now_ns: int) -> None:
        """A worker has finished ``task``: what waited for it goes on."""
        if self._tasks.finish(task):
            self._release_waiting(task, now_ns)

    def flush(self) -> int:
        """Let everything go that is delayed, in the order in which it would have gone; how many packets that were."""
        count = 0
        for item in self._hold.drain():
            self._release(item)
            count += 1
        return count

    def drain(self) -> None:
        """Let everything go at once: the monitor ends."""
        self.flush()
        for waiting in self._behind_task.values():
            for _, item in waiting:
                self._release(item)
        self._behind_task.clear()

    def _start(self, task: Task, now_ns: int) -> bool:
        """Whether packets must wait for ``task``, which is started if it was not yet."""
        if task.ended:
            return False
        if not task.started:
            if not self._tasks.start(task, now_ns):
                self._counters.task_refused += 1
                return False
            self._behind_task[task] = []
        return True

    def _wait_for(self, task: Task, due_ns: int, item: _Held) -> None:
        if self.held >= self._hold.bound:
            self._counters.hold_overflow += 1
            self._release(item)
            return
        self._counters.delayed += 1
        self._behind_task[task].append((due_ns, item))

    def _release_waiting(self, task: Task, now_ns: int) -> None:
        for due_ns, item in self._behind_task.pop(task, ()):
            if due_ns <= now_ns:
                self._release(item)
            else:
                self._hold_until(due_ns, item)

    def _hold_until(self, due_ns: int, item: _Held) -> None:
        if self._hold.push(due_ns, item):
            self._counters.delayed += 1
        else:
            self._counters.hold_overflow += 1
            self._release(item)

    def _release(self, item: _Held) -> None:
        packet, payload = item
        if packet is not None:
            if payload is not None:
                packet.set_payload(payload)
            packet.accept()
        elif payload is not None and not self._send(payload):
            self._counters.inject_failed += 1
