import os
import threading

from raftmon.monitor import scheduling


def on_a_thread(work):
    """What ``work()`` gives on a thread of its own: policies belong to threads."""
    found = []
    thread = threading.Thread(target=lambda: found.append(work()))
    thread.start()
    thread.join()
    return found[0]


def test_the_policy_goes_to_batch_and_back_and_the_share_stays():
    def work():
        policies = [os.sched_getscheduler(0)]
        scheduling.favour()
        nice = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
        for change in (scheduling.batch, scheduling.interactive):
            change()
            policies.append(os.sched_getscheduler(0))
        return policies, nice, os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    policies, before, after = on_a_thread(work)
    assert policies == [os.SCHED_OTHER, os.SCHED_BATCH, os.SCHED_OTHER]
    assert before == after
    assert before == (scheduling.PRIORITY if os.geteuid() == 0 else 0)


def test_a_share_gives_way_and_grows_while_work_waits():
    def work():
        found = []
        share = scheduling.Share()
        for behind in (False, True, False):
            share.behind(behind)
            found.append(os.sched_getscheduler(0))
        return found

    expected = [os.SCHED_IDLE, os.SCHED_BATCH, os.SCHED_IDLE] if os.geteuid() == 0 else [os.SCHED_OTHER] * 3
    assert on_a_thread(work) == expected


def test_who_gives_way_can_be_hurried_by_another():
    def work():
        share = scheduling.Share()
        found = [share.hurried]
        share.behind(False)
        found.append(share.hurried)
        scheduling.hurry(threading.get_native_id())
        found.append(share.hurried)
        share.behind(True)
        found.append(share.hurried)
        return found

    assert on_a_thread(work) == [False, False, os.geteuid() == 0, False]


def test_to_hurry_who_is_gone_does_nothing():
    scheduling.hurry(2**22 + 1)
