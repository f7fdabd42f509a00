"""The head of a frame in the recorder's pipe, as C lays it out, and bytes that grow: for the compiled modules.

``raftmon.monitor.recorder.pipe`` says what the fields are. The struct is what that module's ``FRAME_HEAD`` packs only on
a little-endian machine: ``check_frame_head`` is called at import, and what was compiled is not used where they differ.
"""

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport uint8_t, uint16_t, uint64_t
from libc.stdlib cimport free, malloc, realloc

cdef enum:
    DELIVERED = 1
    SENT_DIFFERS = 2
    FIRST_ROOM = 1 << 16


cdef packed struct FrameHead:
    uint64_t time_ns
    uint16_t link
    uint16_t size
    uint16_t sent
    uint16_t comment
    uint8_t flags


cdef inline int check_frame_head(pack, int delivered, int sent_differs) except -1:
    """Raise ImportError where this layout is not the one that ``pack`` (``FRAME_HEAD.pack``) makes."""
    cdef FrameHead head
    head.time_ns, head.link, head.size, head.sent, head.comment = 0x0102030405060708, 0x0910, 0x1112, 0x1314, 0x1516
    head.flags = DELIVERED | SENT_DIFFERS
    mine = PyBytes_FromStringAndSize(<char *> &head, sizeof(FrameHead))
    if mine != pack(head.time_ns, head.link, head.size, head.sent, head.comment, delivered | sent_differs):
        raise ImportError("frames for the recorder are laid out differently here than in raftmon.monitor.recorder.pipe")
    return 0


cdef struct Bytes:
    uint8_t *data
    size_t room
    size_t used


cdef inline int allocate(Bytes *some) except -1:
    some.data, some.room, some.used = <uint8_t *> malloc(FIRST_ROOM), FIRST_ROOM, 0
    if some.data == NULL:
        raise MemoryError
    return 0


cdef inline uint8_t *room_for(Bytes *some, size_t more) except NULL:
    """Where the next ``more`` bytes go; the caller adds them to ``used``."""
    cdef size_t room = some.room
    cdef uint8_t *data
    if some.used + more > room:
        while room < some.used + more:
            room *= 2
        data = <uint8_t *> realloc(some.data, room)
        if data == NULL:
            raise MemoryError
        some.data, some.room = data, room
    return some.data + some.used


cdef inline bytes taken(Bytes *some):
    """All of them; none are left."""
    found = PyBytes_FromStringAndSize(<char *> some.data, some.used)
    some.used = 0
    return found
