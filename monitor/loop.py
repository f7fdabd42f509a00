"""The queue loop: takes packets from NFQUEUE, asks the link's rules, gives verdicts. One thread, which never waits.

``Judge`` is what happens to a packet (no sockets of its own, so that tests can feed it packets of their own making);
``QueueLoop`` waits for the kernel, for due packets and for the control plane.
"""

from __future__ import annotations

import contextlib
import gc
import os
import select
import socket
import struct
import time
import traceback
from collections import Counter, deque
from collections.abc import Callable, Collection
from concurrent.futures import Future
from operator import itemgetter
from typing import Any

from netfilterqueue import COPY_PACKET, NetfilterQueue

from monitor import scheduling
from monitor.addresses import AddressBook, Route, is_neutral, readdress
from monitor.config import MonitorConfig
from monitor.delivery import Delivery, QueuedPacket
from monitor.engine import Chain, Engine, UserCodeError
from monitor.fidelity import Counters
from monitor.pipe import NO_LINK, Backlog, Frame, PlainFrame
from monitor.verdict import ACCEPT
from setup.errors import RaftmonError
from setup.eventlog import EventLog

__all__ = ["Judge", "QueueLoop"]

_BATCH_PACKETS = 256
_CHORES_NS = 20_000_000
_SECOND_NS = 1_000_000_000
_OWN_TIME_SHIFT = 8  # the hot path counts its time in steps of 256 ns; Histogram takes over once a second
_OWN_TIME_STEPS = 4096
_SOCKET_BYTES = 64 << 20
_TOTAL_LENGTH = [length.to_bytes(2, "big") for length in range(65_536)]  # what a good header says, by its real length
_LULL_US = 4_000
_PATIENT_BYTES = 4 << 20  # 1,800 full packets; without root the system's net.core.rmem_max may allow far fewer
_NO_OPTIONS = 0x45  # IPv4 with a header of 20 bytes

Batch = list[Frame | PlainFrame]


class Judge:
    """Decides about single packets. ``record`` gets a batch of frames now and then, the count of each link with it."""

    def __init__(
        self,
        config: MonitorConfig,
        book: AddressBook,
        engine: Engine,
        delivery: Delivery,
        counters: Counters,
        log: EventLog,
        clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._config = config
        self._book = book
        self._engine = engine
        self._delivery = delivery
        self._counters = counters
        self._log = log
        self._clock_ns = clock_ns
        self._fast: dict[bytes, tuple[bytes | None, int]] = {}
        self._neutral = {
            pair for pair, route in book.by_pair.items() if len(pair) == 8 and is_neutral(pair, route.delivery)
        }
        self._own_time = [0] * _OWN_TIME_STEPS
        self._drops_malformed = config.malformed == "drop"
        self._chains: list[Chain | None] = []
        self.batch: Batch = []
        self.link_packets: Counter[int] = Counter()
        self.failure: RaftmonError | None = None
        self.paused = False
        self.refresh()

    def refresh(self) -> None:
        """Take over the engine's chains; call it after every ``engine.load`` and change of ``paused``."""
        links = range(len(self._book.links))
        self._chains = [None if self.paused else self._engine.chain(link_id) for link_id in links]
        self._fast.clear()
        for pair in self._neutral:
            route = self._book.by_pair[pair]
            if self._chains[route.link_id] is None:
                self._fast[pair] = (route.delivery if route.moves else None, route.link_id)

    def settle_links(self, now_ns: int) -> None:
        """Put links back on the short way whose rules are gone and whose held packets have left by ``now_ns``."""
        if self._engine.settle(now_ns):
            self.refresh()

    def callback(
        self, flush: Callable[[], None], chores: Callable[[int], None], mailbox: Collection[object] = ()
    ) -> Callable[[QueuedPacket], None]:
        """The function for NetfilterQueue. It calls ``flush`` when the batch is full, and ``chores(now_ns)`` at times:
        when there is mail, and when a packet was held that must go before the next time.

        Everything it needs is a local name: this runs for every packet. The verdict is given first; bookkeeping runs
        while the packet is already on its way.
        """
        clock, find, lengths, own_time = self._clock_ns, self._fast.get, _TOTAL_LENGTH, self._own_time
        keep, batch, careful, counters = self.batch.append, self.batch, self._careful, self._counters
        delivery = self._delivery
        last_id = -1
        next_chores_ns = 0

        def judge(packet: QueuedPacket) -> None:
            nonlocal last_id, next_chores_ns
            now_ns = clock()
            data = packet.get_payload()
            route = find(data[12:20])
            if route is not None and data[0] == _NO_OPTIONS and data[2:4] == lengths[len(data)]:
                addresses, link_id = route
                if addresses is not None:
                    packet.set_payload(data[:12] + addresses + data[20:])
                packet.accept()
                keep((now_ns, link_id, data))
            else:
                careful(packet, data, now_ns)
                due_ns = delivery.next_due_ns
                if due_ns is not None and due_ns < next_chores_ns:
                    next_chores_ns = 0
            number = packet.id
            if number != last_id + 1 and last_id >= 0:
                counters.queue_id_gaps += (number - last_id - 1) & 0xFFFFFFFF
            last_id = number
            spent = (clock() - now_ns) >> _OWN_TIME_SHIFT
            if spent < _OWN_TIME_STEPS:
                own_time[spent] += 1
            else:
                counters.own_time_ns.add(spent << _OWN_TIME_SHIFT)
            if len(batch) >= _BATCH_PACKETS:
                flush()
            if mailbox or now_ns >= next_chores_ns:  # under load NetfilterQueue.run does not come back
                chores(now_ns)
                due_ns = delivery.next_due_ns
                next_chores_ns = now_ns + _CHORES_NS if due_ns is None else min(due_ns, now_ns + _CHORES_NS)

        return judge

    def take_batch(self) -> Batch:
        """What was kept since the last call, after counting it."""
        batch = self.batch.copy()
        self.batch.clear()
        self.link_packets.update(map(itemgetter(1), batch))
        counters = self._counters
        counters.packets += len(batch)
        counters.bytes += sum(map(len, map(itemgetter(2), batch)))
        return batch

    def settle_own_time(self) -> None:
        """Move the fine counts of the hot path into the lasting distribution."""
        add = self._counters.own_time_ns.add_many
        for step, count in enumerate(self._own_time):
            if count:
                add((step << _OWN_TIME_SHIFT) + (1 << _OWN_TIME_SHIFT) - 1, count)
                self._own_time[step] = 0

    def _careful(self, packet: QueuedPacket, data: bytes, now_ns: int) -> None:
        """Everything but a plain packet on a link without rules. Never raises; what fails here lets the packet pass."""
        try:
            self._decide(packet, data, now_ns)
        except UserCodeError as error:
            self.failure = self.failure or error
            self._pass(packet, data, now_ns, NO_LINK, "user code failed")
        except Exception as error:
            self._counters.own_errors += 1
            if self._counters.own_errors == 1:
                self._log.error("own-error", error=repr(error), traceback=traceback.format_exc())
            self._pass(packet, data, now_ns, NO_LINK, "not judged: the monitor failed")

    def _pass(self, packet: QueuedPacket, data: bytes, now_ns: int, link_id: int, comment: str) -> None:
        try:
            packet.set_payload(self._book.present(data))
            packet.accept()
        except (RuntimeError, IndexError):
            return  # the verdict had been given before the failure
        finally:
            self.batch.append(Frame(now_ns, link_id, data, comment))

    def _decide(self, packet: QueuedPacket, data: bytes, now_ns: int) -> None:
        route, fault = self._route(data)
        counters = self._counters
        if fault == "truncated":
            counters.truncated += 1
            packet.accept()  # its tail is still with the kernel: any change here would cut it off
            self.batch.append(Frame(now_ns, route.link_id if route else NO_LINK, data, "truncated"))
            return
        if fault is not None:
            counters.malformed += 1
            if self._drops_malformed:
                packet.drop()
                counters.dropped += 1
            else:
                packet.accept()
            self.batch.append(Frame(now_ns, NO_LINK, data, f"malformed: {fault}", not self._drops_malformed))
            return
        if route is None:
            counters.unknown_link += 1
            packet.accept()
            self.batch.append((now_ns, NO_LINK, data))
            return
        chain = self._chains[route.link_id]
        verdict = ACCEPT
        if chain is not None:
            counters.judged += 1
            verdict = chain(data, now_ns)
        if verdict is ACCEPT:
            if route.moves:
                packet.set_payload(readdress(data, route.delivery))
            packet.accept()
            self.batch.append((now_ns, route.link_id, data))
            return
        frame = self._delivery.perform(packet, data, route, verdict, now_ns)
        if verdict.record is not False:
            self.batch.append(frame)

    def _route(self, data: bytes) -> tuple[Route | None, str | None]:
        """The packet's route, None where it is nobody's; and what is wrong with its header, if anything."""
        size = len(data)
        version = data[0] >> 4 if size else 0
        if version == 4:
            if size < 20:
                return None, "shorter than an IPv4 header"
            header, total = (data[0] & 15) * 4, (data[2] << 8) | data[3]
            pair = data[12:20]
            wrong = header < 20 or header > total
        elif version == 6:
            if size < 40:
                return None, "shorter than an IPv6 header"
            total = ((data[4] << 8) | data[5]) + 40
            pair = data[8:40]
            wrong = False
        else:
            return None, "neither IPv4 nor IPv6"
        if wrong:
            return None, "a wrong header length"
        route = self._book.find(data, pair)
        if total > size:
            return route, "truncated"
        return route, None if total == size else "a wrong total length"


class _Leave(Exception):
    """Out of NetfilterQueue.run, although packets keep coming."""


class QueueLoop:
    """Runs a ``Judge`` on a kernel queue until ``stop``. ``post`` is the only method for other threads."""

    def __init__(self, config: MonitorConfig, judge: Judge, delivery: Delivery, backlog: Backlog | None) -> None:
        self._judge = judge
        self._delivery = delivery
        self._backlog = backlog
        self._mailbox: deque[tuple[Callable[[], Any], Future[Any]]] = deque()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._stopping = False
        self._next_flush_ns = 0
        self._next_second_ns = 0
        self._last_drain_until_ns: int | None = None
        self._blocking = False  # inside a drain that waits for packets
        self._patient = False  # whether the socket has room for what comes meanwhile
        self._relaxed = False  # whether the thread has the policy of batches
        self.on_second: Callable[[], None] = lambda: None
        try:
            self._queue = NetfilterQueue()
            self._queue.bind(
                config.queue,
                judge.callback(self._flush, self._chores, self._mailbox),
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

    def post(self, work: Callable[[], Any]) -> Future[Any]:
        """Have ``work()`` done between two packets; the future gives its result. For any thread."""
        future: Future[Any] = Future()
        self._mailbox.append((work, future))
        os.eventfd_write(self._wake, 1)
        return future

    def stop(self) -> None:
        """End ``run`` soon. Safe in a signal handler."""
        self._stopping = True
        self._mailbox.append((lambda: None, Future()))  # so that the next packet is the last of its drain
        os.eventfd_write(self._wake, 1)

    def run(self) -> None:
        """Serve until ``stop``, then let every held packet go. Raises UserCodeError where strict user code failed."""
        queue, wake, clock = self._queue, self._wake, time.monotonic_ns
        descriptor = self.descriptor
        sources, nothing = [descriptor, wake], []  # type: ignore[var-annotated]
        wait, chores, judge = select.select, self._chores, self._judge
        scheduling.favour()
        self._patient = _limit_blocking(descriptor) >= _PATIENT_BYTES
        gc.collect()
        gc.freeze()
        while not self._stopping:
            self._choose_policy()
            ready, _, _ = wait(sources, nothing, nothing, self._timeout_s(clock()))
            if descriptor in ready:
                self._drain()
            if wake in ready:
                os.eventfd_read(wake)
            chores(clock())
            if judge.failure is not None:
                break
        self._last_drain_until_ns = clock() + _SECOND_NS
        with contextlib.suppress(_Leave):
            queue.run(False)
        self._delivery.drain()
        self.on_second()  # the last moment at which the kernel still knows the queue
        queue.unbind()
        self._run_mail()
        self._flush()
        self._judge.settle_own_time()
        if judge.failure is not None:
            raise judge.failure

    def _drain(self) -> None:
        """Judge what has come. While packets follow each other closely it waits for the next in recv itself: that
        saves two system calls a packet. It returns after a lull, or where something must be done at its time.
        """
        self._blocking = self._delivery.next_due_ns is None
        with contextlib.suppress(_Leave):
            self._queue.run(self._blocking)
        self._blocking = False

    def _choose_policy(self) -> None:
        """Packets that come may wait for their turn; what is held must leave in time."""
        relaxed = self._patient and self._delivery.next_due_ns is None
        if relaxed != self._relaxed:
            self._relaxed = relaxed
            (scheduling.batch if relaxed else scheduling.interactive)()

    def _timeout_s(self, now_ns: int) -> float:
        until_ns = self._next_second_ns
        due_ns = self._delivery.next_due_ns
        if due_ns is not None and due_ns < until_ns:
            until_ns = due_ns
        if (self._judge.batch or (self._backlog and self._backlog.waiting_bytes)) and self._next_flush_ns < until_ns:
            until_ns = self._next_flush_ns
        return max(until_ns - now_ns, 0) / 1e9

    def _chores(self, now_ns: int) -> None:
        due_ns = self._delivery.next_due_ns
        if due_ns is not None and due_ns <= now_ns:
            self._delivery.release_due(now_ns)
        if self._mailbox:
            self._run_mail()
        if now_ns >= self._next_flush_ns:
            self._flush()
            self._next_flush_ns = now_ns + _CHORES_NS
        if now_ns >= self._next_second_ns:
            self._next_second_ns = now_ns + _SECOND_NS
            self._judge.settle_own_time()
            self._judge.settle_links(now_ns)  # what was due by now has left, above
            self.on_second()
            gc.collect(1)
        if self._last_drain_until_ns is not None and now_ns > self._last_drain_until_ns:
            raise _Leave

    def _run_mail(self) -> None:
        while self._mailbox:
            work, future = self._mailbox.popleft()
            try:
                future.set_result(work())
            except BaseException as error:
                future.set_exception(error)

    def _flush(self) -> None:
        batch = self._judge.take_batch()
        if self._backlog is None:
            return
        if batch:
            self._backlog.put(batch)
        else:
            self._backlog.push()


def _limit_blocking(descriptor: int) -> int:
    """Let a recv that waits return after a lull; the size of the socket's buffer."""
    with socket.socket(fileno=os.dup(descriptor)) as shared:
        shared.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 0, _LULL_US))
        return shared.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
