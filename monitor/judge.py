"""What happens to one packet between the kernel and its verdict: route, rules, bookkeeping. No sockets of its own."""

from __future__ import annotations

import time
import traceback
from collections import Counter
from collections.abc import Callable, Collection
from operator import itemgetter

from monitor.addresses import AddressBook, Route, is_neutral, readdress
from monitor.config import MonitorConfig
from monitor.delivery import Delivery, QueuedPacket
from monitor.engine import Chain, Engine, UserCodeError
from monitor.fidelity import Counters
from monitor.pipe import NO_LINK, Frame, PlainFrame
from monitor.verdict import ACCEPT
from setup.errors import RaftmonError
from setup.eventlog import EventLog

__all__ = ["CHORES_NS", "Judge"]

CHORES_NS = 20_000_000
"""How long the loop's chores may wait while packets come without a pause."""

_BATCH_PACKETS = 256
_OWN_TIME_SHIFT = 8  # the hot path counts its time in steps of 256 ns; Histogram takes over once a second
_OWN_TIME_STEPS = 4096
_TOTAL_LENGTH = [length.to_bytes(2, "big") for length in range(65_536)]  # what a good header says, by its real length
_NO_OPTIONS = 0x45  # IPv4 with a header of 20 bytes

Batch = list[Frame | PlainFrame]


class Judge:
    """Decides about single packets, and keeps what the recorder shall have in ``batch``. Tests feed it packets of their
    own making.
    """

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
                next_chores_ns = now_ns + CHORES_NS if due_ns is None else min(due_ns, now_ns + CHORES_NS)

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
