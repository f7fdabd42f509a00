"""The queue loop: takes packets from NFQUEUE, hands them to the packet handler, does periodic work and posted calls."""

from __future__ import annotations

import contextlib
import gc
import os
import select
import socket
import struct
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Protocol

from netfilterqueue import COPY_PACKET, NetfilterQueue

from raftmon.monitor import cpu
from raftmon.monitor.config import MonitorConfig
from raftmon.monitor.queue.delivery import Delivery
from raftmon.monitor.queue.handler import PacketHandler
from raftmon.monitor.recorder.pipe import BATCH_NS, Backlog
from raftmon.setup.errors import RaftmonError

__all__ = ["QueueLoop", "Timers"]

_SECOND_NS = 1_000_000_000
_HEARTBEAT_NS = 100_000_000  # how long the loop waits at most: what is stopped for longer was stopped or starved
_SOCKET_BYTES = 64 << 20
_LULL_US = 4_000
_PATIENT_BYTES = 4 << 20  # 1,800 full packets; without root the system's net.core.rmem_max may allow far fewer


class _Leave(Exception):
    """Out of NetfilterQueue.run, although packets keep coming."""


class Timers(Protocol):
    """What the loop calls at its time, between packets."""

    @property
    def due_ns(self) -> int | None:
        """When (CLOCK_MONOTONIC), or None."""

    def tick(self, now_ns: int) -> None:
        """Do what is due."""


class QueueLoop:
    """Runs a ``PacketHandler`` on a kernel queue until ``stop``. ``post`` is the only method for other threads."""

    def __init__(
        self,
        config: MonitorConfig,
        handler: PacketHandler,
        delivery: Delivery,
        backlog: Backlog | None,
        processor: int | None = None,
    ) -> None:
        """``processor`` is where it stays while nothing is held and there is time to spare (see monitor/cpu.py)."""
        self._handler = handler
        self._delivery = delivery
        self._backlog = backlog
        self._processor = processor
        self._posted: deque[tuple[Callable[[], Any], Future[Any]]] = deque()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._stopping = False
        self._next_flush_ns = 0
        self._next_second_ns = 0
        self._last_pass_ns: int | None = None  # of the work between packets; None: not begun, or just woken
        self._last_drain_until_ns: int | None = None
        self._draining = False  # inside NetfilterQueue.run, which may not come back while packets keep coming
        self._patient = False  # whether the socket has room for what comes meanwhile
        self._relaxed = False  # whether the thread has the policy of batches
        self._stays = False  # whether it keeps to its processor
        self._spare = cpu.Spare()
        self.on_second: Callable[[], None] = lambda: None
        self.on_pass: Callable[[int], None] = lambda _now_ns: None
        self.timers: Timers | None = None
        try:
            self._queue = NetfilterQueue()
            self._queue.bind(
                config.queue,
                handler.callback(self._flush, self._periodic_work, self._posted),
                max_len=config.queue_max_len,
                mode=COPY_PACKET,
                range=config.copy_range,
                sock_len=_SOCKET_BYTES,
            )
        except OSError as error:
            raise RaftmonError(
                f"cannot bind queue {config.queue}: {error}. It needs CAP_NET_ADMIN, the kernel's nfnetlink_queue, and "
                "a queue number nobody else holds in this network namespace"
            ) from error

    @property
    def descriptor(self) -> int:
        """The queue's netlink socket."""
        return int(self._queue.get_fd())

    def record_to(self, backlog: Backlog) -> None:
        """Where packets go to be recorded. Before ``run``."""
        self._backlog = backlog

    def post(self, work: Callable[[], Any]) -> Future[Any]:
        """Have ``work()`` done between two packets; the future gives its result. For any thread."""
        future: Future[Any] = Future()
        self._posted.append((work, future))
        os.eventfd_write(self._wake, 1)
        return future

    def stop(self) -> None:
        """End ``run`` soon. Safe in a signal handler."""
        self._stopping = True
        self._posted.append((lambda: None, Future()))  # so that the next packet is the last of its drain
        os.eventfd_write(self._wake, 1)

    def run(self) -> None:
        """Serve until ``stop``, then let every held packet go. Raises UserCodeError where strict user code failed."""
        queue, wake, clock = self._queue, self._wake, time.monotonic_ns
        descriptor = self.descriptor
        sources, nothing = [descriptor, wake], []  # type: ignore[var-annotated]
        wait, periodic_work, handler = select.select, self._periodic_work, self._handler
        cpu.raise_priority()
        self._patient = _limit_blocking(descriptor) >= _PATIENT_BYTES
        self._spare.look()
        gc.collect()
        gc.freeze()
        while not self._stopping:
            self._choose_policy()
            ready, _, _ = wait(sources, nothing, nothing, self._timeout_s(clock()))
            if descriptor in ready:
                self._drain()
            if wake in ready:
                os.eventfd_read(wake)
            periodic_work(clock())
            if handler.failure is not None:
                break
        self._last_drain_until_ns = clock() + _SECOND_NS
        with contextlib.suppress(_Leave):
            queue.run(False)
        self._delivery.drain()
        self.on_second()  # the last moment at which the kernel still knows the queue
        queue.unbind()
        self._run_posted()
        self._flush()
        self._handler.settle_counts()
        cpu.unpin()
        if handler.failure is not None:
            raise handler.failure

    def _drain(self) -> None:
        """Judge what has come. While packets follow each other closely it waits for the next in recv itself: that
        saves two system calls a packet. It returns after a lull, or where something must be done at its time.
        """
        self._draining = True
        with contextlib.suppress(_Leave):
            self._queue.run(self._delivery.next_due_ns is None)
        self._draining = False

    def _choose_policy(self) -> None:
        """Packets that come may wait for their turn; what is held must leave in time, on any processor that is free."""
        relaxed = self._patient and self._delivery.next_due_ns is None
        if relaxed != self._relaxed:
            self._relaxed = relaxed
            (cpu.batch if relaxed else cpu.interactive)()
            self._choose_processor()

    def _choose_processor(self) -> None:
        stays = self._relaxed and self._spare.enough
        if stays != self._stays:
            self._stays = stays
            if stays:
                cpu.pin(self._processor)
            else:
                cpu.unpin()

    def _timeout_s(self, now_ns: int) -> float:
        until_ns = min(self._next_second_ns, now_ns + _HEARTBEAT_NS)
        due_ns = self._delivery.next_due_ns
        if due_ns is not None and due_ns < until_ns:
            until_ns = due_ns
        timer_ns = self.timers.due_ns if self.timers is not None else None
        if timer_ns is not None and timer_ns < until_ns:
            until_ns = timer_ns
        if (
            self._handler.waiting or (self._backlog and self._backlog.waiting_bytes)
        ) and self._next_flush_ns < until_ns:
            until_ns = self._next_flush_ns
        return max(until_ns - now_ns, 0) / 1e9

    def _periodic_work(self, now_ns: int) -> None:
        self.on_pass(now_ns)
        if self._last_pass_ns is not None:
            self._handler.stalled(now_ns - self._last_pass_ns - _HEARTBEAT_NS)
        self._last_pass_ns = now_ns
        due_ns = self._delivery.next_due_ns
        if due_ns is not None and due_ns <= now_ns:
            self._delivery.release_due(now_ns)
        if self.timers is not None:
            due_ns = self.timers.due_ns
            if due_ns is not None and due_ns <= now_ns:
                self.timers.tick(now_ns)
        if self._posted:
            self._run_posted()
        if now_ns >= self._next_flush_ns:
            self._flush()
            self._next_flush_ns = now_ns + BATCH_NS
        if now_ns >= self._next_second_ns:
            self._next_second_ns = now_ns + _SECOND_NS
            self._handler.settle_counts()
            self._handler.settle_links(now_ns)  # what was due by now has left, above
            self.on_second()
            if self._processor is not None:
                self._spare.look()
                self._choose_processor()
            gc.collect(1)
        if self._draining and (self._stopping or self._handler.failure is not None):
            raise _Leave
        if self._last_drain_until_ns is not None and now_ns > self._last_drain_until_ns:
            raise _Leave

    def _run_posted(self) -> None:
        while self._posted:
            work, future = self._posted.popleft()
            try:
                future.set_result(work())
            except BaseException as error:
                future.set_exception(error)

    def _flush(self) -> None:
        batch = self._handler.take_batch()
        if self._backlog is None:
            return
        if batch is not None:
            self._backlog.put(batch)
        else:
            self._backlog.push()


def _limit_blocking(descriptor: int) -> int:
    """Let a recv that waits return after a lull; the size of the socket's buffer."""
    with socket.socket(fileno=os.dup(descriptor)) as shared:
        shared.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 0, _LULL_US))
        return shared.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
