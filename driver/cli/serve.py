"""``raftmon serve``: the store in a browser, on this machine."""

from __future__ import annotations

import argparse
import contextlib
import secrets
import socket
import threading
import time

import psutil
import uvicorn

from raftmon.driver.cli.arguments import CommandParser
from raftmon.driver.serve.app import application
from raftmon.setup.errors import InputError

__all__ = ["main", "parser"]

_GRACE_S = 3.0  # a page that looks every two seconds learns that the run is over


def parser() -> CommandParser:
    """The options of ``raftmon serve``."""
    made = CommandParser(
        "serve",
        "Show the store in a browser: runs with their verdicts, filters, two runs side by side, reports, files, one "
        "zip a run, SQL over a run's records. It listens on loopback unless you give --host, and answers only with "
        "the token in the address that it prints. /live is the newest live run: its page grows, its buttons do what "
        "`raftmon ctl` can. Nothing else is written.",
        "raftmon serve\nraftmon serve --store /data/store --port 8080",
    )
    made.add_store()
    made.add_argument("--port", type=int, default=0, metavar="N", help="the port (default: any that is free)")
    made.add_argument(
        "--host", default="127.0.0.1", metavar="ADDRESS", help="the address to listen on (default: 127.0.0.1)"
    )
    made.add_argument("--token", metavar="TEXT", help="the token (default: random)")
    made.add_argument(
        "--while-pid",
        type=int,
        metavar="PID",
        help="print the address of the live run, and end soon after this process",
    )
    return made


def main(arguments: argparse.Namespace) -> int:
    """Serve until Ctrl-C."""
    if not arguments.store.is_dir():
        raise InputError(f"there is no store {arguments.store} yet: start a run with `raftmon run`, or name one")
    if not 0 <= arguments.port <= 65535:
        raise InputError(f"--port is {arguments.port}: give 0 to 65535")
    token = arguments.token or secrets.token_urlsafe(18)
    if len(token) < 8:
        raise InputError("--token is too short: give at least 8 characters")
    try:
        listening = socket.create_server((arguments.host, arguments.port), reuse_port=False)
    except OSError as error:
        raise InputError(
            f"cannot listen on {arguments.host}:{arguments.port} ({error.strerror}): give --port another"
        ) from error
    port = listening.getsockname()[1]
    page = "" if arguments.while_pid is None else "live"
    print(f"http://{arguments.host}:{port}/{page}?token={token}", flush=True)
    app = application(arguments.store, token, tuple({arguments.host, "127.0.0.1", "localhost"}))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off"))
    if arguments.while_pid is not None:
        threading.Thread(target=_end_after, args=(arguments.while_pid, server), daemon=True).start()
    server.run(sockets=[listening])
    return 0


def _end_after(pid: int, server: uvicorn.Server) -> None:
    """Ask the server to end once that process has ended and open pages have seen it."""
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.Process(pid).wait()
        time.sleep(_GRACE_S)
    server.should_exit = True
