"""What a Kubernetes API server asks of etcd: controllers, informers and a compactor on one set of objects.

- *controllers* list the objects in pages at one revision, create what is not there, update and delete by the mod
  revision that they know, put a share of the objects under leases, and learn from a refusal what the revision is;
- *informers* list, watch from behind that revision with previous values and bookmarks (every fifth with a filter), end
  the session and resume it behind what they were told; where their start has been compacted they list again;
- the *compactor* compacts to the revision that it saw the time before, every ``compact_s``.

After etcd's robustness tests (traffic ``Kubernetes``) and the API server's own storage.
"""

from __future__ import annotations

from random import Random
from typing import Any

from raftmon.adapters.capabilities import Lease
from raftmon.adapters.versioned import Objects
from raftmon.driver.histories.operation import Outcome
from raftmon.driver.workloads.base import Call, OperationResult, ThreadPlan
from raftmon.setup.errors import InputError

__all__ = ["KubernetesWorkload"]

PREFIX = "/registry/pods/"
_TTL_S = 5


class KubernetesWorkload:
    """``objects`` names, lists in pages of ``page``, watches of ``session_s``, compaction every ``compact_s``."""

    name = "kubernetes"
    needs: tuple[type, ...] = (Objects, Lease)

    def __init__(
        self,
        *,
        objects: int = 12,
        page: int = 5,
        session_s: float = 1.0,
        compact_s: float = 2.0,
        leased: float = 0.1,
    ) -> None:
        if objects < 1 or page < 1:
            raise InputError("the workload kubernetes needs at least 1 object, and pages of at least 1")
        if not 0.05 <= session_s <= 60 or not 0.05 <= compact_s <= 3600 or not 0 <= leased <= 1:
            raise InputError("kubernetes: session_s is 0.05 to 60, compact_s 0.05 to 3600, leased 0 to 1")
        self._parameters = {
            "objects": objects,
            "page": page,
            "session_s": session_s,
            "compact_s": compact_s,
            "leased": leased,
        }
        self._objects, self._page, self._leased = objects, page, leased
        self._session_s, self._compact_s = session_s, compact_s

    def parameters(self) -> dict[str, Any]:
        """All of them."""
        return dict(self._parameters)

    def slot(self, slot: int, slots: int, random: Random) -> ThreadPlan:
        """The first slot compacts where there are three or more; of the others, every second one watches."""
        if slots >= 3 and slot == 0:
            return Compactor()
        if slot % 2 == 0 and slots > 1:
            return Informer(random)
        return Controller(slot, slots, random, self._objects, self._leased)

    def last_calls(self) -> list[Call]:
        """A list through every node."""
        return [Call("list", None, None)]

    def pause_ms(self, call: Call) -> float:
        """The compactor waits between its rounds."""
        return self._compact_s * 1000 if call.f == "compact" else 0.0

    def perform(self, client: Any, call: Call) -> Any:
        """Do one call."""
        if call.f == "list":
            return self._list(client)
        if call.f == "observe":
            given = call.value
            session = client.observe(PREFIX, given["start_revision"], self._session_s, without=given["without"])
            return OperationResult(list(session), dict(given))
        if call.f == "compact":
            client.compact_at(call.value)
            return call.value
        expected, leased = call.given
        granted = client.grant(_TTL_S).lease if leased and call.value is not None else 0
        done = client.change(call.key, expected, call.value, granted)
        return OperationResult(call.value, {**done, "expected": expected, "leased": leased})

    def _list(self, client: Any) -> OperationResult:
        """All pages at the revision of the first."""
        items: list[Any] = []
        revisions: list[int] = []
        after = ""
        while True:
            page = client.list_page(PREFIX, self._page, revisions[0] if revisions else 0, after)
            revisions.append(page["revision"])
            items += page["items"]
            if not page["more"]:
                return OperationResult(items, {"revision": revisions[0], "pages": revisions})
            after = items[-1]["key"]


class Compactor:
    """List, then compact to the revision that was listed the time before."""

    def __init__(self) -> None:
        self._seen: list[int] = []
        self._compact = False

    def next(self) -> Call:
        """One and the other by turns."""
        if self._compact and len(self._seen) == 2:
            return Call("compact", None, self._seen[0])
        return Call("list", None, None)

    def observe(self, call: Call, outcome: Outcome, result: Any) -> None:
        """Remember two revisions."""
        self._compact = call.f == "list" and outcome is Outcome.OK
        if self._compact:
            newest = max((item["mod"] for item in result or ()), default=0)
            if newest and (not self._seen or newest > self._seen[-1]):
                self._seen = [*self._seen, newest][-2:]


class Informer:
    """List, watch, resume; list again where the watch was refused."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._from = 0

    def next(self) -> Call:
        """A list until a revision is known, then sessions; one in twelve starts at a past or future revision."""
        filtered, elsewhere = self._random.random(), self._random.random()
        if not self._from:
            return Call("list", None, None)
        start = self._from
        if elsewhere < 1 / 12:
            start = max(1, start + (20 if elsewhere < 1 / 24 else -20))
        without = "" if filtered >= 0.2 else "noput" if filtered < 0.1 else "nodelete"
        return Call("observe", None, {"start_revision": start, "without": without})

    def observe(self, call: Call, outcome: Outcome, result: Any) -> None:
        """Go on behind what was told."""
        if call.f == "list":
            if outcome is Outcome.OK:
                self._from = max((item["mod"] for item in result or ()), default=0) + 1
            return
        if outcome is not Outcome.OK:
            self._from = 0
            return
        told = [event["mod"] for response in result or () for event in response["events"]]
        if call.value["start_revision"] == self._from and not call.value["without"]:
            self._from = max([self._from - 1, *told]) + 1


class Controller:
    """Creates, updates and deletes by what it knows."""

    def __init__(self, slot: int, slots: int, random: Random, objects: int, leased: float) -> None:
        self._random = random
        self._objects, self._leased = objects, leased
        self._next_value, self._slots = slot + 1, slots
        self._known: dict[str, int] = {}

    def next(self) -> Call:
        """One list in ten; else a change of some object."""
        kind, which = self._random.random(), self._random.randrange(self._objects)
        if kind < 0.1:
            return Call("list", None, None)
        leased = which < self._objects * self._leased
        key = f"{PREFIX}{'event' if leased else 'pod'}-{which}"
        known = self._known.get(key, 0)
        if known and kind < 0.35:
            return Call("delete", key, None, (known, leased))
        value = self._next_value
        self._next_value += self._slots
        return Call("update" if known else "create", key, value, (known, leased))

    def observe(self, call: Call, outcome: Outcome, result: Any) -> None:
        """Learn mod revisions from lists, and from what a refused change saw; after a change, look again."""
        if call.f == "list":
            if outcome is Outcome.OK:
                self._known = {item["key"]: item["mod"] for item in result or ()}
            return
        if outcome is Outcome.FAIL and isinstance(result, dict):
            self._known[call.key] = result["mod"]
        else:
            self._known.pop(call.key, None)
