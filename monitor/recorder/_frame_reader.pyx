# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""``raftmon.monitor.recorder.frame_reader.RecordPathInPython`` compiled. That class says what each part does; here is how it is fast.

A frame that says nothing special becomes its block where it is to lie: the packet is copied once, and its addresses
and checksums are changed there. Every other frame goes through the same functions as in Python.
"""

from raftmon.monitor.recorder.pipe import DELIVERED as PIPE_DELIVERED, FRAME_HEAD, NO_LINK
from raftmon.monitor.recorder.pipe import SENT_DIFFERS as PIPE_SENT_DIFFERS
from raftmon.monitor.recorder.frame_reader import NOBODY, Fed, RecordedPacket

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp, memcpy

from raftmon.monitor.recorder._pipe_frame cimport (
    DELIVERED, SENT_DIFFERS, Bytes, FrameHead, allocate, check_frame_head, room_for, taken,
)

check_frame_head(FRAME_HEAD.pack, PIPE_DELIVERED, PIPE_SENT_DIFFERS)

cdef enum:
    BLOCK_HEAD_BYTES = 28  # raftmon.monitor.packets.pcapng_writer
    ENHANCED_PACKET = 6
    TCP = 6

cdef uint32_t NONE = NO_LINK


cdef struct Line:
    uint8_t arrival[8]
    uint8_t recorded[8]
    uint8_t moves
    uint32_t change  # of the ones' complement sum; 0 where the checksums stay as they are


cdef inline void _put32(uint8_t *at, uint32_t value) noexcept:
    at[0], at[1], at[2], at[3] = <uint8_t> value, <uint8_t> (value >> 8), <uint8_t> (value >> 16), <uint8_t> (value >> 24)


cdef inline uint32_t _word_sum(const uint8_t *at) noexcept:
    cdef uint32_t total = 0
    cdef int i
    for i in range(0, 8, 2):
        total += <uint32_t> at[i] << 8 | at[i + 1]
    return total % 0xFFFF


cdef inline void _repair(uint8_t *at, uint32_t change) noexcept:
    """RFC 1624, equation 3, as in raftmon.monitor.packets.addresses."""
    cdef uint32_t total = (0xFFFF ^ (<uint32_t> at[0] << 8 | at[1])) + change
    total = 0xFFFF ^ ((total & 0xFFFF) + (total >> 16))
    at[0], at[1] = <uint8_t> (total >> 8), <uint8_t> total


cdef class RecordPath:
    """The way into the record (``raftmon.monitor.recorder.frame_reader.RecordPathInPython``)."""

    cdef list _links, _real
    cdef object _writer
    cdef bytes _rest
    cdef Line *_lines
    cdef uint32_t _count
    cdef int64_t _wall_offset_ns
    cdef Bytes _blocks

    def __cinit__(self, book, writer):
        self._count = len(book.links)
        self._lines = <Line *> calloc(self._count + 1, sizeof(Line))
        if self._lines == NULL:
            raise MemoryError
        allocate(&self._blocks)

    def __dealloc__(self):
        free(self._lines)
        free(self._blocks.data)

    def __init__(self, book, writer):
        cdef Line *line
        cdef bytes raw
        self._links = list(book.links)
        self._real = [book.recorder(link_id) for link_id in range(self._count)]
        self._writer = writer
        self._wall_offset_ns = 0 if writer is None else writer.wall_offset_ns
        self._rest = b""
        for route in book.by_pair.values():
            if len(route.arrival) == 8:
                line = &self._lines[route.link_id]
                raw = route.arrival
                memcpy(line.arrival, PyBytes_AS_STRING(raw), 8)
                raw = route.recorded
                memcpy(line.recorded, PyBytes_AS_STRING(raw), 8)
                line.moves = route.moves
                line.change = (0xFFFF - _word_sum(line.arrival) + _word_sum(line.recorded)) % 0xFFFF

    @property
    def waiting_bytes(self):
        return self._blocks.used

    @property
    def pending_bytes(self):
        return len(self._rest)

    cdef bint _is_simple(self, uint32_t link, const uint8_t *packet, uint32_t size) noexcept:
        """Whether ``_readdress`` can do it: as ``readdresser``'s short way, or with nothing to do."""
        cdef Line *line
        if link == NONE:
            return True
        if link >= self._count or size < 20 or packet[0] != 0x45:
            return False
        line = &self._lines[link]
        if not line.moves:
            return True
        if memcmp(line.arrival, packet + 12, 8) != 0:
            return False
        return line.change == 0 or (size >= 40 and packet[9] == TCP and not packet[6] & 0x1F and packet[7] == 0)

    cdef void _readdress(self, uint32_t link, uint8_t *packet) noexcept:
        cdef Line *line
        if link == NONE or not self._lines[link].moves:
            return
        line = &self._lines[link]
        memcpy(packet + 12, line.recorded, 8)
        if line.change:
            _repair(packet + 10, line.change)
            _repair(packet + 36, line.change)

    def feed(self, bytes data, number, list packets):
        cdef bytes buffer = self._rest + data if self._rest else data
        cdef const uint8_t *raw = <const uint8_t *> PyBytes_AS_STRING(buffer)
        cdef Py_ssize_t at = 0, end = PyBytes_GET_SIZE(buffer), stop, found = 0, total = 0
        cdef int64_t first = number
        cdef uint64_t oldest_ns = 0
        cdef FrameHead head
        cdef uint32_t size, sent
        while at + <Py_ssize_t> sizeof(FrameHead) <= end:
            memcpy(&head, raw + at, sizeof(FrameHead))
            size, sent = head.size, head.sent
            stop = at + sizeof(FrameHead) + size + sent + head.comment
            if stop > end:
                break
            at += sizeof(FrameHead)
            found += 1
            total += size
            oldest_ns = oldest_ns or head.time_ns
            if head.flags == DELIVERED and head.comment == 0 and self._is_simple(head.link, raw + at, size):
                self._take_simple(first + found, head.time_ns, head.link, raw + at, size, packets)
            else:
                self._take_other(
                    first + found, head.time_ns, head.link, buffer[at:at + size], buffer[at + size + sent:stop],
                    head.flags & DELIVERED != 0,
                    buffer[at + size:at + size + sent] if head.flags & SENT_DIFFERS else None, packets,
                )
            at = stop
        self._rest = buffer[at:]
        return Fed(found, total, oldest_ns)

    cdef int _take_simple(
        self, int64_t number, uint64_t time_ns, uint32_t link, const uint8_t *packet, uint32_t size, list packets
    ) except -1:
        cdef uint32_t padding = -size & 3
        cdef uint32_t length = 32 + size + padding
        cdef uint64_t stamp = time_ns + <uint64_t> self._wall_offset_ns
        cdef uint8_t *block
        cdef bytes recorded
        if self._writer is not None:
            block = room_for(&self._blocks, length)
            _put32(block, ENHANCED_PACKET)
            _put32(block + 4, length)
            _put32(block + 8, self._count if link == NONE else link)
            _put32(block + 12, <uint32_t> (stamp >> 32))
            _put32(block + 16, <uint32_t> stamp)
            _put32(block + 20, size)
            _put32(block + 24, size)
            _put32(block + length - 8, 0)  # the padding, if any
            memcpy(block + BLOCK_HEAD_BYTES, packet, size)
            self._readdress(link, block + BLOCK_HEAD_BYTES)
            _put32(block + length - 4, length)
            self._blocks.used += length
        if packets is not None:
            recorded = PyBytes_FromStringAndSize(<const char *> packet, size)
            if size >= 20:
                self._readdress(link, <uint8_t *> PyBytes_AS_STRING(recorded))
            packets.append(
                RecordedPacket(
                    number, time_ns, NOBODY if link == NONE else self._links[link], recorded, "", True, None, link
                )
            )
        return 0

    cdef int _take_other(
        self, int64_t number, uint64_t time_ns, uint32_t link, bytes arrived, bytes comment, bint delivered, bytes sent,
        list packets,
    ) except -1:
        cdef bytes recorded = arrived if link == NONE else self._real[link](arrived)
        cdef bytes block
        text = comment.decode(errors="replace")
        if self._writer is not None:
            block = self._writer.packet(self._count if link == NONE else link, time_ns, recorded, text)
            memcpy(room_for(&self._blocks, len(block)), PyBytes_AS_STRING(block), len(block))
            self._blocks.used += len(block)
        if packets is not None:
            after = self._real[link](sent) if sent and link != NONE else sent
            whose = NOBODY if link == NONE else self._links[link]
            packets.append(RecordedPacket(number, time_ns, whose, recorded, text, delivered, after, link))
        return 0

    def take(self):
        return taken(&self._blocks)
