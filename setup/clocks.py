"""Shift the clocks that one running process reads, without root, a library or a restart.

Programs on Linux read time from the vDSO, a page of code that the kernel maps into each process: C, JVM, Erlang and
Python programs through libc, Go programs by themselves (so libfaketime does not reach them). ``ShiftedClocks`` writes
into that page of one process, through ``/proc/PID/mem`` (the page is private to it from then on): a stub in the unused
end of the page asks the kernel and adds an offset, and the first bytes of the clock functions jump to it. The process
is stopped meanwhile, for a millisecond or so, and no thread is inside a function whose beginning is rewritten.

Not shifted: times that the kernel itself makes or waits for (times of files, ``timerfd`` and futex waits until a wall
time), and programs that make the system call themselves instead of calling the vDSO. x86-64 only.

Sources: vdso(7), proc(5), the System V ABI for AMD64 (a function may change rax, rcx, rdx, rsi, rdi, r8 to r11).
"""

from __future__ import annotations

import contextlib
import os
import platform
import signal
import struct
import time
from pathlib import Path
from typing import Final

from raftmon.setup.errors import RaftmonError
from raftmon.setup.nodes import stands_still

__all__ = ["ClockError", "ShiftedClocks", "why_not_clocks"]

# Two offsets in ns (wall, monotonic), then three functions: each makes the system call and adds the offset of its
# clock to what came back. Assembled from tests/setup/clock_stub.s, with which a test compares it.
_STUB: Final = bytes.fromhex(
    "00000000000000000000000000000000b8e40000000f0585c075574c8b05deffffff85ff742683ff05742183ff0b741c"
    "4c8b05d1ffffff83ff01741083ff04740b83ff06740683ff077401c34d85c0742148690600ca9a3b480346084c01c0b9"
    "00ca9a3b489948f7f94889064889560831c0c30f1f440000b8600000000f0585c0753e4885ff743948690740420f0048"
    "0347084869c0e80300004803055fffffffb900ca9a3b489948f7f94889074889d0b9e8030000489948f7f94889470831"
    "c0c3660f1f440000574883ec1031ff4889e6b8e40000000f054869042400ca9a3b480344240848030513ffffffb900ca"
    "9a3b489948f7f94883c4105f4885ff7403488907c3"
)
_ENTRIES: Final = {"__vdso_clock_gettime": 0x10, "__vdso_gettimeofday": 0x78, "__vdso_time": 0xC8}
_JUMP_BYTES: Final = 5
_LONGEST_STOP_S: Final = 2.0
_DT_HASH, _DT_STRTAB, _DT_SYMTAB = 4, 5, 6


class ClockError(RaftmonError):
    """A process's clocks cannot be shifted; the message says why."""


def why_not_clocks() -> str | None:
    """Why clocks cannot be shifted on this machine, None if they can."""
    if platform.machine() != "x86_64":
        return f"clocks are shifted on x86-64 only; this machine is {platform.machine()}"
    return None if _mapping(os.getpid()) else "this kernel maps no vDSO into processes"


def _mapping(pid: int) -> tuple[int, int] | None:
    """Where the vDSO lies in a process: (first address, length)."""
    try:
        lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        if line.endswith("[vdso]"):
            first, last = (int(number, 16) for number in line.split()[0].split("-"))
            return first, last - first
    return None


def _symbols(image: bytes) -> dict[str, int]:
    """Name -> offset of the functions that a vDSO's image exports (ELF, 64 bit, little-endian)."""
    if image[:6] != b"\x7fELF\x02\x01":
        return {}
    (headers,) = struct.unpack_from("<Q", image, 32)
    size, count = struct.unpack_from("<HH", image, 54)
    dynamic = None
    for number in range(count):
        (kind,) = struct.unpack_from("<I", image, headers + number * size)
        if kind == 2:  # PT_DYNAMIC
            (dynamic,) = struct.unpack_from("<Q", image, headers + number * size + 8)
    if dynamic is None:
        return {}
    tags: dict[int, int] = {}
    while (entry := struct.unpack_from("<QQ", image, dynamic))[0] != 0:
        tags[entry[0]] = entry[1]
        dynamic += 16
    (symbols,) = struct.unpack_from("<I", image, tags[_DT_HASH] + 4)
    found = {}
    for number in range(symbols):
        name, _info, _other, section, value, _size = struct.unpack_from(
            "<IBBHQQ", image, tags[_DT_SYMTAB] + 24 * number
        )
        if section:
            begin = tags[_DT_STRTAB] + name
            found[image[begin : image.index(b"\0", begin)].decode()] = value
    return found


class ShiftedClocks:
    """The clocks of one process. ``shift`` may be called as often as wanted; ``restore`` puts its own code back.

    Raises ClockError where the process is gone, is no 64-bit program, or its vDSO leaves no room.
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        where = _mapping(pid)
        if where is None:
            raise ClockError(f"process {pid} has no vDSO (it ended, or is no ordinary program)")
        self._base, length = where
        image = self._read(0, length)
        try:
            known = _symbols(image)
        except (struct.error, KeyError, ValueError) as error:
            raise ClockError(f"the vDSO of process {pid} cannot be read: {error}") from error
        self._functions = {name: known[name] for name in _ENTRIES if name in known}
        if "__vdso_clock_gettime" not in self._functions:
            raise ClockError(f"the vDSO of process {pid} has no clock_gettime for 64-bit programs")
        used = len(image.rstrip(b"\0"))
        self._stub = (used + 15) // 16 * 16
        if self._stub + len(_STUB) > length:
            raise ClockError(f"the vDSO of process {pid} leaves {length - used} bytes, too few for {len(_STUB)}")
        self._own = {name: image[at : at + _JUMP_BYTES] for name, at in self._functions.items()}
        self._patched = False

    def shift(self, wall_ns: int, monotonic_ns: int = 0) -> None:
        """From now on its wall clock and its monotonic clock are ahead by so much (behind where negative)."""
        offsets = struct.pack("<qq", wall_ns, monotonic_ns)
        if self._patched:
            self._write(self._stub, offsets[:8])  # eight aligned bytes each: no reader sees half a number
            self._write(self._stub + 8, offsets[8:])
            return
        jumps = {}
        for name, at in self._functions.items():
            jumps[at] = b"\xe9" + struct.pack("<i", self._stub + _ENTRIES[name] - (at + _JUMP_BYTES))
        self._write(self._stub, offsets + _STUB[16:])
        self._rewrite(jumps)
        self._patched = True

    def restore(self) -> None:
        """Its clocks are the machine's again. Nothing happens if it has ended."""
        if self._patched:
            with contextlib.suppress(ClockError):
                self._write(self._stub, bytes(16))
                self._rewrite({at: self._own[name] for name, at in self._functions.items()})
            self._patched = False

    def reads_shifted(self) -> tuple[int, int] | None:
        """The offsets (wall, monotonic, ns) that its code adds now, as its memory shows; None where it adds none."""
        at = self._functions["__vdso_clock_gettime"]
        if self._read(at, 1) != b"\xe9":
            return None
        wall_ns, monotonic_ns = struct.unpack("<qq", self._read(self._stub, 16))
        return wall_ns, monotonic_ns

    def _rewrite(self, changes: dict[int, bytes]) -> None:
        """Replace the beginnings of functions while every thread is stopped outside of them."""
        deadline = time.monotonic() + _LONGEST_STOP_S
        was_stopped = stands_still(self.pid)
        while True:
            try:
                if not was_stopped:
                    os.kill(self.pid, signal.SIGSTOP)
                    while not stands_still(self.pid) and time.monotonic() < deadline:
                        time.sleep(0.0002)
                if stands_still(self.pid) and not self._inside(list(changes)):
                    for at, code in changes.items():
                        self._write(at, code)
                    return
            except OSError as error:
                raise ClockError(f"process {self.pid} ended") from error
            finally:
                if not was_stopped:
                    with contextlib.suppress(OSError):
                        os.kill(self.pid, signal.SIGCONT)
            if time.monotonic() > deadline:
                raise ClockError(f"process {self.pid} could not be stopped outside of its clock functions")
            time.sleep(0.001)

    def _inside(self, places: list[int]) -> bool:
        """Whether a thread would go on in the middle of the bytes to be replaced (proc(5), ``syscall``)."""
        for thread in Path(f"/proc/{self.pid}/task").iterdir():
            try:
                words = (thread / "syscall").read_text().split()
            except OSError:  # it ended
                continue
            if not words or words[0] == "running":
                return True
            at = int(words[-1], 16) - self._base
            if any(place < at < place + _JUMP_BYTES for place in places):
                return True
        return False

    def _read(self, offset: int, length: int) -> bytes:
        try:
            with open(f"/proc/{self.pid}/mem", "rb", buffering=0) as memory:
                return os.pread(memory.fileno(), length, self._base + offset)
        except OSError as error:
            raise ClockError(f"the memory of process {self.pid} cannot be read: {error.strerror}") from error

    def _write(self, offset: int, code: bytes) -> None:
        try:
            with open(f"/proc/{self.pid}/mem", "r+b", buffering=0) as memory:
                os.pwrite(memory.fileno(), code, self._base + offset)
        except OSError as error:
            raise ClockError(f"the memory of process {self.pid} cannot be written: {error.strerror}") from error
