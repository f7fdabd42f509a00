"""The disk of one node: ``python -m raftmon.setup.disks CONFIG`` with the configuration as JSON (see ``DiskConfig``).

It mounts, serves until SIGTERM, and answers JSON lines on its control socket: ``{"op": "cut", "keep": 0, "torn": 0}``,
``{"op": "behave", …}`` (fields of ``Behaviour``), ``{"op": "usage"}``. Everything is done when the answer comes.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
import threading
from pathlib import Path
from random import Random
from typing import Any

import orjson

from raftmon.setup.disks.behaviour import Behaviour, Injector
from raftmon.setup.disks.pages import Cut
from raftmon.setup.errors import EXIT_INTERNAL, RaftmonError

__all__ = ["main"]

_ENDED_BY_SIGNAL = 8  # what fuse_main returns when SIGTERM ended its loop (fuse.h, "fuse_main_real")


def _answer(filesystem: Any, injector: Injector, random: Random, request: dict[str, Any]) -> Any:
    match request.pop("op", None):
        case "cut":
            return filesystem.cut(Cut(float(request.get("keep", 0)), float(request.get("torn", 0))), random)
        case "behave":
            injector.set(Behaviour.from_json(request))
            return injector.behaviour.to_json()
        case "usage":
            return filesystem.usage()
        case other:
            raise RaftmonError(f"a disk has no operation {other!r}")


def _serve(listener: socket.socket, filesystem: Any, injector: Injector, random: Random) -> None:
    while True:
        connection, _ = listener.accept()
        with connection, connection.makefile("rwb") as lines:
            for line in lines:
                try:
                    answer = {"ok": True, "result": _answer(filesystem, injector, random, orjson.loads(line))}
                except Exception as error:  # the driver is told; the disk goes on
                    answer = {"ok": False, "error": f"{type(error).__name__}: {error}"}
                lines.write(orjson.dumps(answer) + b"\n")
                lines.flush()


def main(argv: list[str]) -> int:
    """Serve the disk until it is unmounted or told to end; 70 where it cannot be mounted."""
    config = orjson.loads(argv[0])
    logging.basicConfig(level=logging.ERROR)
    try:
        import mfusepy

        from raftmon.setup.disks.filesystem import DiskFilesystem
    except (ImportError, OSError) as error:  # mfusepy raises OSError where libfuse is missing
        print(f"raftmon disk: libfuse 3 is needed (Debian: libfuse3-3): {error}", file=sys.stderr)
        return EXIT_INTERNAL
    random = Random(config["seed"])
    injector = Injector(Random(f"{config['seed']} behaviour"))
    backing, mount, control = (Path(config[name]) for name in ("backing", "mount", "control"))
    filesystem = DiskFilesystem(backing, injector, any_sync_commits=config["any_sync_commits"])
    control.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(control))
    os.chmod(control, 0o600)
    listener.listen()
    threading.Thread(target=_serve, args=(listener, filesystem, injector, random), daemon=True).start()
    options = {"attr_timeout": 0, "entry_timeout": 0, "negative_timeout": 0, "hard_remove": True, "max_threads": 8}
    try:
        mfusepy.FUSE(filesystem, str(mount), foreground=True, fsname="raftmon-disk", **options)
    except RuntimeError as error:
        if str(error) == str(_ENDED_BY_SIGNAL):
            return 0
        print(f"raftmon disk: cannot mount {mount}: libfuse says {error}", file=sys.stderr)
        return EXIT_INTERNAL
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
