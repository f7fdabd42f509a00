"""A store in memory with every capability that workloads ask for; sequential, and honest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from raftmon.adapters.base import Definite
from raftmon.adapters.capabilities import Granted


class FakeStore:
    """One client of a store; ``peer`` makes another."""

    def __init__(self, shared: FakeStore | None = None) -> None:
        self.data: dict[str, Any] = {} if shared is None else shared.data
        self.log: list[tuple[int, str, Any]] = [] if shared is None else shared.log
        self.locks: dict[str, int] = {} if shared is None else shared.locks
        self.leases: dict[int, set[str]] = {} if shared is None else shared.leases
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
        return self.data.get(key)

    def write(self, key: str, value: Any) -> None:
        self._put(key, value, self._next())

    def cas(self, key: str, expected: Any, new: Any) -> None:
        found = self.data.get(key)
        if found != expected:
            raise Definite("another value", seen=found, has_seen=True)
        self._put(key, new, self._next())

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

    def grant(self, ttl_s: int) -> Granted:
        self.leases[len(self.leases) + 1] = set()
        return Granted(len(self.leases), float(ttl_s))

    def keep_alive(self, lease: Any) -> float:
        if lease not in self.leases:
            raise Definite("gone", seen=0, has_seen=True)
        return 5.0

    def revoke(self, lease: Any) -> None:
        for key in self.leases[lease]:
            self.data.pop(key, None)
        self.leases[lease] = set()

    def write_leased(self, key: str, value: Any, lease: Any) -> None:
        self.leases[lease].add(key)
        self.write(key, value)

    def watch(self, prefix: str, from_revision: int, timeout_s: float) -> Iterator[tuple[int, str, Any]]:
        return (change for change in list(self.log) if change[0] >= from_revision and change[1].startswith(prefix))
