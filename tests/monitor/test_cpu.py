import os
import threading

from raftmon.monitor import cpu
from raftmon.monitor.cpu import Spare, interrupts, quiet_processor
from raftmon.monitor.queue.task_pool import TaskPool
from raftmon.monitor.rules.task import Task

TWO = """\
           CPU0       CPU1
 24:          1          0   IO-APIC   5-edge      ACPI:Ged
 36:          0   33555107   PCI-MSIX-0000:00:02.0   1-edge      virtio1-req.0
 39:      54028          0   PCI-MSIX-0000:00:03.0   2-edge      virtio2-output.0
LOC:   57888292   60967292   Local timer interrupts
RES:   27576198   20337785   Rescheduling interrupts
ERR:          0
MIS:          0
"""
FOUR_ONE_OFF = """\
           CPU0       CPU2       CPU3       CPU5
  1:       1000         10         20       9000   IO-APIC   1-edge   disk
  2:         50
NMI:          1          1          1          1   Non-maskable interrupts
"""


def test_interrupts_of_devices_are_counted_by_processor_and_others_left_out():
    assert interrupts(TWO) == {0: 54_029, 1: 33_555_107}
    assert interrupts(FOUR_ONE_OFF) == {0: 1050, 2: 10, 3: 20, 5: 9000}
    assert interrupts("") == {}


def test_the_quiet_processor_is_the_one_without_the_disk():
    assert [quiet_processor(spread, {0, 1}, TWO) for spread in range(3)] == [0, 0, 0]


def test_of_several_quiet_ones_every_run_gets_another():
    assert [quiet_processor(spread, {2, 3, 5}, FOUR_ONE_OFF) for spread in range(3)] == [2, 3, 2]


def test_only_what_the_process_may_use_is_chosen():
    assert {quiet_processor(spread, {0, 5}, FOUR_ONE_OFF) for spread in range(4)} == {0, 5} - {5}
    assert quiet_processor(1, {5}, FOUR_ONE_OFF) is None
    assert quiet_processor(1, {0, 1}, "") is None


def test_where_nothing_was_served_any_will_do():
    assert quiet_processor(1, {0, 1}, "  CPU0 CPU1\n 1: 0 0 x\n") == 1


def where(work):
    """The processors of a thread of its own after ``work()`` there."""
    found = []

    def run():
        work()
        found.append(os.sched_getaffinity(0))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return found[0]


ALL = os.sched_getaffinity(0)
ONE = min(ALL)


def test_a_thread_stays_and_is_free_again():
    def there_and_back():
        cpu.pin(ONE)
        cpu.unpin()

    assert where(lambda: cpu.pin(ONE)) == {ONE}
    assert where(there_and_back) == ALL


def test_no_processor_and_one_that_is_not_there_change_nothing():
    assert where(lambda: cpu.pin(None)) == ALL
    assert where(lambda: cpu.pin(4095)) == ALL


def test_a_task_that_a_thread_on_one_processor_starts_may_run_anywhere():
    found = []
    ended = threading.Event()
    pool = TaskPool(lambda task: ended.set(), 5)

    def start():
        cpu.pin(ONE)
        pool.start(Task("look", lambda: found.append(os.sched_getaffinity(0))), 0)

    where(start)
    assert ended.wait(5)
    pool.close()
    assert found == [ALL]


def stat(*idle):
    """/proc/stat of two processors that worked 100 ticks in all between two looks, and were idle for so many."""
    looks = iter(range(len(idle)))
    left = [0]

    def read():
        number = next(looks)
        left[0] += idle[number]
        busy = 100 * (number + 1) - left[0]
        rows = (
            "cpu  9 9 9 9 9 9 9 9",
            f"cpu0 {busy} 0 0 {left[0]} 0 0 0 0 0 0",
            "cpu1 0 0 0 0 0 0 0 0",
            "cpu7 0 0 0 999 0 0 0 0",
        )
        return "\n".join(rows)

    return read


def looks(*idle):
    spare = Spare(stat(*idle), {0, 1})
    found = []
    for _ in idle:
        spare.look()
        found.append(spare.enough)
    return found


def test_there_is_time_to_spare_where_processors_stand_idle_and_it_does_not_flutter():
    assert looks(50, 25, 9, 7, 9, 9, 10) == [False, True, True, False, False, False, True]


def test_nothing_is_spare_where_nobody_knows():
    def unreadable():
        raise PermissionError

    spare = Spare(unreadable, {0})
    spare.look()
    assert not spare.enough
    assert Spare(lambda: "cpu0 1 2 3 4 5 6 7 8\n", {0}).enough is False


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
        cpu.raise_priority()
        nice = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
        for change in (cpu.batch, cpu.interactive):
            change()
            policies.append(os.sched_getscheduler(0))
        return policies, nice, os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    policies, before, after = on_a_thread(work)
    assert policies == [os.SCHED_OTHER, os.SCHED_BATCH, os.SCHED_OTHER]
    assert before == after
    assert before == (cpu.PRIORITY if os.geteuid() == 0 else 0)


def test_a_share_gives_way_and_grows_while_work_waits():
    def work():
        found = []
        share = cpu.Share()
        for behind in (False, True, False):
            share.behind(behind)
            found.append(os.sched_getscheduler(0))
        return found

    expected = [os.SCHED_IDLE, os.SCHED_BATCH, os.SCHED_IDLE] if os.geteuid() == 0 else [os.SCHED_OTHER] * 3
    assert on_a_thread(work) == expected


def test_who_gives_way_can_be_hurried_by_another():
    def work():
        share = cpu.Share()
        found = [share.hurried]
        share.behind(False)
        found.append(share.hurried)
        cpu.boost(threading.get_native_id())
        found.append(share.hurried)
        share.behind(True)
        found.append(share.hurried)
        return found

    assert on_a_thread(work) == [False, False, os.geteuid() == 0, False]


def test_to_hurry_who_is_gone_does_nothing():
    cpu.boost(2**22 + 1)
