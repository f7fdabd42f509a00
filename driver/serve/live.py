"""A live run in the browser: the report's page that grows, and what ``raftmon ctl`` can do as buttons."""

from __future__ import annotations

import contextlib
import html
from pathlib import Path
from typing import Any

import orjson

from raftmon.driver.report.offline import embedded_json, web, whole_page
from raftmon.driver.run_folder import CONFIG, RunFolder
from raftmon.driver.serve.tail import RunTail
from raftmon.monitor.control.client import MonitorClient
from raftmon.setup.errors import InputError, RaftmonError

__all__ = ["CONTROLS", "LIVE_POLICY", "control", "live_page", "live_state", "newest_live"]

LIVE_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; connect-src 'self'; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
CONTROLS = {"add": str, "remove": str, "release": str, "deliver": int, "heal": None, "pause": None, "resume": None}
"""What may be asked of the monitor, with the type of its argument (None: it takes none)."""
_AUTHOR = "raftmon serve"


def newest_live(runs: list[dict[str, Any]]) -> str | None:
    """``NAME/TIME`` of the newest run that is live; ``runs`` are rows of ``select_runs``, oldest first."""
    for run in reversed(runs):
        if run["verdict"] == "live":
            return f"{run['name']}/{run['time']}"
    return None


def live_page(folder: RunFolder) -> str:
    """The page: the report's pictures, which ask for the story by themselves, and the buttons."""
    config = folder.load(CONFIG)
    nodes = config.get("nodes") if isinstance(config, dict) else None
    options = "".join(f"<option>{html.escape(str(name))}</option>" for name in sorted(nodes or {}))
    name = f"{folder.path.parent.name}/{folder.path.name}"
    return whole_page(
        f"{name}: live",
        f"<h1>{html.escape(name)}</h1>" + web("live.html").replace("@@NODES@@", options) + web("story.html"),
        styles=("report.css",),
        scripts=("axis.js", "leaders.js", "rows.js", "space.js", "story.js", "live_story.js", "live.js"),
        data=("story", embedded_json({"faults": [], "said": [], "events": [], "end": 1})),
        connects=True,
    )


def live_state(folder: RunFolder, tail: RunTail, since: int, epoch: str) -> bytes:
    """JSON: ``delta`` (see RunTail), ``live``, and of a live run the monitor's ``rules``, ``stats`` and ``held``."""
    state: dict[str, Any] = {"delta": tail.delta(since, epoch), "live": folder.is_live}
    if state["live"]:
        with contextlib.suppress(InputError, RaftmonError, OSError), _client(folder) as client:
            state |= {"rules": client.rules(), "stats": client.stats(), "held": client.held()}
    return orjson.dumps(state, default=str, option=orjson.OPT_NON_STR_KEYS)


def control(folder: RunFolder, request: Any) -> Any:
    """Do ``{"operation": one of CONTROLS, "argument": ...}`` on the run's monitor; gives what it answers.

    The run's log names ``raftmon serve`` as the author. Raises InputError for anything else, or if no monitor runs.
    """
    operation = request.get("operation") if isinstance(request, dict) else None
    if operation not in CONTROLS:
        raise InputError(f"unknown operation {operation!r} (available: {', '.join(CONTROLS)})")
    wanted, argument = CONTROLS[operation], request.get("argument")
    if wanted is not None and (not isinstance(argument, wanted) or argument == ""):
        raise InputError(f"{operation} needs {'a number' if wanted is int else 'a text'} as its argument")
    if not folder.is_live:
        raise InputError("this run is over: rules can be changed only while it is live")
    with _client(folder) as client:
        method = getattr(client, operation)
        return method() if wanted is None else method(argument)


def _client(folder: RunFolder) -> MonitorClient:
    return MonitorClient(Path(folder.control_socket), _AUTHOR, timeout_s=5.0)
