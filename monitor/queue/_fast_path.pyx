# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""``raftmon.monitor.queue.fast_path.InterpretedFastPath`` compiled. That class says what each part does; here is only how it is fast.

Plain packets are written to the recorder's batch as they come (``raftmon.monitor.recorder.pipe`` has the form), so that nothing of them
stays behind as an object; the routes lie in a small table that is looked up by the eight bytes of addresses as they are.
"""

import time

from raftmon.monitor.recorder.pipe import BATCH_NS, BATCH_PACKETS, DELIVERED as PIPE_DELIVERED, FRAME_HEAD, Batch, encode
from raftmon.monitor.recorder.pipe import SENT_DIFFERS as PIPE_SENT_DIFFERS

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec

from raftmon.monitor.recorder._pipe_frame cimport (
    DELIVERED, Bytes, FrameHead, allocate, check_frame_head, room_for, taken,
)

check_frame_head(FRAME_HEAD.pack, PIPE_DELIVERED, PIPE_SENT_DIFFERS)

cdef enum:
    OWN_TIME_SHIFT = 8
    OWN_TIME_STEPS = 4096

cdef int64_t PERIOD_NS = BATCH_NS
cdef Py_ssize_t ENOUGH = BATCH_PACKETS


cdef struct Slot:
    uint64_t pair  # the addresses on arrival, as they lie in memory
    uint64_t addresses  # those it leaves with
    uint64_t packets  # that took this route and were not taken yet
    uint32_t link
    uint8_t used
    uint8_t moves


cdef inline uint64_t _mix(uint64_t pair) noexcept nogil:
    pair ^= pair >> 32
    pair *= 0x9E3779B97F4A7C15u
    return pair >> 32


cdef class FastPath:
    """The fast path of plain packets (``raftmon.monitor.queue.fast_path.InterpretedFastPath``)."""

    cdef readonly list frames
    cdef public object id_gaps
    cdef object _full_path, _slow, _clock_ns
    cdef object _flush, _periodic_work, _posted, _delivery
    cdef dict _links  # packets of former routes and of ``frames``
    cdef Slot *_slots
    cdef size_t _mask
    cdef Bytes _kept
    cdef Py_ssize_t _packets
    cdef int64_t _size, _last_ns, _last_id, _next_periodic_work_ns
    cdef uint32_t _own_time[OWN_TIME_STEPS]

    def __cinit__(self, *_):
        self._slots = <Slot *> calloc(1, sizeof(Slot))
        if self._slots == NULL:
            raise MemoryError
        allocate(&self._kept)
        memset(self._own_time, 0, sizeof(self._own_time))

    def __dealloc__(self):
        free(self._slots)
        free(self._kept.data)

    def __init__(self, full_path, slow, clock_ns):
        self.frames = []
        self.id_gaps = 0
        self._full_path = full_path
        self._slow = slow
        self._clock_ns = None if clock_ns is time.monotonic_ns else clock_ns
        self._links = {}
        self._last_id = -1

    cdef int64_t _now(self) except? -1:
        cdef timespec now
        if self._clock_ns is not None:
            return self._clock_ns()
        clock_gettime(CLOCK_MONOTONIC, &now)
        return <int64_t> now.tv_sec * 1_000_000_000 + now.tv_nsec

    def set_routes(self, routes):
        cdef size_t room = 4
        cdef size_t at
        cdef Slot *slots
        cdef uint64_t pair
        cdef bytes raw
        while room < 2 * <size_t> len(routes):  # at most half full, so that a search ends
            room *= 2
        slots = <Slot *> calloc(room, sizeof(Slot))
        if slots == NULL:
            raise MemoryError
        self._settle_links()
        free(self._slots)
        self._slots, self._mask = slots, room - 1
        for raw, (addresses, link) in routes.items():
            if len(raw) != 8 or (addresses is not None and len(addresses) != 8):
                raise ValueError(f"a route is by 8 bytes of addresses, not by {raw!r}")
            memcpy(&pair, PyBytes_AS_STRING(raw), 8)
            at = _mix(pair) & self._mask
            while slots[at].used:
                at = (at + 1) & self._mask
            slots[at].pair, slots[at].link, slots[at].used = pair, link, 1
            if addresses is not None:
                raw = addresses
                memcpy(&slots[at].addresses, PyBytes_AS_STRING(raw), 8)
                slots[at].moves = 1

    cdef Slot *_find(self, const uint8_t *data, Py_ssize_t size) noexcept:
        cdef uint64_t pair
        cdef size_t at
        if size < 20 or data[0] != 0x45 or (data[2] << 8 | data[3]) != size:
            return NULL
        memcpy(&pair, data + 12, 8)
        at = _mix(pair) & self._mask
        while self._slots[at].used:
            if self._slots[at].pair == pair:
                return &self._slots[at]
            at = (at + 1) & self._mask
        return NULL

    @property
    def waiting(self):
        return self._packets > 0 or len(self.frames) > 0

    def callback(self, flush, periodic_work, posted, delivery):
        self._flush, self._periodic_work, self._posted, self._delivery = flush, periodic_work, posted, delivery
        self._last_id, self._next_periodic_work_ns = -1, 0
        return self._handle

    def _handle(self, packet):
        cdef int64_t now_ns = self._now()
        cdef bytes data = packet.get_payload()
        cdef Py_ssize_t size = PyBytes_GET_SIZE(data)
        cdef const uint8_t *raw = <const uint8_t *> PyBytes_AS_STRING(data)
        cdef Slot *slot = self._find(raw, size)
        cdef int64_t number, spent, due_ns
        cdef bytes changed
        cdef char *out
        if slot != NULL:
            if slot.moves:
                changed = PyBytes_FromStringAndSize(NULL, size)
                out = PyBytes_AS_STRING(changed)
                memcpy(out, raw, size)
                memcpy(out + 12, &slot.addresses, 8)
                packet.set_payload(changed)
            packet.accept()
            slot.packets += 1
            self._keep(now_ns, slot.link, raw, size)
        else:
            self._full_path(packet, data, now_ns)
            if self.frames:
                self._take_frames()
            due = self._delivery.next_due_ns
            if due is not None and due < self._next_periodic_work_ns:
                self._next_periodic_work_ns = 0
        number = packet.id
        if number != self._last_id + 1 and self._last_id >= 0:
            self.id_gaps += (number - self._last_id - 1) & 0xFFFFFFFF
        self._last_id = number
        spent = (self._now() - now_ns) >> OWN_TIME_SHIFT
        if spent < OWN_TIME_STEPS:
            self._own_time[spent if spent > 0 else 0] += 1
        else:
            self._slow(spent << OWN_TIME_SHIFT)
        if self._packets >= ENOUGH:
            self._flush()
        if now_ns >= self._next_periodic_work_ns or self._posted:
            self._periodic_work(now_ns)
            due = self._delivery.next_due_ns
            due_ns = now_ns + PERIOD_NS
            self._next_periodic_work_ns = due_ns if due is None or due > due_ns else due

    cdef int _keep(self, int64_t now_ns, uint32_t link, const uint8_t *raw, Py_ssize_t size) except -1:
        cdef uint8_t *at = room_for(&self._kept, sizeof(FrameHead) + size)
        cdef FrameHead head
        head.time_ns, head.link, head.size, head.sent, head.comment = now_ns, link, size, 0, 0
        head.flags = DELIVERED
        memcpy(at, &head, sizeof(FrameHead))
        memcpy(at + sizeof(FrameHead), raw, size)
        self._kept.used += sizeof(FrameHead) + size
        self._packets += 1
        self._size += size
        self._last_ns = now_ns
        return 0

    cdef int _take_frames(self) except -1:
        cdef bytes chunk = encode(self.frames)
        memcpy(room_for(&self._kept, len(chunk)), PyBytes_AS_STRING(chunk), len(chunk))
        self._kept.used += len(chunk)
        for frame in self.frames:
            self._packets += 1
            self._size += len(frame[2])
            self._links[frame[1]] = self._links.get(frame[1], 0) + 1
            self._last_ns = frame[0]
        self.frames.clear()
        return 0

    cdef int _settle_links(self) except -1:
        cdef size_t at
        for at in range(self._mask + 1):
            if self._slots[at].packets:
                link = self._slots[at].link
                self._links[link] = self._links.get(link, 0) + self._slots[at].packets
                self._slots[at].packets = 0
        return 0

    def take(self):
        if self.frames:
            self._take_frames()
        if not self._packets:
            return None
        self._settle_links()
        batch = Batch(taken(&self._kept), self._packets, self._size, self._links, self._last_ns)
        self._links = {}
        self._packets = self._size = 0
        return batch

    def take_own_time(self):
        cdef int step
        found = []
        for step in range(OWN_TIME_STEPS):
            if self._own_time[step]:
                found.append((((step + 1) << OWN_TIME_SHIFT) - 1, self._own_time[step]))
                self._own_time[step] = 0
        return found
