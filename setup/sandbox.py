"""The sandbox: new user (when not root), network, mount and pid namespaces that die as one.

``enter()`` goes on inside: in a fork of this process, which has imported everything already, or, where other threads
forbid that, by executing the command again. Either way the pid the user sees becomes the sandbox's outer process:
SIGKILL on it ends everything inside; SIGINT, SIGTERM and SIGHUP reach the command, once each.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Sequence
from pathlib import Path

from raftmon.setup import sandbox_init
from raftmon.setup.errors import RaftmonError

__all__ = ["enter", "inside", "own_to_caller", "sandboxed"]


def inside() -> bool:
    """Whether this process runs in a sandbox.

    The marker in the environment must agree with the one in the sandbox's private /run, so one left over from another
    sandbox does not deceive.
    """
    token = os.environ.get(sandbox_init.MARKER_VARIABLE)
    try:
        return bool(token) and Path(sandbox_init.MARKER_FILE).read_text() == token
    except OSError:
        return False


def sandboxed(argv: Sequence[str]) -> list[str]:
    """The argument vector that runs ``argv`` in its own sandbox, for subprocess or exec."""
    return [sys.executable, "-I", "-S", sandbox_init.__file__, "--", *argv]


def enter(argv: Sequence[str] | None = None) -> None:
    """Return inside a sandbox: at once where this is one; else in a new one, which runs this very command, or ``argv``.

    Call it before threads hold anything: where there are any, the command is executed again. The environment, the
    working directory and open standard streams pass through. Raises RaftmonError if Python cannot be executed; what
    the machine forbids is said by the sandbox itself, with exit status 70.
    """
    if inside():
        return
    if argv is None and len(os.listdir("/proc/self/task")) == 1:
        sys.stdout.flush()
        sys.stderr.flush()
        status = sandbox_init.fork_inside()
        if status is not None:
            os._exit(status)  # all that there was to do is done by the process inside
        return
    command = sandboxed([sys.executable, *sys.orig_argv[1:]] if argv is None else argv)
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        os.execv(command[0], command)
    except OSError as error:
        raise RaftmonError(f"cannot execute {command[0]} to enter the sandbox: {error.strerror}") from error


def own_to_caller(path: Path, *, alone: bool = False) -> None:
    """Give ``path``, and all under it unless ``alone``, to the user who called sudo.

    Only what root owns changes hands. It is done by file descriptors that never follow a symbolic link, and a file with
    several names is left as it is: one of them may be another user's. Without root nothing is to do: the user
    namespace maps the sandbox's root to the caller. Raises RaftmonError if the owner cannot be changed.
    """
    if os.geteuid() != 0 or "SUDO_UID" not in os.environ or not _really_root():
        return
    uid, gid = int(os.environ["SUDO_UID"]), int(os.environ.get("SUDO_GID", "-1"))
    try:
        parent = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise RaftmonError(f"cannot give {path} to user {uid}, who called sudo: {error.strerror}") from error
    try:
        if not alone and stat.S_ISDIR(os.stat(path.name, dir_fd=parent, follow_symlinks=False).st_mode):
            top = os.open(path.name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
            try:
                for _, folders, files, here in os.fwalk(".", dir_fd=top, follow_symlinks=False):
                    for name in (*folders, *files):
                        _give(name, here, uid, gid)
            finally:
                os.close(top)
        _give(path.name, parent, uid, gid)
    except FileNotFoundError:
        return  # removed meanwhile
    except OSError as error:
        raise RaftmonError(f"cannot give {path} to user {uid}, who called sudo: {error.strerror}") from error
    finally:
        os.close(parent)


def _give(name: str, folder: int, uid: int, gid: int) -> None:
    found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    shared = found.st_nlink > 1 and not stat.S_ISDIR(found.st_mode)
    if found.st_uid == 0 and not shared:
        os.chown(name, uid, gid, dir_fd=folder, follow_symlinks=False)


def _really_root() -> bool:
    """Root of the host, not of a user namespace (whose map has a single line that maps one user)."""
    return Path("/proc/self/uid_map").read_text().split() == ["0", "0", "4294967295"]
