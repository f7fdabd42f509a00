# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The plain records of a capture at once: ``capture_reader`` and ``capture_pcapng`` say what each part does.

A record is plain if it is whole and holds TCP in IPv4 behind a link layer of fixed size, without options in pcapng: then
it is no tunnel and there is nothing to note. At any other record both functions stop, or ask ``other``.
"""

from raftmon.monitor.packets.captured import CapturedPacket

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.object cimport PyObject, PyTypeObject
from cpython.ref cimport Py_INCREF
from cpython.tuple cimport PyTuple_SET_ITEM
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

cdef extern from "Python.h":
    object PyType_GenericAlloc(PyTypeObject *, Py_ssize_t)

cdef PyTypeObject *PACKET_TYPE = <PyTypeObject *> <PyObject *> CapturedPacket
if CapturedPacket._fields != ("number", "time_ns", "data", "interface", "comment") or CapturedPacket.__itemsize__ == 0:
    raise ImportError("CapturedPacket has other fields than these")

cdef object NOTHING = ""
cdef uint64_t MOST_TICKS = 0x7FFFFFFFFFFFFFFF


cdef inline uint32_t _u32(const uint8_t *at, bint little) noexcept nogil:
    if little:
        return at[0] | <uint32_t> at[1] << 8 | <uint32_t> at[2] << 16 | <uint32_t> at[3] << 24
    return at[3] | <uint32_t> at[2] << 8 | <uint32_t> at[1] << 16 | <uint32_t> at[0] << 24


cdef inline int64_t _plain(int link_type, const uint8_t *frame, int64_t size) noexcept nogil:
    """Where the IP packet of a plain frame begins; -1 if it is not plain."""
    cdef int64_t start
    if link_type == 1:
        if size < 14 or frame[12] != 8 or frame[13] != 0:
            return -1
        start = 14
    elif link_type == 12 or link_type == 14 or link_type == 101 or link_type == 228:
        start = 0
    elif link_type == 113:
        if size < 16 or frame[14] != 8 or frame[15] != 0:
            return -1
        start = 16
    elif link_type == 276:
        start = 20
    elif link_type == 0 or link_type == 108:
        start = 4
    else:
        return -1
    return start if size >= start + 20 and frame[start] >> 4 == 4 and frame[start + 9] == 6 else -1


cdef inline object _made(object number, object time_ns, bytes data, object interface):
    cdef object packet = PyType_GenericAlloc(PACKET_TYPE, 5)
    Py_INCREF(number)
    PyTuple_SET_ITEM(packet, 0, number)
    Py_INCREF(time_ns)
    PyTuple_SET_ITEM(packet, 1, time_ns)
    Py_INCREF(data)
    PyTuple_SET_ITEM(packet, 2, data)
    Py_INCREF(interface)
    PyTuple_SET_ITEM(packet, 3, interface)
    Py_INCREF(NOTHING)
    PyTuple_SET_ITEM(packet, 4, NOTHING)
    return packet


def pcap(bytes buffer, int64_t place, bint little, uint64_t tick_ns, int64_t number, int link_type, int64_t most, other):
    """The packets of all whole records from ``place`` on, where the rest begins, and how many of them were plain.

    ``other(frame, cut)`` gives the packet of a record that is not plain. Stops before one larger than ``most``.
    """
    cdef const uint8_t *raw = <const uint8_t *> PyBytes_AS_STRING(buffer)
    cdef int64_t end = PyBytes_GET_SIZE(buffer), size, start, plain = 0
    cdef uint64_t time_ns
    cdef list found = []
    cdef bytes data
    while end - place >= 16:
        size = _u32(raw + place + 8, little)
        if size + 16 > most or end - place < size + 16:
            break
        time_ns = <uint64_t> _u32(raw + place, little) * 1_000_000_000 + <uint64_t> _u32(raw + place + 4, little) * tick_ns
        number += 1
        start = _plain(link_type, raw + place + 16, size) if _u32(raw + place + 12, little) <= size else -1
        if start >= 0:
            plain += 1
            data = PyBytes_FromStringAndSize(<const char *> raw + place + 16 + start, size - start)
        else:
            data = other(buffer[place + 16:place + 16 + size], _u32(raw + place + 12, little) > size)
        found.append(_made(number, time_ns, data, NOTHING))
        place += 16 + size
    return found, place, plain


def pcapng(bytes buffer, int64_t place, bint little, int64_t number, list interfaces, int64_t most):
    """The packets of the plain enhanced blocks from ``place`` on, and where the first other block begins.

    ``interfaces`` has (link type, ns a tick, name) of each; one that cannot be read so has a link type of -1.
    """
    cdef const uint8_t *raw = <const uint8_t *> PyBytes_AS_STRING(buffer)
    cdef int64_t end = PyBytes_GET_SIZE(buffer), length, size, start, count = len(interfaces), index
    cdef uint64_t ticks
    cdef list found = []
    cdef tuple interface
    cdef const uint8_t *block
    while end - place >= 32:
        block = raw + place
        length = _u32(block + 4, little)
        if _u32(block, little) != 6 or length < 32 or length > most or length > end - place:
            break
        index, size = _u32(block + 8, little), _u32(block + 20, little)
        if index >= count or _u32(block + 24, little) > size or length != 32 + (size + 3 & ~3):
            break
        interface = interfaces[index]
        start = _plain(interface[0], block + 28, size)
        if start < 0:
            break
        ticks = <uint64_t> _u32(block + 12, little) << 32 | _u32(block + 16, little)
        if ticks > MOST_TICKS // <uint64_t> interface[1]:
            break
        number += 1
        found.append(
            _made(
                number, ticks * <uint64_t> interface[1],
                PyBytes_FromStringAndSize(<const char *> block + 28 + start, size - start), interface[2],
            )
        )
        place += length
    return found, place
