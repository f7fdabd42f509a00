"""How a disk misbehaves: which calls are slow, fail or find no room (pure: a value that is swapped whole)."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from random import Random
from typing import Any

from raftmon.setup.errors import InputError

__all__ = ["OPERATIONS", "Behaviour", "Injector"]

OPERATIONS = ("read", "write", "fsync")


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What the disk does from now on. Times are in milliseconds, sizes in bytes, chances from 0 to 1.

    ``read_ms``, ``write_ms``, ``fsync_ms`` are added to each such call, ``jitter_ms`` more at random (uniform).
    ``fail`` names calls that end in EIO with chance ``fail_chance``; ``fail_count`` bounds how many (0: no bound).
    ``full_bytes``: writes that would let the files' sizes sum up to more end in ENOSPC (None: never).
    """

    read_ms: float = 0.0
    write_ms: float = 0.0
    fsync_ms: float = 0.0
    jitter_ms: float = 0.0
    fail: tuple[str, ...] = ()
    fail_chance: float = 1.0
    fail_count: int = 0
    full_bytes: int | None = None

    def to_json(self) -> dict[str, Any]:
        """The value as JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> Behaviour:
        """The value again. Raises InputError for a field or a call that does not exist."""
        known = {one.name for one in fields(cls)}
        if unknown := sorted(set(given) - known):
            raise InputError(f"a disk has no property {unknown[0]!r} (available: {', '.join(sorted(known))})")
        values = {**given, "fail": tuple(given.get("fail", ()))}
        for name in values["fail"]:
            if name not in OPERATIONS:
                raise InputError(f"a disk cannot fail {name!r} (available: {', '.join(OPERATIONS)})")
        return cls(**values)


class Injector:
    """Decides, call by call, under the behaviour in force; counts what it did."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self.behaviour = Behaviour()
        self.failed = 0
        self.delayed = 0
        self.refused = 0
        self._left = 0

    def set(self, behaviour: Behaviour) -> None:
        """From now on this is how the disk behaves; the counters go on."""
        self.behaviour = behaviour
        self._left = behaviour.fail_count

    def pause_s(self, operation: str) -> float:
        """How long the call is to wait, in seconds; 0 if it is not slowed."""
        base_ms: float = getattr(self.behaviour, f"{operation}_ms")
        if base_ms <= 0:
            return 0.0
        self.delayed += 1
        return (base_ms + self._random.random() * self.behaviour.jitter_ms) / 1000

    def error(self, operation: str) -> int | None:
        """The errno the call ends in, None if it does not fail."""
        now = self.behaviour
        if operation not in now.fail or (now.fail_count and self._left <= 0):
            return None
        if now.fail_chance < 1 and self._random.random() >= now.fail_chance:
            return None
        self._left -= 1
        self.failed += 1
        return errno.EIO

    def has_room(self, used_bytes: int, more_bytes: int) -> bool:
        """Whether the disk can take ``more_bytes`` beside the ``used_bytes`` there are."""
        limit = self.behaviour.full_bytes
        if limit is None or more_bytes <= 0 or used_bytes + more_bytes <= limit:
            return True
        self.refused += 1
        return False
