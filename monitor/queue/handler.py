"""What happens to one packet between the kernel and its verdict: route, rules, bookkeeping. No sockets of its own."""

from __future__ import annotations

import time
import traceback
from collections import Counter
from collections.abc import Callable, Collection

from raftmon.monitor.config import MonitorConfig
from raftmon.monitor.fidelity import MonitorCounters
from raftmon.monitor.packets.addresses import AddressBook, Route, is_neutral, readdress
from raftmon.monitor.queue.delivery import Delivery, QueuedPacket
from raftmon.monitor.queue.fast_path import FastPath, InterpretedFastPath
from raftmon.monitor.recorder.pipe import NO_LINK, Batch, PipeFrame
from raftmon.monitor.rules.engine import Engine
from raftmon.monitor.rules.link_state import Chain
from raftmon.monitor.rules.user_code import UserCodeError
from raftmon.monitor.rules.verdict import ACCEPT
from raftmon.setup.errors import RaftmonError
from raftmon.setup.eventlog import EventLog

__all__ = ["PacketHandler"]


class PacketHandler:
    """Decides about single packets, and keeps them for the recorder. Tests feed it packets of their own making."""

    def __init__(
        self,
        config: MonitorConfig,
        book: AddressBook,
        engine: Engine,
        delivery: Delivery,
        counters: MonitorCounters,
        log: EventLog,
        clock_ns: Callable[[], int] = time.monotonic_ns,
        fast_path: type[InterpretedFastPath] = FastPath,
    ) -> None:
        self._config = config
        self._book = book
        self._engine = engine
        self._delivery = delivery
        self._counters = counters
        self._log = log
        self._neutral = {
            pair for pair, route in book.by_pair.items() if len(pair) == 8 and is_neutral(pair, route.delivery)
        }
        self._drops_malformed = config.malformed == "drop"
        self._chains: list[Chain | None] = []
        self._path = fast_path(self._full_path, counters.own_time_ns.add, clock_ns)
        self._keep = self._path.frames.append
        self.link_packets: Counter[int] = Counter()
        self.failure: RaftmonError | None = None
        self.paused = False
        self.refresh()

    def refresh(self) -> None:
        """Take over the engine's chains; call it after every ``engine.load`` and change of ``paused``."""
        links = range(len(self._book.links))
        self._chains = [None if self.paused else self._engine.chain(link_id) for link_id in links]
        routes = [(pair, self._book.by_pair[pair]) for pair in self._neutral]
        self._path.set_routes(
            {
                pair: (route.delivery if route.moves else None, route.link_id)
                for pair, route in routes
                if self._chains[route.link_id] is None
            }
        )

    def settle_links(self, now_ns: int) -> None:
        """Put links back on the fast path whose rules are gone and whose held packets have left by ``now_ns``."""
        if self._engine.settle(now_ns):
            self.refresh()

    def callback(
        self, flush: Callable[[], None], periodic_work: Callable[[int], None], posted: Collection[object] = ()
    ) -> Callable[[QueuedPacket], None]:
        """The function for NetfilterQueue: see ``raftmon.monitor.queue.fast_path``."""
        return self._path.callback(flush, periodic_work, posted, self._delivery)

    @property
    def waiting(self) -> bool:
        """Whether something is kept that ``take_batch`` would give."""
        return self._path.waiting

    def take_batch(self) -> Batch | None:
        """What was kept since the last call, after counting it; None if nothing was."""
        batch = self._path.take()
        if batch is not None:
            self.link_packets.update(batch.links)
            self._counters.packets += batch.packets
            self._counters.bytes += batch.size
        return batch

    def stalled(self, span_ns: int) -> None:
        """The loop stood still for so long (0 or less: not at all); the longest span is kept."""
        if span_ns > self._counters.longest_stall_ns:
            self._counters.longest_stall_ns = span_ns

    def settle_counts(self) -> None:
        """Move what the path of plain packets counted into the lasting counters."""
        self._counters.queue_id_gaps = self._path.id_gaps
        add = self._counters.own_time_ns.add_many
        for spent_ns, count in self._path.take_own_time():
            add(spent_ns, count)

    def _full_path(self, packet: QueuedPacket, data: bytes, now_ns: int) -> None:
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
            self._keep(PipeFrame(now_ns, link_id, data, comment))

    def _decide(self, packet: QueuedPacket, data: bytes, now_ns: int) -> None:
        route, fault = self._route(data)
        counters = self._counters
        if fault == "truncated":
            counters.truncated += 1
            packet.accept()  # its tail is still with the kernel: any change here would cut it off
            self._keep(PipeFrame(now_ns, route.link_id if route else NO_LINK, data, "truncated"))
            return
        if fault is not None:
            counters.malformed += 1
            if self._drops_malformed:
                packet.drop()
                counters.dropped += 1
            else:
                packet.accept()
            self._keep(PipeFrame(now_ns, NO_LINK, data, f"malformed: {fault}", not self._drops_malformed))
            return
        if route is None:
            counters.unknown_link += 1
            packet.accept()
            self._keep((now_ns, NO_LINK, data))
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
            self._keep((now_ns, route.link_id, data))
            return
        frame = self._delivery.perform(packet, data, route, verdict, now_ns)
        if verdict.record is not False:
            self._keep(frame)

    def _route(self, data: bytes) -> tuple[Route | None, str | None]:
        """The packet's route, None if it is nobody's; and what is wrong with its header, if anything."""
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
