# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The common packets of etcd's streams, from the packet to its messages at once.

The interpreted twin is what ``Decoder.packet`` calls otherwise: ``StreamTable``, ``HttpTap``, ``MessageStream`` and
``MsgAppStream``. This takes a packet only where all of it is what these meet most of the time: it continues a stream
that is followed, it holds whole chunks of whole frames, and every message in it has the fields that etcd writes in the
order in which it writes them. Nothing is changed before that is certain; any other packet is left to the twin, which
finds the same state. tests/monitor/raft/test_etcd_packets.py compares both.
"""

import types

from raftmon.monitor.packets.tcp_table import _Half
from raftmon.monitor.raft.codecs.etcd.bodies import MessageStream, MsgAppStream, _learn
from raftmon.monitor.raft.codecs.etcd.requests import read_entry_data
from raftmon.monitor.raft.codecs.http import _SIZE, HttpTap
from raftmon.monitor.raft.message import KINDS, Channel, Entry, RaftMessage

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_GetItem
from cpython.object cimport PyObject, PyTypeObject
from cpython.ref cimport Py_INCREF, Py_XDECREF
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp

cdef extern from "Python.h":
    ctypedef struct PyMemberDef:
        Py_ssize_t offset
    ctypedef struct PyMemberDescrObject:
        PyMemberDef *d_member
    object PyType_GenericAlloc(PyTypeObject *, Py_ssize_t)

cdef enum:
    MAX_FRAME = 64 << 20
    REPEATED = 2048  # above it raftpb remembers the entries of a message: left to it
    MOST_ENTRIES = 4096

cdef Py_ssize_t _place(cls, str name) except -1:
    """Where a slot lies in the instances of a class with ``__slots__``."""
    for base in cls.__mro__:
        if name in base.__dict__:
            slot = base.__dict__[name]
            if type(slot) is not types.MemberDescriptorType:
                break
            return (<PyMemberDescrObject *> <PyObject *> slot).d_member.offset
    raise ImportError(f"{cls.__name__}.{name} is no slot")


cdef inline PyObject *_slot(object thing, Py_ssize_t place) noexcept:
    return (<PyObject **> (<char *> <PyObject *> thing + place))[0]


cdef inline void _put(object thing, Py_ssize_t place, object value) noexcept:
    cdef PyObject **slot = <PyObject **> (<char *> <PyObject *> thing + place)
    cdef PyObject *before = slot[0]
    Py_INCREF(value)
    slot[0] = <PyObject *> value
    Py_XDECREF(before)


cdef tuple _MESSAGE_FIELDS = (
    "time_ns", "kind", "source", "target", "term", "log_term", "index", "commit", "entries", "reject", "reject_hint",
    "context", "channel", "first_packet", "last_packet", "size", "raw", "group", "snapshot_index", "snapshot_term", "extra",
)
if tuple(RaftMessage.__dataclass_fields__) != _MESSAGE_FIELDS:
    raise ImportError("RaftMessage has other fields than these")
if tuple(Entry.__dataclass_fields__) != ("term", "index", "data", "type", "reader"):
    raise ImportError("Entry has other fields than these")

cdef Py_ssize_t M_TIME, M_KIND, M_SOURCE, M_TARGET, M_TERM, M_LOG_TERM, M_INDEX, M_COMMIT, M_ENTRIES, M_REJECT, M_HINT
cdef Py_ssize_t M_CONTEXT, M_CHANNEL, M_FIRST, M_LAST, M_SIZE, M_RAW, M_GROUP, M_SNAP_INDEX, M_SNAP_TERM, M_EXTRA
(
    M_TIME, M_KIND, M_SOURCE, M_TARGET, M_TERM, M_LOG_TERM, M_INDEX, M_COMMIT, M_ENTRIES, M_REJECT, M_HINT, M_CONTEXT,
    M_CHANNEL, M_FIRST, M_LAST, M_SIZE, M_RAW, M_GROUP, M_SNAP_INDEX, M_SNAP_TERM, M_EXTRA,
) = [_place(RaftMessage, name) for name in _MESSAGE_FIELDS]
cdef Py_ssize_t E_TERM = _place(Entry, "term"), E_INDEX = _place(Entry, "index"), E_DATA = _place(Entry, "data")
cdef Py_ssize_t E_TYPE = _place(Entry, "type"), E_READER = _place(Entry, "reader")
cdef Py_ssize_t H_NEXT = _place(_Half, "next_seq"), H_PENDING = _place(_Half, "pending"), H_PEER = _place(_Half, "peer")
cdef Py_ssize_t H_CONSUMER = _place(_Half, "consumer"), H_CLOSED = _place(_Half, "closed")
cdef Py_ssize_t T_STATE = _place(HttpTap, "_state"), T_HELD = _place(HttpTap, "_held"), T_BODY = _place(HttpTap, "_body")
cdef Py_ssize_t C_SOURCE = _place(Channel, "source"), C_TARGET = _place(Channel, "target")
cdef tuple KIND_NAMES = KINDS
cdef uint64_t KIND_COUNT = len(KINDS)
cdef object SIZE_STATE = _SIZE
cdef object ZERO = 0
cdef object NO_BYTES = b""
cdef object NO_GROUP = ""
cdef PyTypeObject *MESSAGE_TYPE = <PyTypeObject *> <PyObject *> RaftMessage
cdef PyTypeObject *ENTRY_TYPE = <PyTypeObject *> <PyObject *> Entry
cdef bytes _LINK_HEARTBEAT = b"\x08\x08\x10\x00\x18\x00"
cdef const uint8_t *LINK_HEARTBEAT = <const uint8_t *> PyBytes_AS_STRING(_LINK_HEARTBEAT)
cdef list _EMPTY_SNAPSHOTS = [
    b"\x4a\x08\x12\x06\x0a\x00\x10\x00\x18\x00", b"\x4a\x0a\x12\x08\x0a\x02\x28\x00\x10\x00\x18\x00",
    b"\x4a\x0c\x0a\x00\x12\x08\x0a\x02\x28\x00\x10\x00\x18\x00",
]


cdef inline uint64_t _u64(const uint8_t *at) noexcept nogil:
    cdef uint64_t value = 0
    cdef int i
    for i in range(8):
        value = value << 8 | at[i]
    return value


cdef inline int64_t _number(const uint8_t *data, int64_t place, int64_t end, uint8_t tag, uint64_t *value) noexcept nogil:
    """The varint behind ``tag`` at ``place``: the place after it, -1 if it is not there."""
    cdef int shift
    if place >= end or data[place] != tag:
        return -1
    place += 1
    value[0] = 0
    for shift in range(0, 70, 7):
        if place >= end:
            return -1
        value[0] |= <uint64_t> (data[place] & 0x7F) << shift
        place += 1
        if data[place - 1] < 0x80:
            return place
    return -1


cdef inline int64_t _empty_snapshot(const uint8_t *data, int64_t place, int64_t end) noexcept:
    cdef int64_t size
    if place >= end or data[place] != 0x4A:
        return place
    for form in _EMPTY_SNAPSHOTS:
        size = PyBytes_GET_SIZE(form)
        if place + size <= end and memcmp(data + place, PyBytes_AS_STRING(form), size) == 0:
            return place + size
    return -1


cdef inline bint _members(const uint8_t *data, int64_t size) noexcept nogil:
    """Whether ``/members/`` stands in the first 64 bytes."""
    cdef int64_t i, last = min(size, 64) - 9
    for i in range(last + 1):
        if data[i] == 47 and memcmp(data + i, b"/members/", 9) == 0:
            return True
    return False


cdef class Packets:
    """``packet`` gives the messages of a packet, or None: then it is one for the twin, and nothing was changed."""

    cdef object _decoder, _streams, _directory, _labels
    cdef dict _halves
    cdef bint _learns

    def __init__(self, decoder):
        self._decoder, self._streams, self._directory = decoder, decoder.streams, decoder.directory
        self._halves, self._labels = decoder.streams._halves, decoder.directory.labels

    def packet(self, number, time_ns, bytes packet):
        cdef const uint8_t *raw = <const uint8_t *> PyBytes_AS_STRING(packet)
        cdef int64_t have = PyBytes_GET_SIZE(packet), start, total
        cdef uint32_t seq, ack, expected
        cdef object half, peer, tap, stream
        cdef PyObject *found
        cdef list messages
        if have < 40 or raw[0] != 0x45 or raw[9] != 6 or raw[6] & 0x3F or raw[7]:
            return None
        start = 20 + (raw[32] >> 2 & 0x3C)
        total = <int64_t> raw[2] << 8 | raw[3]
        if start < 40 or total < start or total > have or raw[33] & 0x17 != 0x10:  # an acknowledgement, none of SYN FIN RST
            return None
        half = self._halves.get(packet[12:24])
        if half is None or type(half) is not _Half:
            return None
        peer = <object> _slot(half, H_PEER)
        if len(<list> <object> _slot(peer, H_PENDING)):
            return None
        ack = <uint32_t> raw[28] << 24 | <uint32_t> raw[29] << 16 | <uint32_t> raw[30] << 8 | raw[31]
        found = _slot(peer, H_NEXT)
        if <object> found is not None:
            expected = <object> found
            if <int32_t> (ack - expected) > 0:
                return None
        if total == start or <object> _slot(half, H_CLOSED) is True:
            self._streams.segments += 1
            return ()
        if <object> _slot(half, H_NEXT) is None or len(<list> <object> _slot(half, H_PENDING)):
            return None
        seq = <uint32_t> raw[24] << 24 | <uint32_t> raw[25] << 16 | <uint32_t> raw[26] << 8 | raw[27]
        expected = <object> _slot(half, H_NEXT)
        if seq != expected:
            return None
        tap = getattr(<object> _slot(half, H_CONSUMER), "tap", None)
        if type(tap) is not HttpTap or <object> _slot(tap, T_STATE) != SIZE_STATE or len(<bytes> <object> _slot(tap, T_HELD)):
            return None
        stream = <object> _slot(tap, T_BODY)
        messages = []
        if type(stream) is MessageStream:
            if not self._messages(stream, raw, start, total, number, time_ns, messages):
                return None
        elif type(stream) is not MsgAppStream or not self._appends(
            stream, raw, start, total, number, time_ns, messages
        ):
            return None
        self._streams.segments += 1
        _put(half, H_NEXT, <uint32_t> (seq + <uint32_t> (total - start)))
        return messages

    cdef int64_t _chunk(self, const uint8_t *data, int64_t place, int64_t end, int64_t *size) noexcept nogil:
        """The size of the chunk whose header is at ``place``, and where its bytes begin; -1 if it is not all there."""
        cdef int digits = 0
        cdef uint8_t byte
        size[0] = 0
        while place < end and digits < 9:
            byte = data[place]
            if 48 <= byte <= 57:
                byte -= 48
            elif 97 <= byte <= 102:
                byte -= 87
            elif 65 <= byte <= 70:
                byte -= 55
            else:
                break
            size[0] = size[0] << 4 | byte
            digits += 1
            place += 1
        if not 0 < digits < 9 or not size[0] or place + 2 + size[0] + 2 > end:
            return -1
        if data[place] != 13 or data[place + 1] != 10:
            return -1
        place += 2
        if data[place + size[0]] != 13 or data[place + size[0] + 1] != 10:
            return -1
        return place

    cdef bint _messages(
        self, stream, const uint8_t *data, int64_t place, int64_t end, number, time_ns, list out
    ) except -1:
        cdef int64_t size, stop, heartbeats = 0
        cdef uint64_t length
        cdef object channel = stream.channel
        if len(stream._held):
            return False
        while place < end:
            place = self._chunk(data, place, end, &size)
            if place < 0:
                return False
            stop = place + size
            while place < stop:
                if stop - place < 8:
                    return False
                length = _u64(data + place)
                if length > MAX_FRAME or place + 8 + <int64_t> length > stop:
                    return False
                if length >= 6 and memcmp(data + place + 8, LINK_HEARTBEAT, 6) == 0:
                    heartbeats += 1
                elif not self._message(
                    channel, data, place, place + 8, place + 8 + <int64_t> length, number, time_ns, out, NULL
                ):
                    return False
                place += 8 + <int64_t> length
            place = stop + 2
        if heartbeats:
            self._decoder.link_heartbeats["message"] += heartbeats
        return True

    cdef bint _appends(
        self, stream, const uint8_t *data, int64_t place, int64_t end, number, time_ns, list out
    ) except -1:
        cdef int64_t size, stop, frame, heartbeats = 0
        cdef uint64_t length, count, term, index, commit
        cdef uint64_t state[2]
        cdef uint64_t found[2]
        cdef uint64_t number_of_entry
        cdef object channel = stream.channel, entry
        cdef list entries
        cdef bint learns = False
        if len(stream._held) or stream.term is None:
            return False
        if <object> _slot(channel, C_SOURCE) is None or <object> _slot(channel, C_TARGET) is None:
            return False
        state[0], state[1] = stream.term, stream.index
        while place < end:
            place = self._chunk(data, place, end, &size)
            if place < 0:
                return False
            stop = place + size
            while place < stop:
                frame = place
                if data[place] == 0:
                    heartbeats += 1
                    place += 1
                elif data[place] == 2:
                    if stop - place < 9:
                        return False
                    length = _u64(data + place + 1)
                    if length > MAX_FRAME or place + 9 + <int64_t> length > stop:
                        return False
                    if not self._message(
                        channel, data, place, place + 9, place + 9 + <int64_t> length, number, time_ns, out, state
                    ):
                        return False
                    place += 9 + <int64_t> length
                elif data[place] == 1:
                    if stop - place < 17:
                        return False
                    count = _u64(data + place + 1)
                    if count > MOST_ENTRIES:
                        return False
                    place += 9
                    entries = []
                    term, index = state[0], state[1]
                    for number_of_entry in range(count):
                        if place + 8 > stop:
                            return False
                        length = _u64(data + place)
                        place += 8
                        if length > MAX_FRAME or place + <int64_t> length + 8 > stop:
                            return False
                        entry = self._entry(data, place, place + <int64_t> length, found, &learns)
                        if entry is None or (number_of_entry == 0 and (found[0] != term or found[1] != index + 1)):
                            return False
                        entries.append(entry)
                        place += <int64_t> length
                    commit = _u64(data + place)
                    place += 8
                    if count:
                        if found[1] != index + count:
                            return False
                        state[1] = index + count
                    out.append(
                        self._made(
                            channel, <object> _slot(channel, C_SOURCE), <object> _slot(channel, C_TARGET), time_ns,
                            number, 3, term, term, index, commit, tuple(entries), 0, 0, NO_BYTES,
                            PyBytes_FromStringAndSize(<const char *> data + frame, place - frame),
                        )
                    )
                else:
                    return False
            if place != stop:
                return False
            place = stop + 2
        if learns:
            return False  # names may be learnt: rare, and the twin does it in the right order
        stream.term, stream.index = state[0], state[1]
        if heartbeats:
            self._decoder.link_heartbeats["msgapp"] += heartbeats
        return True

    cdef object _entry(self, const uint8_t *data, int64_t place, int64_t end, uint64_t *found, bint *learns):
        """The raftpb.Entry there, its term and index in ``found``; None if it is none that etcd writes."""
        cdef uint64_t kind, size
        cdef object entry
        place = _number(data, place, end, 0x08, &kind)
        if place < 0 or kind > 2:
            return None
        place = _number(data, place, end, 0x10, &found[0])
        if place < 0:
            return None
        place = _number(data, place, end, 0x18, &found[1])
        if place < 0:
            return None
        if place != end:
            place = _number(data, place, end, 0x22, &size)
            if place < 0 or size > MAX_FRAME or place + <int64_t> size != end:
                return None
        if kind or _members(data + place, end - place):
            learns[0] = True
        entry = PyType_GenericAlloc(ENTRY_TYPE, 0)
        _put(entry, E_TERM, found[0])
        _put(entry, E_INDEX, found[1])
        _put(entry, E_DATA, PyBytes_FromStringAndSize(<const char *> data + place, end - place))
        _put(entry, E_TYPE, kind)
        _put(entry, E_READER, read_entry_data)
        return entry

    cdef bint _message(
        self, channel, const uint8_t *data, int64_t frame, int64_t place, int64_t end, number, time_ns, list out,
        uint64_t *state,
    ) except -1:
        """The raftpb.Message in ``data[place:end]``, whose frame begins at ``frame``."""
        cdef uint64_t kind, to, sender, term, log_term, index, commit, reject, hint, size
        cdef uint64_t found[2]
        cdef object entries = (), entry
        cdef object context = NO_BYTES
        cdef list listed
        cdef PyObject *source
        cdef PyObject *target
        cdef int64_t stop = end, start
        cdef bint learns = False
        place = _number(data, place, end, 0x08, &kind)
        if place < 0 or kind >= KIND_COUNT:
            return False
        place = _number(data, place, end, 0x10, &to)
        if place < 0:
            return False
        place = _number(data, place, end, 0x18, &sender)
        if place < 0:
            return False
        place = _number(data, place, end, 0x20, &term)
        if place < 0:
            return False
        place = _number(data, place, end, 0x28, &log_term)
        if place < 0:
            return False
        place = _number(data, place, end, 0x30, &index)
        if place < 0:
            return False
        if state != NULL:
            state[0], state[1] = term, index
        if place < end and data[place] == 0x3A:
            if kind == 15 or kind == 16:
                return False
            start, listed = place, []
            while place < end and data[place] == 0x3A:
                place = _number(data, place, end, 0x3A, &size)
                if place < 0 or size > MAX_FRAME or place + <int64_t> size > end:
                    return False
                entry = self._entry(data, place, place + <int64_t> size, found, &learns)
                if entry is None:
                    return False
                listed.append(entry)
                place += <int64_t> size
            if learns or (kind == 3 and place - start > REPEATED):
                return False
            entries = tuple(listed)
            if state != NULL:
                state[1] = found[1]
        place = _number(data, place, end, 0x40, &commit)
        if place < 0:
            return False
        place = _empty_snapshot(data, place, end)
        if place < 0:
            return False
        place = _number(data, place, end, 0x50, &reject)
        if place < 0 or reject > 1:
            return False
        place = _number(data, place, end, 0x58, &hint)
        if place < 0:
            return False
        if place != end:
            place = _number(data, place, end, 0x62, &size)
            if place < 0 or size > MAX_FRAME or place + <int64_t> size != end:
                return False
            context = PyBytes_FromStringAndSize(<const char *> data + place, end - place)
        source, target = PyDict_GetItem(self._labels, sender), PyDict_GetItem(self._labels, to)
        if source == NULL or target == NULL or <object> source is None or <object> target is None:
            return False
        if <object> _slot(channel, C_TARGET) is None or <object> _slot(channel, C_SOURCE) is None:
            return False
        if <object> _slot(channel, C_SOURCE) is not <object> source and <object> _slot(channel, C_SOURCE) != <object> source:
            return False
        out.append(
            self._made(
                channel, <object> source, <object> target, time_ns, number, kind, term, log_term, index, commit, entries,
                reject, hint, context, PyBytes_FromStringAndSize(<const char *> data + frame, stop - frame),
            )
        )
        return True

    cdef object _made(
        self, channel, source, target, time_ns, number, uint64_t kind, uint64_t term, uint64_t log_term, uint64_t index,
        uint64_t commit, entries, uint64_t reject, uint64_t hint, context, bytes raw,
    ):
        cdef object message = PyType_GenericAlloc(MESSAGE_TYPE, 0)
        _put(message, M_TIME, time_ns)
        _put(message, M_KIND, KIND_NAMES[kind])
        _put(message, M_SOURCE, source)
        _put(message, M_TARGET, target)
        _put(message, M_TERM, term)
        _put(message, M_LOG_TERM, log_term)
        _put(message, M_INDEX, index)
        _put(message, M_COMMIT, commit)
        _put(message, M_ENTRIES, entries)
        _put(message, M_REJECT, reject == 1)
        _put(message, M_HINT, hint)
        _put(message, M_CONTEXT, context)
        _put(message, M_CHANNEL, channel)
        _put(message, M_FIRST, number)
        _put(message, M_LAST, number)
        _put(message, M_SIZE, PyBytes_GET_SIZE(raw))
        _put(message, M_RAW, raw)
        _put(message, M_GROUP, NO_GROUP)
        _put(message, M_SNAP_INDEX, ZERO)
        _put(message, M_SNAP_TERM, ZERO)
        _put(message, M_EXTRA, None)
        return message
