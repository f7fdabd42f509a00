"""What nodes say of themselves while a run lasts, as events: the other side of what the wire shows.

A node that was cut off may go on saying that it leads; ``raftmon timeline`` shows both views beside each other.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from types import TracebackType

from raftmon.adapters.capabilities import Leadership
from raftmon.setup.eventlog import EventLog

__all__ = ["POLL_S", "StatusPoller", "changes"]

POLL_S = 0.5
ANSWER_S = 0.4
"""How long a node may take: what does not answer within it (a paused node) counts as saying nothing."""

Views = Mapping[str, Leadership | None]


def changes(before: Views, now: Views) -> dict[str, Leadership | None]:
    """The nodes whose word changed, with what they say now; None is silence. A node not in ``now`` is silent."""
    names = dict.fromkeys((*before, *now))
    return {name: now.get(name) for name in names if before.get(name) != now.get(name)}


class StatusPoller:
    """A context manager: inside it a thread asks every POLL_S and logs an event ``status`` for each change.

    ``ask`` takes a time limit in seconds and gives each living node's word (``Cluster.statuses``). An event has
    ``node``, ``term`` and ``role`` (leader or follower); of one that answers no more, ``role`` silent alone.
    """

    def __init__(self, ask: Callable[[float], Views], log: EventLog, poll_s: float = POLL_S) -> None:
        self._ask = ask
        self._log = log
        self._poll_s = poll_s
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="status", daemon=True)

    def __enter__(self) -> StatusPoller:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        before: Views = {}
        while True:
            try:
                now = self._ask(ANSWER_S)
            except Exception as error:  # the run does not depend on it
                self._log.warning("status unknown", error=f"{type(error).__name__}: {error}")
                now = {}
            for node, view in changes(before, now).items():
                if view is None:
                    self._log.info("status", node=node, role="silent")
                else:
                    self._log.info("status", node=node, term=view.term, role="leader" if view.leads else "follower")
            before = now
            if self._over.wait(self._poll_s):
                return
