"""Expensive work that a rule starts: a bounded pool of worker threads, each task with a limit on its time.

A rule returns ``Verdict(copies, task=Task(...))``; the loop starts the task and holds or drops the packets concerned
meanwhile (as the RaftMonitor paper has it). Threads cannot be ended from outside: a task that hangs keeps its worker,
is reported once, and its packets go on.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

from raftmon.monitor import cpu
from raftmon.monitor.rules.task import Task

__all__ = ["TaskPool"]

_WORKERS = 4
_MOST_WAITING = 64


class TaskPool:
    """Runs tasks; ``on_end(task)`` is called on the worker's thread when one returned or raised.

    ``start``, ``give_up`` and ``close`` belong to the loop's thread.
    """

    def __init__(self, on_end: Callable[[Task], None], limit_s: float) -> None:
        self._on_end = on_end
        self._limit_s = limit_s
        self._waiting: queue.Queue[Task | None] = queue.Queue(_MOST_WAITING)
        self._workers: list[threading.Thread] = []
        self._running: set[Task] = set()
        self.finished = 0
        self.failed = 0
        self.timed_out = 0

    def start(self, task: Task, now_ns: int) -> bool:
        """Start ``task``; False (and the task ended with an error) where too many wait already."""
        task.started = True
        task.deadline_ns = now_ns + int((task.limit_s or self._limit_s) * 1e9)
        if len(self._workers) < _WORKERS and len(self._running) >= len(self._workers):
            worker = threading.Thread(target=self._work, name=f"task-{len(self._workers)}", daemon=True)
            self._workers.append(worker)
            worker.start()
        try:
            self._waiting.put_nowait(task)
        except queue.Full:
            task.error, task.ended = "too many tasks wait already", True
            return False
        self._running.add(task)
        return True

    @property
    def next_deadline_ns(self) -> int | None:
        """When the first running task is to be given up; None if none runs."""
        return min((task.deadline_ns for task in self._running if task.deadline_ns is not None), default=None)

    def finish(self, task: Task) -> bool:
        """Note, on the loop's thread, that ``task`` ended; False if it had been given up before."""
        if task not in self._running:
            return False
        self._running.discard(task)
        task.ended = True
        if task.error is None:
            self.finished += 1
        else:
            self.failed += 1
        return True

    def give_up(self, now_ns: int) -> list[Task]:
        """The tasks whose time is over at ``now_ns``; they count as timed out from here on."""
        over = [task for task in self._running if task.deadline_ns is not None and task.deadline_ns <= now_ns]
        for task in over:
            self._running.discard(task)
            task.ended = True
            task.error = f"gave no answer within {task.limit_s or self._limit_s:g} s"
            self.timed_out += 1
        return over

    def _work(self) -> None:
        cpu.unpin()  # the loop's thread, which started this one, may have kept to a processor
        while True:
            task = self._waiting.get()
            if task is None:
                return
            if task.ended:  # given up while it waited for a worker
                continue
            try:
                task.result = task.run()
            except Exception as error:
                task.error = f"{type(error).__name__}: {error}"
            self._on_end(task)

    def close(self) -> None:
        """Let idle workers end; one that hangs is a daemon thread and dies with the process."""
        for _ in self._workers:
            try:
                self._waiting.put_nowait(None)
            except queue.Full:
                return
