from hypothesis import given
from hypothesis import strategies as st

from raftmon.monitor.queue.hold import HoldHeap


@given(st.lists(st.integers(0, 20)))
def test_items_leave_by_time_and_among_equals_as_they_came(times):
    heap = HoldHeap(100)
    for number, due_ns in enumerate(times):
        heap.push(due_ns, (due_ns, number))
    assert [item for _, item in heap.due(20)] == sorted((due_ns, n) for n, due_ns in enumerate(times))
    assert len(heap) == 0


def test_only_what_is_due_leaves():
    heap = HoldHeap(10)
    for due_ns in (30, 10, 20):
        heap.push(due_ns, str(due_ns))
    assert heap.next_due_ns == 10
    assert list(heap.due(20)) == [(10, "10"), (20, "20")]
    assert heap.next_due_ns == 30
    assert list(heap.drain()) == ["30"]
    assert heap.next_due_ns is None


def test_a_full_heap_refuses_and_remembers_its_most():
    heap = HoldHeap(2)
    assert [heap.push(1, "x") for _ in range(3)] == [True, True, False]
    assert (len(heap), heap.most) == (2, 2)
