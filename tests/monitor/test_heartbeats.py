import os
import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from raftmon.monitor.heartbeats import DRIVER, MONITOR, PERIOD_NS, RECORDER, Heartbeats, Pulse

MS = 1_000_000


def beats():
    one = Heartbeats.new()
    os.set_inheritable(one.descriptor, True)
    return one


def test_who_has_not_begun_or_has_ended_does_not_stand_still():
    shared = Heartbeats.new()
    watch = Pulse(shared, DRIVER, (MONITOR, RECORDER))
    watch(60_000 * MS)
    Pulse(shared, MONITOR)(60_000 * MS)
    shared.rest(MONITOR)
    watch(90_000 * MS)
    assert shared.longest_ms() == {"monitor": 0, "recorder": 0, "driver": 0}
    shared.close()


def test_a_standstill_is_measured_while_it_lasts_and_kept_after_it():
    shared = Heartbeats.new()
    watch, watched = Pulse(shared, DRIVER, (MONITOR,)), Pulse(shared, MONITOR)
    watched(1000 * MS)
    watch(4100 * MS)
    assert shared.quiet_ns(MONITOR, 4100 * MS) == 3000 * MS
    watched(4200 * MS)
    watch(4300 * MS)
    assert shared.longest_ms()["monitor"] == 3000
    assert shared.quiet_ns(MONITOR, 4300 * MS) == 0
    shared.close()


@given(st.lists(st.integers(0, PERIOD_NS), max_size=50), st.integers(0, 20_000 * MS))
def test_an_observer_that_was_held_up_itself_blames_nobody(steps, pause_ns):
    """The observer sleeps for long; the other beat all the time: the last beat before the look counts."""
    shared = Heartbeats.new()
    watch, watched = Pulse(shared, DRIVER, (MONITOR,)), Pulse(shared, MONITOR)
    now_ns = 1
    for step in steps:
        now_ns += step
        watched(now_ns)
    watch(now_ns)
    looked_ns = now_ns + pause_ns  # the observer's clock is read, then it is held up again
    watched(looked_ns)
    watch(looked_ns)
    watched(looked_ns + pause_ns)
    watch(looked_ns)
    assert shared.longest_ms()["monitor"] == 0
    shared.close()


def test_another_process_sees_the_same_cells():
    shared = beats()
    code = (
        "import sys; from raftmon.monitor.heartbeats import *\n"
        "Pulse(Heartbeats(int(sys.argv[1])), MONITOR, (DRIVER,))(9_000_000_000)"
    )
    Pulse(shared, DRIVER)(1_000_000_000)
    subprocess.run([sys.executable, "-c", code, str(shared.descriptor)], check=True, close_fds=False)
    assert shared.cells[MONITOR] == 9_000_000_000
    assert shared.longest_ms()["driver"] == 7900
    shared.close()
