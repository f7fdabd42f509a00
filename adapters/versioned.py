"""Capabilities of stores that keep old versions, such as etcd: reads of the past, objects, transactions with branches.

As ``raftmon.adapters.capabilities``, looked for on what ``Adapter.connect`` returns.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

__all__ = ["Branches", "Objects", "PastReads"]


@runtime_checkable
class PastReads(Protocol):
    """Capability: reads at a past revision, and of one node's own store; both set ``Revision``."""

    def read_at(self, key: str, revision: int) -> Any:
        """The value at a revision. Definite where that is compacted, or yet to come."""

    def read_local(self, key: str) -> Any:
        """The value in the node's own store, which may be behind."""


@runtime_checkable
class Objects(Protocol):
    """Capability: objects as Kubernetes keeps them: pages, changes by mod revision, watches with previous values.

    An item is ``{"key", "value", "mod", "create", "version"}``, the last three revisions and the number of its changes.
    """

    def list_page(self, prefix: str, limit: int, revision: int, after: str) -> dict[str, Any]:
        """``{"revision", "items", "more"}``: at most ``limit`` items behind ``after``; revision 0 is the newest."""

    def change(self, key: str, expected: int, value: Any, lease: Any = 0) -> dict[str, Any]:
        """Put (None: delete) if the mod revision is ``expected``: ``{"revision", "previous"}``; otherwise Definite."""

    def compact_at(self, revision: int) -> None:
        """Throw away what is older than ``revision``."""

    def observe(
        self, prefix: str, from_revision: int, duration_s: float, *, without: str = ""
    ) -> Iterator[dict[str, Any]]:
        """``{"revision", "events"}`` of one watch; an event is an item with ``type`` and ``previous``; no events: all
        up to the revision was told. ``without`` is ``noput`` or ``nodelete``. Definite where the start is compacted.
        """


@runtime_checkable
class Branches(Protocol):
    """Capability: a transaction with comparisons and two branches."""

    def branch(
        self, comparisons: Sequence[Sequence[Any]], then: Sequence[Sequence[Any]], otherwise: Sequence[Sequence[Any]]
    ) -> dict[str, Any]:
        """``{"revision", "succeeded", "results"}``. A comparison is [target, key, sign, operand]: value, version,
        create or mod; =, !, < or >. A step, and its result: [get, key] and [get-at, key, revision], an item
        (``Objects``) or None; [range, first, end], items; [put, key, value], None; [delete, key] and [delete-range,
        first, end], the number of keys removed; [txn, comparisons, then, otherwise], ``{"succeeded", "results"}``.
        """
