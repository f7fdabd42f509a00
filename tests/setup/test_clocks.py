"""The clocks of a live process, shifted in its own memory; asked of the process itself."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from raftmon.setup import clocks as module
from raftmon.setup.clocks import ClockError, ShiftedClocks, why_not_clocks
from raftmon.setup.nodes import stands_still

pytestmark = pytest.mark.skipif(why_not_clocks() is not None, reason=str(why_not_clocks()))

HOUR_NS = 3600 * 10**9
ASKED = """
import ctypes, sys, time
libc = ctypes.CDLL(None)
class Pair(ctypes.Structure): _fields_ = [('s', ctypes.c_long), ('us', ctypes.c_long)]
for line in sys.stdin:
    pair = Pair(); libc.gettimeofday(ctypes.byref(pair), None)
    kept = ctypes.c_long(); libc.time(ctypes.byref(kept))
    print(time.time(), pair.s + pair.us / 1e6, libc.time(None), kept.value, time.clock_gettime(5))
    print(time.monotonic(), flush=True)
"""
Ask = Callable[[], list[float]]


@pytest.fixture
def program() -> Iterator[tuple[int, Ask]]:
    """A child, and what its clocks are ahead: time, gettimeofday, time(2) twice, the coarse clock, monotonic."""
    child = subprocess.Popen([sys.executable, "-uc", ASKED], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdin
    assert child.stdout

    def ask() -> list[float]:
        assert child.stdin
        assert child.stdout
        child.stdin.write("\n")
        child.stdin.flush()
        said = [float(word) for word in (child.stdout.readline() + child.stdout.readline()).split()]
        return [*(value - time.time() for value in said[:5]), said[5] - time.monotonic()]

    ask()  # it runs its own code by now
    yield child.pid, ask
    child.kill()
    child.communicate()


def near(found: list[float], wall: float, monotonic: float) -> bool:
    return all(abs(ahead - wall) < 5 for ahead in found[:5]) and abs(found[5] - monotonic) < 5


def test_every_clock_function_of_a_running_program_is_shifted_and_restored(program: tuple[int, Ask]) -> None:
    pid, ask = program
    clocks = ShiftedClocks(pid)
    clocks.shift(HOUR_NS)
    assert near(ask(), 3600, 0)
    assert clocks.reads_shifted() == (HOUR_NS, 0)
    clocks.shift(-HOUR_NS, 60 * 10**9)
    assert near(ask(), -3600, 60)
    clocks.restore()
    assert near(ask(), 0, 0)
    assert clocks.reads_shifted() is None


def test_our_own_clocks_are_untouched(program: tuple[int, Ask]) -> None:
    before = time.clock_gettime(time.CLOCK_REALTIME) - time.monotonic()
    ShiftedClocks(program[0]).shift(HOUR_NS, HOUR_NS)
    assert abs(time.clock_gettime(time.CLOCK_REALTIME) - time.monotonic() - before) < 60


def test_a_stopped_program_stays_stopped(program: tuple[int, Ask]) -> None:
    pid, ask = program
    os.kill(pid, signal.SIGSTOP)
    while not stands_still(pid):
        time.sleep(0.001)
    ShiftedClocks(pid).shift(HOUR_NS)
    assert stands_still(pid)
    os.kill(pid, signal.SIGCONT)
    assert near(ask(), 3600, 0)


def test_a_process_that_is_gone_is_told() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    with pytest.raises(ClockError, match="has no vDSO"):
        ShiftedClocks(child.pid)


def test_restoring_a_program_that_has_ended_is_no_error(program: tuple[int, Ask]) -> None:
    clocks = ShiftedClocks(program[0])
    clocks.shift(HOUR_NS)
    os.kill(program[0], signal.SIGKILL)
    clocks.restore()


@pytest.mark.skipif(not shutil.which("as") or not shutil.which("objcopy"), reason="needs binutils")
def test_the_stub_is_what_its_source_assembles_to(tmp_path: Path) -> None:
    source, made, binary = Path(__file__).with_name("clock_stub.s"), tmp_path / "stub.o", tmp_path / "stub.bin"
    subprocess.run(["as", str(source), "-o", str(made)], check=True)
    subprocess.run(["objcopy", "-O", "binary", "-j", ".text", str(made), str(binary)], check=True)
    assert binary.read_bytes() == module._STUB
    names = subprocess.run(["nm", str(made)], check=True, capture_output=True, text=True).stdout
    places = {line.split()[2]: int(line.split()[0], 16) for line in names.splitlines()}
    assert {
        "__vdso_clock_gettime": places["gettime"],
        "__vdso_gettimeofday": places["timeofday"],
        "__vdso_time": places["time"],
    } == module._ENTRIES
