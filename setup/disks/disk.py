"""The driver's handle of a node's disk: mount it, cut its power, make it misbehave, unmount it.

Used inside the sandbox: the mount lives in its mount namespace and vanishes with it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import orjson

from raftmon.setup import sandbox
from raftmon.setup.disks.behaviour import Behaviour
from raftmon.setup.disks.entries import GRAVEYARD
from raftmon.setup.disks.pages import Cut
from raftmon.setup.errors import RaftmonError
from raftmon.setup.python import module_command

__all__ = ["NodeDisk", "why_not"]

_MOUNT_S = 15.0
_ANSWER_S = 30.0
_NOISE = "Ignoring invalid max threads value"  # libfuse 3.14 says so of its own default


def _control_folder() -> Path:
    """A short path (a socket's name has room for 107 bytes) that nobody else can write to: the sandbox's own /run."""
    return Path("/run") if sandbox.inside() else Path(tempfile.gettempdir())


def why_not() -> str | None:
    """None if a disk can be served here; otherwise what is missing, in words."""
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        return "/dev/fuse cannot be opened (load the kernel module fuse, or give the container the device)"
    try:
        import mfusepy  # noqa: F401
    except ImportError:
        return "the Python package mfusepy is missing"
    except OSError as error:
        return f"libfuse 3 is missing (Debian: apt-get install libfuse3-3): {error}"
    return None


class NodeDisk:
    """The disk under ``mount``; its files lie in the folder beside it that ends in ``.disk``, and are moved back by
    ``close``. Thread-safe.
    """

    def __init__(self, mount: Path, seed: str, *, any_sync_commits: bool = True) -> None:
        self.mount = mount
        self.backing = mount.with_name(f"{mount.name}.disk")
        self._control = _control_folder() / f"raftmon-disk-{mount.parent.name}-{mount.name}.sock"
        self._log = mount.with_name(f"{mount.name}.disk.log")
        self._config = {
            "backing": str(self.backing),
            "mount": str(mount),
            "control": str(self._control),
            "seed": seed,
            "any_sync_commits": any_sync_commits,
        }
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def open(self) -> None:
        """Mount it; files that lie at ``mount`` already are on it. Raises RaftmonError if it cannot be mounted."""
        if (reason := why_not()) is not None:
            raise RaftmonError(f"no disk of our own for {self.mount.name}: {reason}")
        self.mount.mkdir(parents=True, exist_ok=True)
        os.rename(self.mount, self.backing)
        self.mount.mkdir()
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                module_command("raftmon.setup.disks", orjson.dumps(self._config).decode()),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + _MOUNT_S
        while not os.path.ismount(self.mount):
            if self._process.poll() is not None or time.monotonic() > deadline:
                said = self._log.read_text(errors="replace").strip().splitlines()
                self.close()
                raise RaftmonError(f"the disk of {self.mount.name} did not come up: {said[-1] if said else 'no word'}")
            time.sleep(0.01)

    def cut(self, how: Cut | None = None) -> dict[str, Any]:
        """Take everything that was not synced; the node must be dead. Returns the receipt (``files``, ``entries``)."""
        chosen = how or Cut()
        return self._ask({"op": "cut", "keep": chosen.keep, "torn": chosen.torn})

    def behave(self, behaviour: Behaviour) -> None:
        """From the return on, this is how it behaves."""
        self._ask({"op": "behave", **behaviour.to_json()})

    def usage(self) -> dict[str, Any]:
        """Counters: ``used_bytes``, ``held_bytes``, ``synced``, ``failed``, ``delayed``, ``refused``."""
        return self._ask({"op": "usage"})

    def close(self) -> None:
        """Unmount it and put the files back to where the node had them."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._process = None
        if os.path.ismount(self.mount):
            subprocess.run(["umount", "--lazy", str(self.mount)], check=False, stderr=subprocess.DEVNULL)
        if self.backing.exists():
            with contextlib.suppress(OSError):
                shutil.rmtree(self.backing / GRAVEYARD, ignore_errors=True)
                self.mount.rmdir()
                os.rename(self.backing, self.mount)
        self._control.unlink(missing_ok=True)
        with contextlib.suppress(FileNotFoundError):
            if all(line.startswith(_NOISE) for line in self._log.read_text(errors="replace").splitlines()):
                self._log.unlink()

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        with self._lock, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(_ANSWER_S)
            try:
                connection.connect(str(self._control))
                connection.sendall(orjson.dumps(request) + b"\n")
                with connection.makefile("rb") as lines:
                    answer = orjson.loads(lines.readline() or b"null")
            except (OSError, orjson.JSONDecodeError) as error:
                raise RaftmonError(f"the disk of {self.mount.name} does not answer: {error}") from error
        if not answer or not answer["ok"]:
            raise RaftmonError(f"the disk of {self.mount.name}: {answer['error'] if answer else 'it ended'}")
        result: dict[str, Any] = answer["result"]
        return result
