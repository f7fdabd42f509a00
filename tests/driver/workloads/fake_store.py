"""A store in memory with every capability that workloads ask for; sequential, and honest."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from raftmon.adapters.base import Definite
from raftmon.adapters.capabilities import Granted, Taken


class FakeStore:
    """One client of a store; ``peer`` makes another."""

    def __init__(self, shared: FakeStore | None = None) -> None:
        self.data: dict[str, Any] = {} if shared is None else shared.data
        self.log: list[tuple[int, str, Any]] = [] if shared is None else shared.log
        self.locks: dict[str, int] = {} if shared is None else shared.locks
        self.leases: dict[int, set[str] | None] = {} if shared is None else shared.leases
        self.queues: dict[str, list[Any]] = {} if shared is None else shared.queues
        self.objects: dict[str, dict[str, Any]] = {} if shared is None else shared.objects
        self.events: list[dict[str, Any]] = [] if shared is None else shared.events
        self.past: dict[int, dict[str, Any]] = {} if shared is None else shared.past
        self.revision = 0

    def peer(self) -> FakeStore:
        return type(self)(self)

    def _put(self, key: str, value: Any, revision: int) -> None:
        self.data[key] = value
        self.log.append((revision, key, value))
        self.revision = revision

    def _next(self) -> int:
        return self.log[-1][0] + 1 if self.log else 2

    def read(self, key: str) -> Any:
        self.revision = max(self.revision, self._next() - 1)
        return self.data.get(key)

    def write(self, key: str, value: Any) -> None:
        self._put(key, value, self._next())

    def cas(self, key: str, expected: Any, new: Any) -> None:
        found = self.data.get(key)
        if found != expected:
            raise Definite("another value", seen=found, has_seen=True)
        self._put(key, new, self._next())

    def read_local(self, key: str) -> Any:
        self.revision = self._next() - 1
        return self.read(key)

    def read_at(self, key: str, revision: int) -> Any:
        self.revision = self._next() - 1
        held = [value for at, name, value in self.log if at <= revision and name == key]
        return held[-1] if held else None

    def transact(self, expected: Mapping[str, Any], writes: Mapping[str, Any]) -> None:
        if any(self.data.get(key) != value for key, value in expected.items()):
            raise Definite("another value")
        revision = self._next()
        for key, value in writes.items():
            self._put(key, value, revision)

    def read_many(self, keys: Sequence[str]) -> dict[str, Any]:
        return {key: self.data.get(key) for key in keys}

    def acquire(self, name: str, ttl_s: float) -> int:
        if name in self.locks:
            raise Definite("another holds it")
        self.revision = self._next()
        self.locks[name] = self.revision
        self.log.append((self.revision, f"lock/{name}", 1))
        return self.revision

    def release(self, name: str, token: Any) -> None:
        if self.locks.pop(name, None) != token:
            raise Definite("not yours")
        self.revision = self._next()
        self.log.append((self.revision, f"lock/{name}", None))

    def write_held(self, key: str, value: Any, name: str, token: Any) -> None:
        if self.locks.get(name) != token:
            raise Definite("lost")
        self.write(key, value)

    def grant(self, ttl_s: int) -> Granted:
        self.leases[len(self.leases) + 1] = set()
        return Granted(len(self.leases), float(ttl_s))

    def keep_alive(self, lease: Any) -> float:
        if self.leases.get(lease) is None:
            raise Definite("gone", seen=0, has_seen=True)
        return 5.0

    def time_to_live(self, lease: Any) -> float:
        return -1.0 if self.leases.get(lease) is None else 1.0

    def revoke(self, lease: Any) -> None:
        for key in self._alive(lease):
            self.data.pop(key, None)
        self.leases[lease] = None

    def _alive(self, lease: Any) -> set[str]:
        keys = self.leases.get(lease)
        if keys is None:
            raise Definite("gone")
        return keys

    def write_leased(self, key: str, value: Any, lease: Any) -> None:
        self._alive(lease).add(key)
        self.write(key, value)

    def watch(self, prefix: str, from_revision: int, timeout_s: float) -> Iterator[tuple[int, str, Any]]:
        return (change for change in list(self.log) if change[0] >= from_revision and change[1].startswith(prefix))

    def enqueue(self, queue: str, value: Any) -> None:
        self.queues.setdefault(queue, []).append(value)

    def dequeue(self, queue: str, at_most_once: bool = False) -> Taken | None:
        waiting = self.queues.get(queue)
        return Taken(waiting.pop(0), False) if waiting else None

    def list_page(self, prefix: str, limit: int, revision: int, after: str) -> dict[str, Any]:
        newest = self.events[-1]["mod"] if self.events else 1
        rest = [dict(item) for key, item in sorted(self.objects.items()) if key.startswith(prefix) and key > after]
        return {"revision": newest, "items": rest[:limit], "more": len(rest) > limit}

    def change(self, key: str, expected: int, value: Any, lease: Any = 0) -> dict[str, Any]:
        before = self.objects.get(key)
        if (before["mod"] if before else 0) != expected or (before is None and value is None):
            raise Definite("another revision", seen=before, has_seen=True)
        revision = self.events[-1]["mod"] + 1 if self.events else 2
        if value is None:
            item = {"key": key, "value": None, "mod": revision, "create": 0, "version": 0}
            del self.objects[key]
        else:
            create, version = (before["create"], before["version"] + 1) if before else (revision, 1)
            item = {"key": key, "value": value, "mod": revision, "create": create, "version": version}
            self.objects[key] = item
        self.events.append({"type": "delete" if value is None else "put", **item, "previous": before})
        return {"revision": revision, "previous": before}

    def compact_at(self, revision: int) -> None:
        if not self.events or revision > self.events[-1]["mod"]:
            raise Definite("a future revision")

    def observe(
        self, prefix: str, from_revision: int, duration_s: float, *, without: str = ""
    ) -> Iterator[dict[str, Any]]:
        for event in list(self.events):
            if event["mod"] >= from_revision and without != f"no{event['type']}":
                yield {"revision": self.events[-1]["mod"], "events": [dict(event)]}
        yield {"revision": self.events[-1]["mod"] if self.events else 1, "events": []}

    def branch(
        self, comparisons: Sequence[Sequence[Any]], then: Sequence[Sequence[Any]], otherwise: Sequence[Sequence[Any]]
    ) -> dict[str, Any]:
        signs = {"=": operator.eq, "!": operator.ne, "<": operator.lt, ">": operator.gt}

        def holds(target: str, key: str, sign: str, operand: Any) -> bool:
            item = self.objects.get(key)
            if target == "value" and item is None:
                return False
            return bool(signs[sign]((item or {}).get(target, 0), operand))

        newest = self.events[-1]["mod"] if self.events else 1
        changed = [False]

        def taken(comparisons: Any, then: Any, otherwise: Any) -> tuple[bool, Any, list[Any]]:
            """Whether they hold, the steps to take, and the same of each transaction inside, all before any step."""
            succeeded = all(holds(*each) for each in comparisons)
            steps = then if succeeded else otherwise
            return succeeded, steps, [taken(*each[1:]) for each in steps if each[0] == "txn"]

        def do(plan: tuple[bool, Any, list[Any]]) -> list[Any]:
            inside, results = list(plan[2]), []
            for step in plan[1]:
                if step[0] == "txn":
                    inner = inside.pop(0)
                    results.append({"succeeded": inner[0], "results": do(inner)})
                else:
                    results.append(self._carry_out(step, newest, changed))
            return results

        plan = taken(comparisons, then, otherwise)
        results = do(plan)
        if changed[0]:
            self.events.append({"type": "put", "key": "", "mod": newest + 1})
            self.past[newest + 1] = {key: dict(item) for key, item in self.objects.items()}
        return {"revision": newest + changed[0], "succeeded": plan[0], "results": results}

    def _carry_out(self, step: Any, newest: int, changed: list[bool]) -> Any:
        kind, key, *more = step
        item = self.objects.get(key)
        if kind == "get":
            return item and dict(item)
        if kind == "get-at":
            return self.past.get(more[0], {}).get(key)
        if kind == "put":
            create, version = (item["create"], item["version"] + 1) if item else (newest + 1, 1)
            self.objects[key] = {"key": key, "value": more[0], "mod": newest + 1, "create": create, "version": version}
            changed[0] = True
            return None
        within = [name for name in sorted(self.objects) if (key <= name < more[0] if more else name == key)]
        if kind == "range":
            return [dict(self.objects[name]) for name in within]
        for name in within:
            del self.objects[name]
        changed[0] |= bool(within)
        return len(within)
