"""The sandbox: new user (when not root), network, mount and pid namespaces that die as one.

``enter()`` re-executes the running command inside. It replaces this process, so the pid the user sees is the sandbox's
outer process: SIGKILL on it ends everything inside; SIGINT, SIGTERM and SIGHUP reach the command, once each.
"""

from __future__ import annotations

import os
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
    """The argument vector that runs ``argv`` in a sandbox of its own, for subprocess or exec."""
    return [sys.executable, "-I", "-S", sandbox_init.__file__, "--", *argv]


def enter(argv: Sequence[str] | None = None) -> None:
    """Return if inside a sandbox; else replace this process by ``argv`` (default: this very command) inside a new one.

    Call it before threads hold anything: exec ends them. The environment, the working directory and open standard
    streams pass through. Raises RaftmonError if Python cannot be executed; what the machine forbids is said by the
    sandbox itself, with exit status 70.
    """
    if inside():
        return
    command = sandboxed([sys.executable, *sys.orig_argv[1:]] if argv is None else argv)
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        os.execv(command[0], command)
    except OSError as error:
        raise RaftmonError(f"cannot execute {command[0]} to enter the sandbox: {error.strerror}") from error


def own_to_caller(path: Path) -> None:
    """Give ``path``, and all under it, to the user who called sudo.

    Without root nothing is to do: the user namespace maps the sandbox's root to the caller. Raises RaftmonError if the
    owner cannot be changed.
    """
    if os.geteuid() != 0 or "SUDO_UID" not in os.environ or not _really_root():
        return
    uid, gid = int(os.environ["SUDO_UID"]), int(os.environ.get("SUDO_GID", "-1"))
    try:
        os.chown(path, uid, gid, follow_symlinks=False)
        for folder, folders, files in os.walk(path):
            for name in (*folders, *files):
                os.chown(os.path.join(folder, name), uid, gid, follow_symlinks=False)
    except OSError as error:
        raise RaftmonError(f"cannot give {error.filename} to user {uid}, who called sudo: {error.strerror}") from error


def _really_root() -> bool:
    """Root of the host, not of a user namespace (whose map has a single line that maps one user)."""
    return Path("/proc/self/uid_map").read_text().split() == ["0", "0", "4294967295"]
