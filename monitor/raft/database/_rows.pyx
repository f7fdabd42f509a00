# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""``message_row`` and ``entry_rows`` of ``rows`` compiled. That module says what the columns are.

An entry that is etcd's common put (``requests._fast_put``) becomes its row straight from its bytes; every other one is
read by its own reader. tests/monitor/raft/database/test_rows.py compares both.
"""

from raftmon.monitor.raft.codecs.etcd.requests import read_entry_data
from raftmon.monitor.raft.database.rows import _KEPT_VALUE, _MAX_SENT, _MOST_TIMES, text_of

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_DecodeASCII
from libc.stdint cimport int64_t, uint8_t, uint64_t

cdef int64_t KEPT = _KEPT_VALUE
cdef object MOST_TIMES = _MOST_TIMES
cdef object MOST_SENT = _MAX_SENT


def message_row(ident, message, verdict, delivered):
    cdef tuple entries = message.entries
    cdef object first = None, last = None, channel = message.channel
    cdef Py_ssize_t count = len(entries)
    if count:
        first, last = entries[0].index, entries[count - 1].index
    return (
        ident, message.time_ns, message.kind, message.source, message.target, message.term, message.log_term,
        message.index, message.commit, count, first, last, 1 if message.reject else 0, message.reject_hint,
        message.context or None, message.snapshot_index or None, message.snapshot_term or None, message.group,
        channel.stream, message.first_packet, message.last_packet, message.size, verdict or None, delivered,
    )


cdef inline int64_t _number(const uint8_t *data, int64_t place, int64_t end, int most, uint64_t *value) noexcept nogil:
    """The varint at ``place``, of at most so many bytes: the place after it, -1 if there is none."""
    cdef int i
    value[0] = 0
    for i in range(most):
        if place >= end:
            return -1
        value[0] |= <uint64_t> (data[place] & 0x7F) << (7 * i)
        place += 1
        if data[place - 1] < 0x80:
            return place
    return -1


cdef object _text(const uint8_t *data, int64_t size):
    cdef int64_t i
    for i in range(size):
        if not 0x20 <= data[i] < 0x7F:
            return text_of(PyBytes_FromStringAndSize(<const char *> data, size))
    return PyUnicode_DecodeASCII(<const char *> data, size, NULL)


cdef object _put(ident, position, index, term, bytes raw):
    """The row of a put and the header behind it; None if the bytes are anything else."""
    cdef const uint8_t *data = <const uint8_t *> PyBytes_AS_STRING(raw)
    cdef int64_t size = PyBytes_GET_SIZE(raw), place = 0, stop, key, key_stop, start
    cdef uint64_t ident_before = 0, length, request
    if size and data[0] == 0x08:
        place = _number(data, 1, size, 10, &ident_before)
        if place < 0:
            return None
    if place >= size or data[place] != 0x22:
        return None
    place = _number(data, place + 1, size, 4, &length)
    if place < 0:
        return None
    stop = place + <int64_t> length
    if place >= size or stop > size or data[place] != 0x0A:
        return None
    key = _number(data, place + 1, size, 4, &length)
    if key < 0:
        return None
    key_stop = key + <int64_t> length
    if key_stop >= stop or data[key_stop] != 0x12:
        return None
    start = _number(data, key_stop + 1, stop, 5, &length)
    if start < 0 or start + <int64_t> length != stop:
        return None
    if stop + 4 > size or data[stop] != 0xA2 or data[stop + 1] != 0x06 or data[stop + 2] > 0x7F or data[stop + 3] != 0x08:
        return None
    if stop + 3 + data[stop + 2] != size or _number(data, stop + 4, size, 10, &request) < 0:
        return None
    request = request or ident_before
    return (
        ident, position, 0, index, term, "put",
        _text(data + key, key_stop - key) if key_stop > key else None,
        PyBytes_FromStringAndSize(<const char *> data + start, min(stop - start, KEPT)) if stop > start else None,
        stop - start, "%x" % request if request else None, None,
    )


def entry_rows(ident, message, list rows, dict sent):
    cdef object group = message.group, times, row
    cdef Py_ssize_t left_out = 0, position = 0, part
    cdef tuple place
    for entry in <tuple> message.entries:
        index = entry.index
        if index:
            place = (group, index, entry.term)
            times = sent.get(place, 0) + 1
            sent[place] = times
            if times > MOST_TIMES:
                left_out += 1
                position += 1
                continue
        if entry.reader is read_entry_data and not entry.type:
            row = _put(ident, position, index, entry.term, entry.data)
            if row is not None:
                rows.append(row)
                position += 1
                continue
        part = 0
        for operation in entry.operations:
            value = operation.value
            rows.append(
                (
                    ident, position, part, index, entry.term, operation.name,
                    text_of(operation.key) if operation.key else None, value[:KEPT] or None, len(value),
                    "%x" % operation.request_id if operation.request_id else None, operation.detail or None,
                )
            )
            part += 1
        position += 1
    if len(sent) > MOST_SENT:
        for place in list(sent)[:MOST_SENT // 2]:
            del sent[place]
    return left_out
