# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""The walk through the configurations of a problem, compiled: what ``walk.py`` says in Python, step by step.

Configurations lie side by side in arrays: a head (low, state, observations left, path) and ``words`` 64-bit words, the
window first and the optional operations used behind it. Those to be tried are a stack, those seen an open hash table.
"""

from libc.stdint cimport int32_t, int64_t, uint64_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcmp, memcpy, memset

from raftmon.driver.checkers.search.limits import LOOK_EVERY, WEIGH_EVERY
from raftmon.driver.histories.model import NEVER

cdef extern from *:
    """
    static inline int trailing_ones(unsigned long long w) { return ~w ? __builtin_ctzll(~w) : 64; }
    static inline int ones(unsigned long long w) { return __builtin_popcountll(w); }
    """
    int trailing_ones(uint64_t) nogil
    int ones(uint64_t) nogil

cdef struct Head:
    int32_t low
    int32_t state
    int32_t unseen
    int32_t path

cdef struct Node:
    int32_t number
    int32_t before

cdef struct Seen:
    int32_t low
    int32_t state
    int32_t next  # another set of used operations of the same configuration, -1 at the end


cdef void* _grown(void* data, size_t size) except NULL:
    cdef void* fresh = realloc(data, size)
    if fresh == NULL:
        raise MemoryError("the search ran out of memory")
    return fresh


cdef class _Walker:
    cdef object problem, limits, ask, is_barren
    cdef int32_t definite, optional, groups
    cdef int32_t window_words, used_words, words
    cdef int64_t* calls
    cdef int64_t* returns
    cdef int32_t* kinds
    cdef char* observes
    cdef int32_t* group_starts
    # states to be tried
    cdef Head* heads
    cdef uint64_t* bits
    cdef int64_t depth, room
    # paths
    cdef Node* nodes
    cdef int64_t node_count, node_room
    # configurations seen
    cdef Seen* seen
    cdef uint64_t* seen_bits
    cdef int64_t seen_count, seen_room
    cdef int32_t* table
    cdef int64_t table_size, table_used
    # the model's answers: (state, kind) -> state + 2, -1 + 2 illegal, 0 nothing known
    cdef uint64_t* answer_keys
    cdef int32_t* answers
    cdef int64_t answer_size, answer_count
    cdef char* barren  # 0 not asked, 1 no, 2 yes
    cdef int64_t barren_room
    # the configuration looked at
    cdef uint64_t* now
    cdef uint64_t* turned
    cdef int32_t* open_numbers
    cdef int32_t* branch_numbers
    cdef int32_t* branch_states
    cdef int64_t earliest

    def __cinit__(self, problem, limits):
        cdef int64_t i, extent, most
        self.problem, self.limits = problem, limits
        self.ask, self.is_barren = problem.steps.ask, problem.steps.is_barren
        self.definite = problem.definite
        self.optional = len(problem.operations) - self.definite
        self.groups = len(problem.classes)
        cdef int64_t total = self.definite + self.optional
        self.calls = <int64_t*> _grown(NULL, 8 * (total + 1))
        self.returns = <int64_t*> _grown(NULL, 8 * (self.definite + 1))
        self.kinds = <int32_t*> _grown(NULL, 4 * (total + 1))
        self.observes = <char*> _grown(NULL, self.definite + 1)
        self.group_starts = <int32_t*> _grown(NULL, 4 * (self.groups + 1))
        for i in range(total):
            self.calls[i] = problem.calls[i]
            self.kinds[i] = problem.steps.kinds[i]
        for i in range(self.definite):
            self.returns[i] = problem.returns[i]
            self.observes[i] = problem.observes[i]
        for i in range(self.groups):
            self.group_starts[i] = problem.classes[i].start
        self.group_starts[self.groups] = <int32_t> total
        most = 1
        for i in range(self.definite):  # how far behind a missing operation others can be taken
            extent = self._reach(self.returns[i]) - i
            if extent > most:
                most = extent
        self.window_words = <int32_t> (most // 64 + 2)
        self.used_words = <int32_t> ((self.optional + 63) // 64)
        self.words = self.window_words + self.used_words
        self.now = <uint64_t*> _grown(NULL, 8 * (self.words + 1))
        self.turned = <uint64_t*> _grown(NULL, 8 * (self.words + 1))
        self.open_numbers = <int32_t*> _grown(NULL, 4 * (most + 2))
        self.branch_numbers = <int32_t*> _grown(NULL, 4 * (most + self.groups + 2))
        self.branch_states = <int32_t*> _grown(NULL, 4 * (most + self.groups + 2))
        self.table_size = 1 << 12
        self.table = <int32_t*> _grown(NULL, 4 * self.table_size)
        memset(self.table, 0xFF, 4 * self.table_size)
        self.answer_size = 1 << 12
        self.answer_keys = <uint64_t*> _grown(NULL, 8 * self.answer_size)
        self.answers = <int32_t*> _grown(NULL, 4 * self.answer_size)
        memset(self.answers, 0, 4 * self.answer_size)

    def __dealloc__(self):
        free(self.calls); free(self.returns); free(self.kinds); free(self.observes); free(self.group_starts)
        free(self.heads); free(self.bits); free(self.nodes); free(self.seen); free(self.seen_bits); free(self.table)
        free(self.answer_keys); free(self.answers); free(self.barren); free(self.now); free(self.turned)
        free(self.open_numbers); free(self.branch_numbers); free(self.branch_states)

    cdef int64_t _reach(self, int64_t until):
        """How many definite operations are called no later than ``until``."""
        cdef int64_t low = 0, high = self.definite, middle
        while low < high:
            middle = (low + high) >> 1
            if self.calls[middle] <= until:
                low = middle + 1
            else:
                high = middle
        return low

    cdef int32_t step(self, int32_t state, int32_t kind) except -2:
        cdef uint64_t key = (<uint64_t> state << 32) | <uint64_t> kind
        cdef int64_t place = self._answer_place(key)
        cdef int32_t after
        if self.answers[place]:
            return self.answers[place] - 2
        after = self.ask(state, kind)
        place = self._answer_place(key)
        self.answer_keys[place], self.answers[place] = key, after + 2
        self.answer_count += 1
        if self.answer_count * 3 > self.answer_size * 2:
            self._more_answers()
        return after

    cdef int64_t _answer_place(self, uint64_t key):
        cdef uint64_t mixed = (key ^ (key >> 29)) * <uint64_t> 0x9E3779B97F4A7C15
        cdef int64_t place = <int64_t> ((mixed >> 20) & <uint64_t> (self.answer_size - 1))
        while self.answers[place] and self.answer_keys[place] != key:
            place = (place + 1) & (self.answer_size - 1)
        return place

    cdef int _more_answers(self) except -1:
        cdef uint64_t* keys = self.answer_keys
        cdef int32_t* values = self.answers
        cdef int64_t size = self.answer_size, i, place
        cdef uint64_t* more_keys = <uint64_t*> _grown(NULL, 16 * size)
        cdef int32_t* more = <int32_t*> malloc(8 * size)
        if more == NULL:
            free(more_keys)
            raise MemoryError("the search ran out of memory")
        memset(more, 0, 8 * size)
        self.answer_keys, self.answers, self.answer_size = more_keys, more, 2 * size
        for i in range(size):
            if values[i]:
                place = self._answer_place(keys[i])
                self.answer_keys[place], self.answers[place] = keys[i], values[i]
        free(keys); free(values)
        return 0

    cdef int hopeless(self, int32_t state) except -1:
        cdef int64_t room
        if state >= self.barren_room:
            room = max(1024, 2 * state)
            self.barren = <char*> _grown(self.barren, room)
            memset(self.barren + self.barren_room, 0, room - self.barren_room)
            self.barren_room = room
        if not self.barren[state]:
            self.barren[state] = 2 if self.is_barren(state) else 1
        return self.barren[state] == 2

    cdef int32_t find_open(self, int32_t low):
        """Fill ``open_numbers`` and ``earliest`` for the configuration at hand."""
        cdef int32_t number = low, count = 0, place = 0
        self.earliest = <int64_t> NEVER_NS
        while number < self.definite and self.calls[number] <= self.earliest:
            place = number - low
            if not (self.now[place >> 6] >> (place & 63)) & 1:
                self.open_numbers[count] = number
                count += 1
                if self.returns[number] < self.earliest:
                    self.earliest = self.returns[number]
            number += 1
        return count

    cdef int32_t shift(self, uint64_t* window):
        """Push out the ones at the window's low end; how many there were."""
        cdef int32_t passed = 0, some, i, whole, rest
        for i in range(self.window_words):
            some = trailing_ones(window[i])
            passed += some
            if some < 64:
                break
        whole, rest = passed >> 6, passed & 63
        if not passed:
            return 0
        for i in range(self.window_words):
            if i + whole >= self.window_words:
                window[i] = 0
                continue
            window[i] = window[i + whole] >> rest
            if rest and i + whole + 1 < self.window_words:
                window[i] |= window[i + whole + 1] << (64 - rest)
        return passed

    cdef int32_t node(self, int32_t number, int32_t before) except -2:
        if self.node_count == self.node_room:
            if self.node_count > 0x7FFFFF00:
                raise MemoryError("the search ran out of memory")
            self.node_room = max(1024, 2 * self.node_room)
            self.nodes = <Node*> _grown(self.nodes, sizeof(Node) * self.node_room)
        self.nodes[self.node_count] = Node(number, before)
        self.node_count += 1
        return <int32_t> (self.node_count - 1)

    cdef int push(self, Head head, uint64_t* words) except -1:
        if self.depth == self.room:
            self.room = max(1024, 2 * self.room)
            self.heads = <Head*> _grown(self.heads, sizeof(Head) * self.room)
            self.bits = <uint64_t*> _grown(self.bits, 8 * self.words * self.room)
        self.heads[self.depth] = head
        memcpy(self.bits + self.depth * self.words, words, 8 * self.words)
        self.depth += 1
        return 0

    cdef uint64_t _hash(self, int32_t low, int32_t state, uint64_t* window):
        cdef uint64_t mixed = (<uint64_t> low << 32) ^ <uint64_t> state
        cdef int32_t i
        mixed = (mixed ^ (mixed >> 31)) * <uint64_t> 0x9E3779B97F4A7C15
        for i in range(self.window_words):
            mixed = (mixed ^ window[i] ^ (mixed >> 29)) * <uint64_t> 0xBF58476D1CE4E5B9
        return mixed ^ (mixed >> 32)

    cdef int seen_before(self, int32_t low, int32_t state) except -1:
        cdef int64_t place = <int64_t> (self._hash(low, state, self.now) & <uint64_t> (self.table_size - 1))
        cdef int32_t entry, last = -1, i
        cdef uint64_t* other
        cdef bint fewer
        while True:
            entry = self.table[place]
            if entry < 0:
                break
            if self.seen[entry].low == low and self.seen[entry].state == state and not memcmp(
                self.seen_bits + <int64_t> entry * self.words, self.now, 8 * self.window_words
            ):
                while entry >= 0:
                    other = self.seen_bits + <int64_t> entry * self.words + self.window_words
                    fewer = True
                    for i in range(self.used_words):
                        if other[i] & ~self.now[self.window_words + i]:
                            fewer = False
                            break
                    if fewer:
                        return 1
                    last, entry = entry, self.seen[entry].next
                break
            place = (place + 1) & (self.table_size - 1)
        entry = self._remember(low, state)
        if last >= 0:
            self.seen[last].next = entry
            return 0
        self.table[place] = entry
        self.table_used += 1
        if self.table_used * 3 > self.table_size * 2:
            self._bigger_table()
        return 0

    cdef int32_t _remember(self, int32_t low, int32_t state) except -2:
        if self.seen_count == self.seen_room:
            if self.seen_count > 0x7FFFFF00:
                raise MemoryError("the search ran out of memory")
            self.seen_room = max(1024, self.seen_room + self.seen_room // 2)
            self.seen = <Seen*> _grown(self.seen, sizeof(Seen) * self.seen_room)
            self.seen_bits = <uint64_t*> _grown(self.seen_bits, 8 * self.words * self.seen_room)
        self.seen[self.seen_count] = Seen(low, state, -1)
        memcpy(self.seen_bits + self.seen_count * self.words, self.now, 8 * self.words)
        self.seen_count += 1
        return <int32_t> (self.seen_count - 1)

    cdef int _bigger_table(self) except -1:
        cdef int32_t* old = self.table
        cdef int64_t size = self.table_size, i, place
        cdef int32_t entry
        self.table = <int32_t*> malloc(8 * size)
        if self.table == NULL:
            self.table = old
            raise MemoryError("the search ran out of memory")
        self.table_size = 2 * size
        memset(self.table, 0xFF, 8 * size)
        for i in range(size):
            entry = old[i]
            if entry >= 0:
                place = <int64_t> (
                    self._hash(
                        self.seen[entry].low, self.seen[entry].state, self.seen_bits + <int64_t> entry * self.words
                    )
                    & <uint64_t> (self.table_size - 1)
                )
                while self.table[place] >= 0:
                    place = (place + 1) & (self.table_size - 1)
                self.table[place] = entry
        free(old)
        return 0

    cdef int32_t absorb(self, Head* head) except -1:
        """Take every observation that is legal; the steps that remain, the best one last, are the branches."""
        cdef int32_t opened, i, j, number, after, count
        cdef bint absorbed
        while True:
            opened, count, absorbed = self.find_open(head.low), 0, False
            for i in range(opened):
                number = self.open_numbers[i]
                after = self.step(head.state, self.kinds[number])
                if after < 0:
                    continue
                if self.observes[number]:
                    self.now[(number - head.low) >> 6] |= <uint64_t> 1 << ((number - head.low) & 63)
                    head.path = self.node(number, head.path)
                    head.unseen -= 1
                    absorbed = True
                    continue
                j = count  # kept in order: the latest return first, then the earliest call
                while j > 0 and self.returns[self.branch_numbers[j - 1]] < self.returns[number]:
                    self.branch_numbers[j], self.branch_states[j] = self.branch_numbers[j - 1], self.branch_states[j - 1]
                    j -= 1
                self.branch_numbers[j], self.branch_states[j] = number, after
                count += 1
            if not absorbed:
                return count
            head.low += self.shift(self.now)

    cdef int push_optional(self, Head head) except -1:
        """One more indefinite operation, the next of each class."""
        cdef int32_t group, number, after, place
        cdef Head more
        self.find_open(head.low)
        for group in range(self.groups):
            for number in range(self.group_starts[group], self.group_starts[group + 1]):
                place = number - self.definite
                if (self.now[self.window_words + (place >> 6)] >> (place & 63)) & 1:
                    continue
                if self.calls[number] <= self.earliest:
                    after = self.step(head.state, self.kinds[number])
                    if after >= 0 and after != head.state:
                        memcpy(self.turned, self.now, 8 * self.words)
                        self.turned[self.window_words + (place >> 6)] |= <uint64_t> 1 << (place & 63)
                        more = Head(head.low, after, head.unseen, self.node(number, head.path))
                        self.push(more, self.turned)
                break
        return 0

    cdef list order(self, int32_t path):
        found = []
        while path >= 0:
            found.append(self.nodes[path].number)
            path = self.nodes[path].before
        found.reverse()
        return found

    def run(self):
        cdef Head head = Head(0, 0, 0, -1), more
        cdef int32_t branches, taken, best = -1, best_path = -1, i, place
        cdef int64_t entered = 0
        cdef int64_t look = LOOK_EVERY, weigh = WEIGH_EVERY
        best_next = []
        for i in range(self.definite):
            head.unseen += self.observes[i]
        memset(self.now, 0, 8 * self.words)
        self.push(head, self.now)
        while self.depth:
            self.depth -= 1
            head = self.heads[self.depth]
            memcpy(self.now, self.bits + self.depth * self.words, 8 * self.words)
            branches = self.absorb(&head)
            taken = head.low
            for i in range(self.window_words):
                taken += ones(self.now[i])
            if taken > best:
                best, best_path = taken, head.path
                best_next = [self.open_numbers[i] for i in range(self.find_open(head.low))]
            if head.low == self.definite:
                return True, self.order(head.path), [], "", entered
            if head.unseen and self.hopeless(head.state):
                continue
            if self.seen_before(head.low, head.state):
                continue
            entered += 1
            if entered % look == 0:
                reason = self.limits.out_of_time()
                if reason is None and entered % weigh == 0:
                    reason = self.limits.out_of_memory()
                if reason is not None:
                    return False, self.order(best_path), best_next, reason, entered
            if self.groups:
                self.push_optional(head)
            for i in range(branches):
                memcpy(self.turned, self.now, 8 * self.words)
                place = self.branch_numbers[i] - head.low
                self.turned[place >> 6] |= <uint64_t> 1 << (place & 63)
                more = Head(head.low, self.branch_states[i], head.unseen, self.node(self.branch_numbers[i], head.path))
                more.low += self.shift(self.turned)
                self.push(more, self.turned)
        return False, self.order(best_path), best_next, "", entered


cdef int64_t NEVER_NS = NEVER


def walk(problem, limits):
    """Depth first through the configurations (see ``walk.py``)."""
    return _Walker(problem, limits).run()
