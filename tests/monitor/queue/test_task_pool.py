import queue
import threading

from raftmon.monitor.queue.task_pool import TaskPool
from raftmon.monitor.rules.task import Task


def pool_with_inbox(limit_s=10.0):
    inbox = queue.Queue()
    return TaskPool(inbox.put, limit_s), inbox


def test_a_task_runs_on_another_thread_and_its_result_is_kept():
    pool, inbox = pool_with_inbox()
    task = Task("who", threading.get_ident)
    assert pool.start(task, 0)
    assert inbox.get(timeout=5) is task
    assert pool.finish(task)
    assert task.ended
    assert task.result != threading.get_ident()
    assert (pool.finished, pool.failed) == (1, 0)
    pool.close()


def test_a_task_that_raises_is_counted_and_its_worker_goes_on():
    pool, inbox = pool_with_inbox()
    for _ in range(6):
        task = Task("bad", lambda: 1 // 0)
        pool.start(task, 0)
        pool.finish(inbox.get(timeout=5))
    assert task.error == "ZeroDivisionError: integer division or modulo by zero"
    assert (pool.finished, pool.failed) == (0, 6)
    pool.close()


def test_a_task_that_hangs_is_given_up_at_its_limit_and_its_late_end_changes_nothing():
    pool, inbox = pool_with_inbox()
    begun, go = threading.Event(), threading.Event()
    task = Task("hangs", lambda: begun.set() or go.wait(30), limit_s=0.5)
    pool.start(task, 1_000)
    assert begun.wait(5)
    assert pool.next_deadline_ns == 500_001_000
    assert pool.give_up(500_000_999) == []
    assert pool.give_up(500_001_000) == [task]
    assert task.ended
    assert task.error == "gave no answer within 0.5 s"
    go.set()
    assert inbox.get(timeout=5) is task
    assert not pool.finish(task)
    assert (pool.timed_out, pool.finished) == (1, 0)
    pool.close()


def test_hung_tasks_never_pile_up_past_the_bound():
    pool, _ = pool_with_inbox()
    go = threading.Event()
    tasks = [Task(str(number), lambda: go.wait(30)) for number in range(200)]
    started = [pool.start(task, 0) for task in tasks]
    assert 64 <= sum(started) <= 68
    assert {task.error for task, ok in zip(tasks, started, strict=True) if not ok} == {"too many tasks wait already"}
    assert sum(thread.name.startswith("task-") for thread in threading.enumerate()) <= 4 + 4
    go.set()


def test_a_task_given_up_before_a_worker_was_free_is_not_run():
    pool, inbox = pool_with_inbox()
    go, busy = threading.Event(), threading.Barrier(5)
    for number in range(4):
        pool.start(Task(str(number), lambda: (busy.wait(5) and go.wait(30)) or go.wait(30)), 0)
    busy.wait(5)
    late = Task("late", lambda: inbox.put("ran"), limit_s=1.0)
    pool.start(late, 0)
    assert pool.give_up(2_000_000_000) == [late]
    go.set()
    last = Task("last", lambda: None)
    pool.start(last, 0)
    ended = []
    while last not in ended:
        ended.append(inbox.get(timeout=5))
    assert "ran" not in ended
    pool.close()
