"""The sandbox's two small processes: one outside that passes signals in, and the sandbox's pid 1.

Run as a script by :mod:`raftmon.setup.sandbox` (``python -I -S sandbox_init.py -- COMMAND …``), so it uses the standard
library alone. The outer process keeps the pid the user sees. It makes the namespaces (unshare(2)), forks pid 1 and
waits. Pid 1 mounts what is private, starts the command, passes signals on to it, reaps orphans, and ends with it; the
kernel then kills whatever else lives in the pid namespace. If the outer process is killed, even by SIGKILL, pid 1 is
killed with it (PR_SET_PDEATHSIG, prctl(2)).

util-linux ``unshare --fork`` was not enough: it blocks SIGTERM and SIGINT while it waits and passes neither on.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import secrets
import select
import signal
import socket
import struct
import sys
import traceback
from collections.abc import Callable
from typing import NoReturn

__all__ = ["MARKER_FILE", "MARKER_VARIABLE", "fork_inside", "main", "make_namespaces", "mount_private", "run"]

MARKER_VARIABLE = "RAFTMON_SANDBOX"
MARKER_FILE = "/run/raftmon-sandbox"
EXIT_INTERNAL = 70  # the same as raftmon.setup.errors.EXIT_INTERNAL, which this file must not import

CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x20000, 0x10000000, 0x20000000, 0x40000000
_MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_REC, _MS_PRIVATE = 2, 4, 8, 0x4000, 0x40000
_PR_SET_PDEATHSIG = 1
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1
_FORWARDED = (
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGWINCH,
)
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)


def make_namespaces(flags: int) -> None:
    """Move this process into new namespaces; with CLONE_NEWUSER the caller becomes root in there.

    Raises OSError with the step that failed. The process must have one thread (unshare(2)).
    """
    uid, gid = os.geteuid(), os.getegid()
    _check(_libc.unshare(flags), "unshare")
    if flags & CLONE_NEWUSER:
        _write("/proc/self/setgroups", "deny")  # the kernel's price for mapping a group without privilege
        _write("/proc/self/uid_map", f"0 {uid} 1")
        _write("/proc/self/gid_map", f"0 {gid} 1")


def _mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    result = _libc.mount(source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), options.encode())
    _check(result, f"mount {kind or 'private'} on {target}")


def mount_private() -> None:
    """Mount a /proc and a /run of our own, and take the loopback interface up.

    A private /run also gives a private xtables lock and a private /run/netns. Raises OSError with the step that failed.
    """
    _mount("none", "/", "", _MS_REC | _MS_PRIVATE)
    _mount("proc", "/proc", "proc", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC)
    _mount("raftmon", "/run", "tmpfs", _MS_NOSUID | _MS_NODEV, "mode=755")
    os.mkdir("/run/netns")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sh14x", b"lo", 0)
        (flags,) = struct.unpack_from("h", fcntl.ioctl(any_socket, _SIOCGIFFLAGS, request), 16)
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | _IFF_UP))


def _pass_signals_to(child: int, forwarded: set[signal.Signals]) -> int:
    """Wait for ``child``, pass signals on to it, reap all others; the exit status (128 + signal if it was killed)."""
    while True:
        got = signal.sigwait(forwarded | {signal.SIGCHLD})
        if got != signal.SIGCHLD:
            os.kill(child, got)
            if got in _ENDING:
                os.kill(child, signal.SIGCONT)  # one that was stopped would not hear of it
            continue
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                pid = 0
            if pid == child:
                code = os.waitstatus_to_exitcode(status)
                return 128 - code if code < 0 else code
            if pid == 0:
                break


def _exec(command: list[str]) -> NoReturn:
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them for itself; a command expects the default
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execvp(command[0], command)
    except OSError as error:
        print(f"raftmon: cannot start {command[0]}: {error.strerror}", file=sys.stderr, flush=True)
        os._exit(127)


def _pid_one(outer_lives: int, forwarded: set[signal.Signals], mask: set[signal.Signals]) -> None:
    """Pid 1's whole life; returns in the process that it forks, and there alone."""
    status = EXIT_INTERNAL
    try:
        _check(_libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0), "prctl")
        if select.select([outer_lives], [], [], 0)[0]:  # the outer process died before prctl: nobody would end us
            os._exit(EXIT_INTERNAL)
        os.setsid()  # out of the terminal's group: a Ctrl-C reaches the command once, through the outer process
        mount_private()
        token = secrets.token_hex(8)
        _write(MARKER_FILE, token)
        os.environ[MARKER_VARIABLE] = token
        child = os.fork()
        if child == 0:
            os.close(outer_lives)
            signal.signal(signal.SIGTSTP, signal.SIG_DFL)  # run() ignores it
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            return
        status = _pass_signals_to(child, forwarded)
    except OSError as error:
        _complain(error)
    os._exit(status)


def _finish(body: Callable[[], object]) -> NoReturn:
    """Run ``body`` and leave: nothing of the process this one was forked from may run after it."""
    try:
        body()
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def _complain(error: OSError) -> None:
    print(
        f"raftmon: this machine did not let the sandbox be made ({error.strerror}); "
        "raftmon doctor says what is missing and what to change",
        file=sys.stderr,
        flush=True,
    )


def fork_inside() -> int | None:
    """Make a sandbox and fork into it: None in the process inside, which goes on from here with all that it imported.

    In the caller, once that process has ended, its exit status, or 70 if there can be no sandbox. The caller becomes
    the outer process: it stays in the namespaces it made, must have a single thread, and should do nothing but exit.
    """
    forwarded = {number for number in _FORWARDED if signal.getsignal(number) != signal.SIG_IGN}  # nohup stays nohup
    before = signal.pthread_sigmask(signal.SIG_BLOCK, forwarded | {signal.SIGCHLD})
    mask = {signal.Signals(number) for number in before}
    signal.signal(signal.SIGTSTP, signal.SIG_IGN)  # a stopped test run has no meaning: its timeouts go on
    rest = CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWPID
    try:
        if os.geteuid() == 0:
            try:
                make_namespaces(rest)
            except OSError as error:
                if error.errno != errno.EPERM:
                    raise
                make_namespaces(rest | CLONE_NEWUSER)  # root without CAP_SYS_ADMIN: root in a container
        else:
            make_namespaces(rest | CLONE_NEWUSER)
        outer_lives, held_open = os.pipe()
        child = os.fork()
    except OSError as error:
        _complain(error)
        return EXIT_INTERNAL
    if child == 0:
        os.close(held_open)
        _pid_one(outer_lives, forwarded, mask)
        return None
    os.close(outer_lives)
    return _pass_signals_to(child, forwarded)


def run(body: Callable[[], object]) -> int:
    """Run ``body`` in a process in a new sandbox; its exit status (0 if it returns), or 70 if there can be no sandbox.

    What ``fork_inside`` says of the caller holds here too.
    """
    status = fork_inside()
    if status is None:
        _finish(body)
    return status


def main(argv: list[str]) -> int:
    """Run the command after ``--`` in a new sandbox; its exit status, 127 if it cannot be executed."""
    command = argv[argv.index("--") + 1 :]
    return run(lambda: _exec(command))


if __name__ == "__main__":
    sys.exit(main(sys.argv))
