# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""``raftmon.driver.histories.scanning`` compiled: lines of JSON or EDN straight into the columns of ``Events``.

A line is taken only if every part of it is of the plain kind: a map whose names are text, whole numbers below 2**62,
text without escapes, nested values at most DEEPEST deep. Before any other line the scanner stops. Text that comes again
(keys, functions, nodes) is recognised by its bytes in a table, without making a Python object.
"""

import orjson

from raftmon.driver.histories.events import PLAIN_FUNCTIONS, are_micro_operations

from cpython cimport array
from libc.stdint cimport int8_t, int32_t, int64_t, uint64_t, uint8_t
from libc.string cimport memchr, memcmp, memset

ctypedef const uint8_t *Text

cdef enum:
    JSON_SYNTAX = 0
    SLOTS = 8192  # of a table of texts; a power of two
    DEEPEST = 60  # the readers in Python draw the line exactly (model.MAX_DEPTH)
    MOST_DIGITS = 19  # times of day in nanoseconds have that many
    # what one field of an event is
    F_RARE = 0
    F_TYPE = 1
    F_PROCESS = 2
    F_F = 3
    F_TIME = 4
    F_TIME_NS = 5
    F_INDEX = 6
    F_KEY = 7
    F_VALUE = 8
    F_NODE = 9
    F_HOST = 10
    # shapes of values (events.py)
    NOTHING = 0
    PLAIN = 1
    NESTED = 2
    OF_LISTS = 3

cdef int64_t MISSING = -(<int64_t> 1 << 62) * 2
cdef uint64_t MOST = <uint64_t> 1 << 62


cdef class _Texts:
    """Texts, by their bytes, to codes that the scanner gives the first time. A slot holds the latest of its hash."""

    cdef uint64_t hashes[SLOTS]
    cdef int32_t sizes[SLOTS]
    cdef int32_t codes[SLOTS]
    cdef list tokens

    def __cinit__(self):
        memset(self.sizes, 255, sizeof(self.sizes))  # -1: a free slot
        self.tokens = [b""] * SLOTS

    cdef int code(self, Scanner scanner, int kind, Text at, Py_ssize_t size) except -1:
        cdef uint64_t hashed = 14695981039346656037U
        cdef Py_ssize_t i
        for i in range(size):
            hashed = (hashed ^ at[i]) * 1099511628211U
        cdef int slot = <int> ((hashed ^ (hashed >> 29)) & (SLOTS - 1))
        cdef bytes token
        if self.hashes[slot] == hashed and self.sizes[slot] == size:
            token = <bytes> self.tokens[slot]
            if memcmp(<const char *> token, at, size) == 0:
                return self.codes[slot]
        token = (<const char *> at)[:size]
        cdef int code = scanner.made(kind, token)
        if size < 1 << 20:
            self.hashes[slot], self.sizes[slot], self.codes[slot] = hashed, <int32_t> size, code
            self.tokens[slot] = token
        return code


cdef inline bint _is_space(uint8_t c) noexcept:
    return c == 32 or c == 9 or c == 13 or c == 10


cdef inline bint _is_edn_space(uint8_t c) noexcept:
    return c == 32 or c == 44 or (9 <= c <= 13) or (28 <= c <= 31)


cdef inline bint _ends_atom(uint8_t c) noexcept:
    return _is_edn_space(c) or c in (40, 41, 91, 93, 123, 125, 34, 59)


cdef class Scanner:
    """What ``ScannerInPython`` says, fast."""

    cdef object events
    cdef list values
    cdef dict rare
    cdef array.array line, time, process, type, f, key, shape, index, place
    cdef Py_ssize_t size, room
    cdef bint edn
    cdef _Texts f_texts, key_texts, name_texts, value_texts
    cdef list names, strings
    cdef dict places, name_codes
    cdef int last_node, last_host, last_place
    cdef list plain_f

    def __init__(self, events, int syntax):
        self.events = events
        self.edn = syntax != JSON_SYNTAX
        self.values, self.rare = events.value, events.rare
        self.line, self.time, self.process, self.type = events.line, events.time, events.process, events.type
        self.f, self.key, self.shape, self.index = events.f, events.key, events.shape, events.index
        self.place = events.place
        self.f_texts, self.key_texts, self.name_texts, self.value_texts = _Texts(), _Texts(), _Texts(), _Texts()
        self.names, self.strings, self.places, self.name_codes = [None], [], {}, {}
        self.last_node = self.last_host = self.last_place = 0
        self.plain_f = []

    # What a text that was not met yet stands for. A token is what stands in the file, quotes and colons included.

    def _scalar(self, bytes token):
        if not self.edn:
            return orjson.loads(token)
        if token[:1] == b'"':
            return token[1 : len(token) - 1].decode()
        if token[:1] == b":":
            return token[1:].decode("ascii")
        return {b"nil": None, b"true": True, b"false": False}[token] if token.isalpha() else int(token)

    cdef int made(self, int kind, bytes token) except -1:
        """The code of a text that a table did not have."""
        cdef object found = self._scalar(token)
        cdef int code
        if kind == F_F:
            code = self.events.f_names.code(found)
            while len(self.plain_f) <= code:
                self.plain_f.append(self.events.f_names.objects[len(self.plain_f)] in PLAIN_FUNCTIONS)
        elif kind == F_KEY:
            code = self.events.keys.code(found)
        elif kind == F_VALUE:
            code = <int> len(self.strings)
            self.strings.append(found)
        else:
            code = self.name_codes.setdefault(found, len(self.names))
            if code == len(self.names):
                self.names.append(found)
        return code

    # The rows.

    def scan(self, bytes data, Py_ssize_t position, int64_t line):
        """Add lines from ``position``; returns where it stopped and that line's number."""
        cdef Text begin = <Text> <const char *> data
        cdef Text end = begin + len(data)
        cdef Text at = begin + position
        cdef Text line_end
        cdef Text after
        self._open()
        try:
            while at < end:
                line_end = <Text> memchr(at, 10, end - at)
                if line_end == NULL:
                    line_end = end
                after = self._skip(at, line_end)
                if after != line_end:
                    try:
                        after = self._row(after, line_end, line)
                    except (ValueError, RecursionError):
                        after = NULL
                    if after == NULL or self._skip(after, line_end) != line_end:
                        if after != NULL:
                            self._drop()
                        break
                at = line_end + (line_end < end)
                line += 1
        finally:
            self._close()
        return at - begin, line

    def scan_values(self, bytes data, Py_ssize_t position, int64_t line):
        """Add events one behind the other from ``position``, whatever the lines."""
        cdef Text begin = <Text> <const char *> data
        cdef Text end = begin + len(data)
        cdef Text at = begin + position
        cdef Text after
        self._open()
        try:
            while True:
                while at < end and (_is_edn_space(at[0]) if self.edn else _is_space(at[0])):
                    line += at[0] == 10
                    at += 1
                if at == end:
                    break
                try:
                    after = self._row(at, end, line)
                except (ValueError, RecursionError):
                    after = NULL
                if after == NULL:
                    break
                while at < after:
                    line += at[0] == 10
                    at += 1
        finally:
            self._close()
        return at - begin, line

    cdef void _open(self):
        self.size = self.room = len(self.type)

    cdef int _resize(self, Py_ssize_t size) except -1:
        array.resize_smart(self.line, size)
        array.resize_smart(self.time, size)
        array.resize_smart(self.process, size)
        array.resize_smart(self.type, size)
        array.resize_smart(self.f, size)
        array.resize_smart(self.key, size)
        array.resize_smart(self.shape, size)
        array.resize_smart(self.index, size)
        array.resize_smart(self.place, size)
        self.room = size
        return 0

    cdef int _close(self) except -1:
        return self._resize(self.size)

    cdef int _drop(self) except -1:
        """Take the last row back: something stood behind it."""
        self.size -= 1
        self.values.pop()
        self.rare.pop(self.size, None)
        return 0

    cdef inline Text _skip(self, Text at, Text end):
        if self.edn:
            while at < end and _is_edn_space(at[0]):
                at += 1
        else:
            while at < end and _is_space(at[0]):
                at += 1
        return at

    cdef Text _row(self, Text at, Text end, int64_t line) except? NULL:
        """Add the event that begins at ``at``; what is behind it, or NULL where it is not of the plain kind."""
        cdef int64_t time = MISSING, time_ns = MISSING, index = MISSING, process = 0
        cdef bint has_time_ns = False
        cdef int kind = -1, f = -1, key = 0, node = 0, host = 0, field, shape = NOTHING
        cdef bint has_process = False, more = True
        cdef object value = None, other
        cdef dict rare = None
        cdef Text name
        cdef Text token
        cdef Py_ssize_t name_size
        if self.edn and at[0] == 35:  # '#': a tag, as records are printed with
            token = at + 1
            if token == end or not (65 <= token[0] <= 90 or 97 <= token[0] <= 122):
                return NULL
            while at < end and not _ends_atom(at[0]):
                if at[0] >= 128:
                    return NULL
                at += 1
            if at == end:
                return NULL
        if at[0] != 123:
            return NULL
        at = self._skip(at + 1, end)
        if at < end and at[0] == 125:
            return NULL  # an empty map: an event of no type, which is told
        while more:
            name = at
            if self.edn:
                if at == end or at[0] != 58:
                    return NULL
                at = self._atom(at, end)
                if at == NULL:
                    return NULL
                name, name_size = name + 1, at - name - 1
            else:
                if at == end or at[0] != 34:
                    return NULL
                at = self._string(at, end)
                if at == NULL:
                    return NULL
                name, name_size = name + 1, at - name - 2
                at = self._skip(at, end)
                if at == end or at[0] != 58:
                    return NULL
                at += 1
            field = _field(name, name_size)
            at = self._skip(at, end)
            if at == end:
                return NULL
            token = at
            if field == F_VALUE:
                value = self._value(&at, end, &shape)
                if at == NULL:
                    return NULL
            elif field == F_RARE:
                other = self._value(&at, end, NULL)
                if at == NULL:
                    return NULL
                if not (self.edn and other is None and name_size == 5 and memcmp(name, b"error", 5) == 0):
                    if rare is None:
                        rare = {}
                    rare[(<const char *> name)[:name_size].decode()] = other
            elif field == F_TYPE:
                at = self._plain(at, end)
                if at == NULL:
                    return NULL
                kind = self._kind(token, at - token)
                if kind < 0:
                    return NULL
            elif field in (F_PROCESS, F_TIME, F_TIME_NS, F_INDEX):
                at = self._plain(at, end)
                if at == NULL:
                    return NULL
                if field != F_PROCESS and self._is_nil(token, at - token):
                    if field == F_TIME_NS:
                        time_ns, has_time_ns = MISSING, True
                    elif field == F_TIME:
                        time = MISSING
                    else:
                        index = MISSING
                elif field == F_PROCESS:
                    if not self._number(token, at - token, &process):
                        return NULL
                    has_process = True
                elif field == F_INDEX:
                    if not self._number(token, at - token, &index):
                        return NULL
                elif field == F_TIME:
                    if not self._number(token, at - token, &time):
                        return NULL
                else:
                    if not self._number(token, at - token, &time_ns):
                        return NULL
                    has_time_ns = True
            else:
                at = self._plain(at, end)
                if at == NULL:
                    return NULL
                if field == F_F:
                    if token[0] != (58 if self.edn else 34):
                        return NULL
                    f = self.f_texts.code(self, F_F, token, at - token)
                elif field == F_KEY:
                    key = self.key_texts.code(self, F_KEY, token, at - token)
                else:
                    if token[0] == 34:
                        if field == F_NODE:
                            node = self.name_texts.code(self, F_NODE, token, at - token)
                        else:
                            host = self.name_texts.code(self, F_NODE, token, at - token)
                    elif self._is_nil(token, at - token):
                        if field == F_NODE:
                            node = 0
                        else:
                            host = 0
                    else:
                        return NULL
            at = self._skip(at, end)
            if at == end:
                return NULL
            if at[0] == 125:
                more = False
                at += 1
            elif not self.edn:
                if at[0] != 44:
                    return NULL
                at = self._skip(at + 1, end)
        if kind < 0 or f < 0 or not has_process:
            return NULL
        if shape == OF_LISTS and self.plain_f[f] and are_micro_operations(value):
            f = self.made(F_F, b":txn" if self.edn else b'"txn"')
        if node != self.last_node or host != self.last_host:
            other = self.places.get((node, host))
            if other is None:
                other = self.places[(node, host)] = self.events.places.code((self.names[node], self.names[host]))
            self.last_node, self.last_host, self.last_place = node, host, other
        if self.size == self.room:
            self._resize(self.room + max(256, self.room // 8))
        cdef Py_ssize_t row = self.size
        self.values.append(value)
        if rare is not None:
            self.rare[row] = rare
        self.line.data.as_longlongs[row] = line
        self.time.data.as_longlongs[row] = time_ns if has_time_ns else time
        self.process.data.as_longlongs[row] = process
        self.type.data.as_schars[row] = <int8_t> kind
        self.f.data.as_ints[row] = f
        self.key.data.as_ints[row] = key
        self.shape.data.as_schars[row] = <int8_t> shape
        self.index.data.as_longlongs[row] = index
        self.place.data.as_ints[row] = self.last_place
        self.size += 1
        return at

    # Tokens. Each returns what is behind it, NULL where it is of another kind.

    cdef Text _string(self, Text at, Text end):
        """Text in quotes without escapes, in one line."""
        at += 1
        while at < end:
            if at[0] == 34:
                return at + 1
            if at[0] == 92 or at[0] < 32:
                return NULL
            at += 1
        return NULL

    cdef Text _atom(self, Text at, Text end):
        """What stands up to the next space or bracket."""
        while at < end and not (_ends_atom(at[0]) if self.edn else (_is_space(at[0]) or at[0] in (44, 58, 93, 125))):
            if at[0] >= 127 or at[0] < 32:
                return NULL
            at += 1
        return at

    cdef Text _plain(self, Text at, Text end):
        """Text, a keyword, a whole number, nil or null, true or false."""
        cdef Text behind
        cdef int64_t number
        if at[0] == 34:
            return self._string(at, end)
        behind = self._atom(at, end)
        if behind == NULL or behind == at:
            return NULL
        if self.edn and at[0] == 58:
            return behind
        if self._is_word(at, behind - at) or self._number(at, behind - at, &number):
            return behind
        return NULL

    cdef bint _is_nil(self, Text at, Py_ssize_t size):
        return size == 3 and memcmp(at, b"nil", 3) == 0 if self.edn else size == 4 and memcmp(at, b"null", 4) == 0

    cdef bint _is_word(self, Text at, Py_ssize_t size):
        if size == 4 and memcmp(at, b"true", 4) == 0 or size == 5 and memcmp(at, b"false", 5) == 0:
            return True
        return self._is_nil(at, size)

    cdef bint _number(self, Text at, Py_ssize_t size, int64_t *number):
        """A whole number as both syntaxes write it; ``number`` is set where it is one."""
        cdef bint negative = size > 0 and at[0] == 45
        cdef uint64_t total = 0
        cdef Py_ssize_t i
        if negative:
            at, size = at + 1, size - 1
        if size < 1 or size > MOST_DIGITS or (at[0] == 48 and (size > 1 or negative)):
            return False
        for i in range(size):
            if not 48 <= at[i] <= 57:
                return False
            total = total * 10 + <uint64_t> (at[i] - 48)
        if total >= MOST:
            return False
        number[0] = -<int64_t> total if negative else <int64_t> total
        return True

    cdef int _kind(self, Text token, Py_ssize_t size):
        """The number of an event's type, -1 for any other word."""
        if self.edn:
            if token[0] != 58:
                return -1
            token, size = token + 1, size - 1
        else:
            if token[0] != 34:
                return -1
            token, size = token + 1, size - 2
        if size == 6 and memcmp(token, b"invoke", 6) == 0:
            return 0
        if size == 2 and memcmp(token, b"ok", 2) == 0:
            return 1
        if size == 4 and memcmp(token, b"fail", 4) == 0:
            return 2
        if size == 4 and memcmp(token, b"info", 4) == 0:
            return 3
        return -1

    # Values, as Python objects.

    cdef object _value(self, Text *place, Text end, int *shape):
        """The value at ``place``, which moves behind it, to NULL where it is of another kind."""
        cdef Text at = place[0]
        cdef Text behind
        cdef int64_t number
        cdef int found = PLAIN
        cdef object value = None
        if at[0] == 34:
            behind = self._string(at, end)
            if behind != NULL:
                value = self.strings_of(at, behind - at)
        elif at[0] == 91 or at[0] == 123 or (self.edn and (at[0] == 40 or at[0] == 35)):
            if self.edn:
                behind = at
                value = self._edn(&behind, end, 0)
            else:
                behind = self._json_end(at, end)
                if behind != NULL:
                    value = orjson.loads((<const char *> at)[:behind - at])
            found = NESTED
            if behind != NULL and isinstance(value, list) and value and isinstance((<list> value)[0], list):
                found = OF_LISTS
        else:
            behind = self._atom(at, end)
            if behind == NULL or behind == at:
                behind = NULL
            elif self._number(at, behind - at, &number):
                value = number
            elif self._is_nil(at, behind - at):
                found = NOTHING
            elif self.edn:
                if at[0] == 58:
                    value = self.strings_of(at, behind - at)
                elif self._is_word(at, behind - at):
                    value = at[0] == 116
                else:
                    behind = NULL
            else:
                value = orjson.loads((<const char *> at)[:behind - at])
        place[0] = behind
        if shape != NULL:
            shape[0] = found
        return value

    cdef object strings_of(self, Text at, Py_ssize_t size):
        cdef int code
        if size > 256:
            return self._scalar((<const char *> at)[:size])
        if len(self.strings) >= 8 * SLOTS:  # a text that is made twice is two equal objects, no more
            self.strings, self.value_texts = [], _Texts()
        code = self.value_texts.code(self, F_VALUE, at, size)
        return (<list> self.strings)[code]

    cdef Text _json_end(self, Text at, Text end):
        """The end of a list or object, by its brackets: what is inside is for orjson to judge."""
        cdef int depth = 0
        while at < end:
            if at[0] == 34:
                at += 1
                while at < end and at[0] != 34:
                    at += 2 if at[0] == 92 else 1
                if at >= end:
                    return NULL
            elif at[0] == 91 or at[0] == 123:
                depth += 1
                if depth > DEEPEST:
                    return NULL
            elif at[0] == 93 or at[0] == 125:
                depth -= 1
                if depth == 0:
                    return at + 1
            at += 1
        return NULL

    cdef object _edn(self, Text *place, Text end, int depth):
        """An EDN value as ``edn.forms`` makes it: sets and lists are lists, keywords text."""
        cdef Text at = place[0]
        cdef uint8_t close
        cdef list items
        cdef bint is_map = False
        cdef int shape
        if at[0] == 35:
            at += 1
            if at == end or at[0] != 123:
                place[0] = NULL
                return None
            close = 125
        elif at[0] == 123:
            close, is_map = 125, True
        elif at[0] == 40:
            close = 41
        elif at[0] == 91:
            close = 93
        else:
            return self._value(place, end, &shape)
        place[0] = NULL
        if depth > DEEPEST:
            return None
        items = []
        at = self._skip(at + 1, end)
        while at < end and at[0] != close:
            items.append(self._edn(&at, end, depth + 1))
            if at == NULL:
                return None
            at = self._skip(at, end)
        if at >= end or (is_map and len(items) % 2):
            return None
        place[0] = at + 1
        if not is_map:
            return items
        return {
            (name if isinstance(name, str) else repr(name)): value
            for name, value in zip(items[::2], items[1::2])
        }


cdef int _field(Text name, Py_ssize_t size) noexcept:
    """Which field of an event a name stands for."""
    if size == 1:
        return F_F if name[0] == 102 else F_RARE
    if size == 3:
        return F_KEY if memcmp(name, b"key", 3) == 0 else F_RARE
    if size == 4:
        if memcmp(name, b"type", 4) == 0:
            return F_TYPE
        if memcmp(name, b"time", 4) == 0:
            return F_TIME
        if memcmp(name, b"node", 4) == 0:
            return F_NODE
        return F_HOST if memcmp(name, b"host", 4) == 0 else F_RARE
    if size == 5:
        if memcmp(name, b"value", 5) == 0:
            return F_VALUE
        return F_INDEX if memcmp(name, b"index", 5) == 0 else F_RARE
    if size == 7:
        if memcmp(name, b"process", 7) == 0:
            return F_PROCESS
        return F_TIME_NS if memcmp(name, b"time_ns", 7) == 0 else F_RARE
    return F_RARE
