# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""``raftmon.monitor.recorder.head_scan.HeadScanInPython`` compiled. That class says what each part does."""

from raftmon.monitor.raft.message import KINDS, LEADER_KINDS
from raftmon.monitor.recorder.head_scan import LinkHeads
from raftmon.monitor.recorder.pipe import DELIVERED as PIPE_DELIVERED, FRAME_HEAD, NO_LINK
from raftmon.monitor.recorder.pipe import SENT_DIFFERS as PIPE_SENT_DIFFERS

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

from raftmon.monitor.recorder._pipe_frame cimport FrameHead, check_frame_head

check_frame_head(FRAME_HEAD.pack, PIPE_DELIVERED, PIPE_SENT_DIFFERS)

cdef enum:
    FLOWS = 4096  # as in the Python
    SLOTS = 16384  # of the table of flows
    HEAD_BYTES = 64
    MAX_FRAME = 64 << 20
    JOIN = 0
    SIZE = 1
    BODY = 2
    AFTER = 3
    LOST = -2
    MORE = -1

cdef uint32_t NONE = NO_LINK
cdef uint64_t _LEADING = sum(1 << number for number, kind in enumerate(KINDS) if kind in LEADER_KINDS)
cdef uint64_t _NOT_OWN = sum(1 << KINDS.index(kind) for kind in ("MsgPreVote", "MsgPreVoteResp", "MsgProp", "MsgReadIndex"))
cdef uint32_t _KINDS = len(KINDS)
cdef uint64_t MSG_APP = KINDS.index("MsgApp")


cdef struct Flow:
    uint64_t key  # link and ports; 0 is nobody's
    uint64_t term
    int64_t chunk
    int64_t left
    int64_t skip
    int64_t entries
    uint32_t next_seq
    uint8_t mode
    uint8_t appends
    uint8_t at_entry
    uint8_t carried
    uint8_t headed
    uint8_t carry[10]
    uint8_t head[HEAD_BYTES]


cdef struct Heads:
    uint64_t led_term
    uint64_t led_ns
    uint64_t term
    uint64_t heads


cdef struct Found:
    int64_t place  # after it; MORE, LOST
    uint64_t value


cdef inline uint64_t _u64(const uint8_t *at) noexcept nogil:
    cdef uint64_t value = 0
    cdef int i
    for i in range(8):
        value = value << 8 | at[i]
    return value


cdef inline Found _varint(const uint8_t *data, int64_t size, int64_t place, int64_t end) noexcept nogil:
    cdef Found found
    cdef int shift
    found.value = 0
    for shift in range(10):
        if place >= end:
            found.place = LOST
            return found
        if place >= size:
            found.place = MORE
            return found
        found.value |= <uint64_t> (data[place] & 0x7F) << (7 * shift)
        place += 1
        if data[place - 1] < 0x80:
            found.place = place
            return found
    found.place = LOST
    return found


cdef inline void _note(Heads *link, uint64_t time_ns, uint64_t kind, uint64_t term) noexcept nogil:
    link.heads += 1
    if not _NOT_OWN >> kind & 1 and term > link.term:
        link.term = term
    if _LEADING >> kind & 1 and term and term >= link.led_term:
        link.led_term, link.led_ns = term, time_ns


cdef int64_t _read_head(const uint8_t *data, int64_t size, int64_t place, int64_t end, uint64_t *out) noexcept nogil:
    """Type, to and term into ``out``; 0, MORE or LOST."""
    cdef int number
    cdef uint64_t values[4]
    cdef Found found
    values[3] = 0
    for number in range(4):
        if place >= end:
            if number < 3:
                return LOST
            break
        if place >= size:
            return MORE
        if data[place] != 8 * (number + 1):
            if number < 3:
                return LOST
            break
        found = _varint(data, size, place + 1, end)
        if found.place < 0:
            return found.place
        values[number], place = found.value, found.place
    else:
        if values[0] >= _KINDS:
            return LOST
        out[0], out[1], out[2] = values[0], values[1], values[3]
        return 0
    out[0], out[1], out[2] = values[0], values[1], 0
    return 0


cdef int64_t _append(Flow *flow, Heads *link, uint64_t time_ns, const uint8_t *head, int64_t size) noexcept nogil:
    cdef uint64_t count, entry
    cdef Found found
    if size < 9:
        return MORE
    count = _u64(head + 1)
    if count > MAX_FRAME // 14:
        return LOST
    flow.appends = 1
    if not count:
        _note(link, time_ns, MSG_APP, flow.term)
        return 17
    if size < 17:
        return MORE
    entry = _u64(head + 9)
    if entry < 6 or entry > MAX_FRAME or (size > 17 and head[17] != 8):
        return LOST
    if size <= 19:
        return MORE
    if head[18] > 2 or head[19] != 0x10:
        return LOST
    found = _varint(head, size, 20, 30)
    if found.place < 0:
        return found.place
    flow.term = found.value
    _note(link, time_ns, MSG_APP, flow.term)
    flow.entries, flow.at_entry = count - 1, count == 1
    return 17 + <int64_t> entry


cdef int64_t _frame(Flow *flow, Heads *link, uint64_t time_ns, const uint8_t *head, int64_t size, bint alone) noexcept nogil:
    cdef uint64_t out[3]
    cdef uint64_t length
    cdef int64_t framing, found
    if head[0] == 1:
        return _append(flow, link, time_ns, head, size)
    if head[0] == 0 and (flow.appends or alone):
        flow.appends = 1
        return 1
    if head[0] > 2:
        return LOST
    framing = 9 if head[0] == 2 else 8
    if size < framing:
        return MORE
    length = _u64(head + framing - 8)
    if length < 2 or length > MAX_FRAME:
        return LOST
    found = _read_head(head, size, framing, framing + length, out)
    if found < 0:
        return found
    flow.appends = head[0] == 2
    if flow.appends:
        flow.term = out[2]
    if out[1]:
        _note(link, time_ns, out[0] if out[0] < 64 else 63, out[2])
    return framing + <int64_t> length


cdef int64_t _entry(Flow *flow, const uint8_t *head, int64_t size) noexcept nogil:
    cdef uint64_t length
    if flow.at_entry:
        flow.at_entry = 0
        return 8
    if size < 8:
        return MORE
    length = _u64(head)
    if length < 6 or length > MAX_FRAME:
        return LOST
    flow.entries -= 1
    flow.at_entry = not flow.entries
    return 8 + <int64_t> length


cdef int64_t _head(Flow *flow, Heads *link, uint64_t time_ns, const uint8_t *chunk, int64_t size) noexcept nogil:
    """How many bytes were used, or LOST."""
    cdef int64_t before = flow.headed, more = min(<int64_t> HEAD_BYTES - before, size), found, used
    cdef bint alone = flow.chunk == 1
    cdef const uint8_t *head = chunk
    if before:
        memcpy(flow.head + before, chunk, more)
        head = flow.head
    if flow.entries or flow.at_entry:
        found = _entry(flow, head, before + more)
    else:
        found = _frame(flow, link, time_ns, head, before + more, alone)
    if found == LOST:
        return LOST
    if found == MORE:
        if before + more >= HEAD_BYTES:
            return LOST
        if not before:
            memcpy(flow.head, chunk, more)
        flow.headed = <uint8_t> (before + more)
        return more
    flow.headed = 0
    used = min(found - before, size)
    flow.skip = found - before - used
    return used


cdef int64_t _chunk_size(const uint8_t *digits, int count) noexcept nogil:
    cdef int64_t value = 0
    cdef int i
    cdef uint8_t byte
    for i in range(count):
        byte = digits[i]
        if 48 <= byte <= 57:
            value = value << 4 | (byte - 48)
        elif 97 <= byte <= 102:
            value = value << 4 | (byte - 87)
        elif 65 <= byte <= 70:
            value = value << 4 | (byte - 55)
        else:
            return LOST
    return value if value else LOST


cdef int _follow(Flow *flow, Heads *link, uint64_t time_ns, const uint8_t *data, int64_t size) noexcept nogil:
    cdef int64_t place = 0, used
    while place < size:
        if flow.mode == SIZE:
            flow.carry[flow.carried] = data[place]
            flow.carried += 1
            place += 1
            if flow.carried >= 2 and flow.carry[flow.carried - 1] == 10 and flow.carry[flow.carried - 2] == 13:
                flow.left = _chunk_size(flow.carry, flow.carried - 2)
                flow.chunk = flow.left
                if flow.left == LOST:
                    return LOST
                flow.carried, flow.mode = 0, BODY
            elif flow.carried >= 10:
                return LOST
        elif flow.mode == AFTER:
            if data[place] != (10 if flow.carried else 13):
                return LOST
            flow.carried = not flow.carried
            flow.mode = AFTER if flow.carried else SIZE
            place += 1
        else:
            used = min(flow.left, size - place)
            if flow.skip:
                used = min(flow.skip, used)
                flow.skip -= used
            else:
                used = _head(flow, link, time_ns, data + place, used)
                if used == LOST:
                    return LOST
            flow.left -= used
            place += used
            if not flow.left:
                flow.mode = AFTER
    return 0


cdef class HeadScan:
    """See ``raftmon.monitor.recorder.head_scan.HeadScanInPython``."""

    cdef uint32_t _count
    cdef int _used
    cdef Heads *_links
    cdef Flow *_flows
    cdef bytes _rest

    def __cinit__(self, count):
        self._count = count
        self._links = <Heads *> calloc(self._count + 1, sizeof(Heads))
        self._flows = <Flow *> calloc(SLOTS, sizeof(Flow))
        if self._links == NULL or self._flows == NULL:
            raise MemoryError
        self._used = 0
        self._rest = b""

    def __dealloc__(self):
        free(self._links)
        free(self._flows)

    def links(self):
        return [
            LinkHeads(self._links[i].led_term, self._links[i].led_ns, self._links[i].term, self._links[i].heads)
            for i in range(self._count)
        ]

    def feed(self, bytes data):
        cdef bytes buffer = self._rest + data if self._rest else data
        cdef const uint8_t *raw = <const uint8_t *> PyBytes_AS_STRING(buffer)
        cdef Py_ssize_t at = 0, end = PyBytes_GET_SIZE(buffer), stop
        cdef FrameHead head
        with nogil:
            while at + <Py_ssize_t> sizeof(FrameHead) <= end:
                memcpy(&head, raw + at, sizeof(FrameHead))
                at += sizeof(FrameHead)
                stop = at + head.size + head.sent + head.comment
                if stop > end:
                    at -= sizeof(FrameHead)
                    break
                if head.link != NONE and head.link < self._count:
                    self._packet(head.time_ns, head.link, raw + at, head.size)
                at = stop
        self._rest = buffer[at:]

    cdef Flow *_flow(self, uint64_t key) noexcept nogil:
        cdef uint64_t slot = (key * <uint64_t> 0x9E3779B97F4A7C15) >> 50
        while self._flows[slot].key:
            if self._flows[slot].key == key:
                return &self._flows[slot]
            slot = (slot + 1) % SLOTS
        if self._used >= FLOWS:
            memset(self._flows, 0, SLOTS * sizeof(Flow))
            self._used = 0
            slot = (key * <uint64_t> 0x9E3779B97F4A7C15) >> 50
        self._used += 1
        self._flows[slot].key = key
        return &self._flows[slot]

    cdef void _packet(self, uint64_t time_ns, uint32_t link, const uint8_t *packet, int64_t size) noexcept nogil:
        cdef int64_t data, total, ahead
        cdef uint32_t seq
        cdef Flow *flow
        if size < 40 or packet[0] != 0x45 or packet[9] != 6 or packet[6] & 0x3F or packet[7]:
            return
        data = 20 + (packet[32] >> 2 & 0x3C)
        total = <int64_t> packet[2] << 8 | packet[3]
        if data < 40 or data >= total or total > size:
            return
        seq = <uint32_t> packet[24] << 24 | <uint32_t> packet[25] << 16 | <uint32_t> packet[26] << 8 | packet[27]
        flow = self._flow(
            <uint64_t> 1 << 63 | <uint64_t> link << 32 | <uint64_t> packet[20] << 24 | <uint64_t> packet[21] << 16
            | <uint64_t> packet[22] << 8 | packet[23]
        )
        if packet[33] & 7:
            flow.mode = JOIN
            return
        if flow.mode != JOIN:
            ahead = <int32_t> (seq - flow.next_seq)
            if ahead < 0:
                data -= ahead
                if data >= total:
                    return
                seq = flow.next_seq
            elif ahead > 0:
                flow.mode = JOIN
        flow.next_seq = seq + <uint32_t> (total - data)
        if flow.mode == JOIN:
            flow.mode, flow.left, flow.skip, flow.entries, flow.term = SIZE, 0, 0, 0, 0
            flow.appends = flow.at_entry = flow.carried = flow.headed = 0
            if total - data >= 2 and packet[data] == 13 and packet[data + 1] == 10:
                data += 2
        if _follow(flow, &self._links[link], time_ns, packet + data, total - data) == LOST:
            flow.mode = JOIN
