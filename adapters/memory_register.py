"""The register behind the ``memory`` system: the truth, and enough of the past to lie about it."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import Any

__all__ = ["MARGIN_NS", "Register", "Version"]

KEPT = 64  # versions a key remembers
# A writer learns of its answer a little after we note it. Versions nearer than this count as concurrent.
MARGIN_NS = 20_000_000
_NEVER = 2**63 - 1


@dataclass(slots=True)
class Version:
    """One value a key had. Times are CLOCK_MONOTONIC ns; ``answered_ns`` is far off until the writer was told."""

    value: Any
    called_ns: int
    answered_ns: int = _NEVER


class Register:
    """Many keys, one lock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._versions: dict[str, deque[Version]] = {}

    def _of(self, key: str) -> deque[Version]:
        return self._versions.setdefault(key, deque([Version(None, 0, 0)], maxlen=KEPT))

    def read(self, key: str) -> Any:
        """What the key holds now."""
        with self._lock:
            return self._of(key)[-1].value

    def write(self, key: str, value: Any, called_ns: int) -> Version:
        """Set it."""
        with self._lock:
            version = Version(value, called_ns)
            self._of(key).append(version)
            return version

    def cas(self, key: str, expected: Any, new: Any, called_ns: int) -> tuple[Version | None, Any]:
        """Set it if it holds ``expected``: the version made (None if not) and what was there."""
        with self._lock:
            versions = self._of(key)
            seen = versions[-1].value
            if seen != expected:
                return None, seen
            version = Version(new, called_ns)
            versions.append(version)
            return version, seen

    def stale(self, key: str, before_ns: int) -> Version | None:
        """The newest version that certainly was replaced before ``before_ns``: no order of events makes it right.

        Certain means: some later version was called for after this one was answered, and was itself answered by then.
        """
        with self._lock:
            versions = self._of(key)
            for older in range(len(versions) - 2, -1, -1):
                ended_ns = versions[older].answered_ns
                for newer in range(older + 1, len(versions)):
                    if versions[newer].called_ns > ended_ns and versions[newer].answered_ns < before_ns:
                        return versions[older]
            return None
