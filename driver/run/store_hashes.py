"""After the heal: does every node hold the same store? Each is asked for its hash at one revision."""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from raftmon.adapters.base import Adapter
from raftmon.adapters.capabilities import Hash, Inspect, capability
from raftmon.driver.checkers.stores_agree import differing_keys
from raftmon.driver.histories.event_writer import EventWriter
from raftmon.driver.run_folder import STORES, RunFolder
from raftmon.setup.errors import RaftmonError
from raftmon.setup.topology import Host, Topology

__all__ = ["Digest", "ask_stores", "stored"]

_CATCH_UP_S = 10.0
_PAGE_KEYS = 10_000
_MOST_KEYS = 5_000_000  # of a node, that are compared one by one


def ask_stores(adapter: Adapter, topology: Topology, folder: RunFolder, timeout_s: float) -> None:
    """Ask every node for its hash at the newest revision of all, which slow ones must first reach.

    Where the nodes have applied the same log index, none is slow: one that is at another revision will stay there, and
    is asked for what it has. Where hashes or revisions differ, the first keys that do are fetched and recorded. Nothing
    is asked of a system that has neither the capability Hash nor Inspect.
    """
    hashes, inspect = capability(adapter, Hash), capability(adapter, Inspect)
    if hashes is None and inspect is not None:
        hashes = Digest(inspect)
    if hashes is None or not topology.nodes:
        return
    applied = {} if inspect is None else _applied(inspect, topology.nodes, timeout_s)
    newest = {node.name: _newest(hashes, node, timeout_s) for node in topology.nodes}
    revision = max(newest.values(), default=0)
    if not revision:
        return
    alike = len(applied) == len(topology.nodes) and len(set(applied.values())) == 1
    found: dict[str, dict[str, Any] | None] = {}
    calls: dict[str, int] = {}
    for node in topology.nodes:
        calls[node.name] = time.monotonic_ns()
        wanted = (newest[node.name] or revision) if alike else revision
        digest = _at(hashes, node, wanted, timeout_s)
        if digest is None and newest[node.name]:  # it has not caught up: what it has, with how far it got
            wanted = _newest(hashes, node, timeout_s)
            digest = _at(hashes, node, wanted, timeout_s) if wanted and node.name in applied else None
        found[node.name] = None if digest is None else {"revision": wanted, "hash": digest}
        if digest is not None and inspect is not None:
            index = applied[node.name] if alike else inspect.applied_index(node, timeout_s)
            found[node.name] |= {} if index is None else {"applied": index}  # type: ignore[operator]
    answers = {name: value for name, value in found.items() if value is not None}
    if inspect is not None and len({(value["revision"], value["hash"]) for value in answers.values()}) > 1:
        _add_keys(inspect, [node for node in topology.nodes if node.name in answers], answers, timeout_s)
    _record(folder, topology, calls, found)


def _record(
    folder: RunFolder, topology: Topology, calls: dict[str, int], found: dict[str, dict[str, Any] | None]
) -> None:
    events = EventWriter(folder.path / STORES)
    try:
        for process, node in enumerate(topology.nodes):
            value = found[node.name]
            place = {"node": node.name, "host": "driver"}
            events.put(calls[node.name], process, "invoke", "store", None, None, place)
            events.put(time.monotonic_ns(), process, "fail" if value is None else "ok", "store", None, value, {})
    finally:
        events.close()


def _applied(inspect: Inspect, nodes: Sequence[Host], timeout_s: float) -> dict[str, int]:
    """How far each node that answers has applied its log; waits until they are equally far, as long as it may take."""
    deadline = time.monotonic() + _CATCH_UP_S
    while True:
        told = {node.name: inspect.applied_index(node, timeout_s) for node in nodes}
        known = {name: index for name, index in told.items() if index is not None}
        if (len(known) == len(nodes) and len(set(known.values())) == 1) or time.monotonic() > deadline:
            return known
        time.sleep(0.1)


def _add_keys(inspect: Inspect, nodes: Sequence[Host], answers: dict[str, dict[str, Any]], timeout_s: float) -> None:
    """Put the first keys that differ into each node's answer; nothing where a node stops telling what it holds."""
    with contextlib.suppress(Exception):  # a node that does not tell its keys has told its hash
        stores = {node.name: stored(inspect, node, timeout_s) for node in nodes}
        for name, keys in differing_keys(stores).items():
            answers[name]["keys"] = keys


def stored(inspect: Inspect, node: Host, timeout_s: float) -> Iterator[tuple[str, Any]]:
    """What a node holds, page by page, in the order of its keys. Raises what the system's adapter raises."""
    after, told = "", 0
    while told < _MOST_KEYS:
        page = inspect.contents(node, _PAGE_KEYS, timeout_s, after)
        yield from page.items()
        told += len(page)
        last = max(page, default="")
        if len(page) < _PAGE_KEYS or last <= after:
            return
        after = last


class Digest:
    """``Hash`` for a system that has none but tells what its nodes hold: the digest of it, at the applied index."""

    def __init__(self, inspect: Inspect) -> None:
        self._inspect = inspect

    def hash_at(self, node: Host, revision: int, timeout_s: float) -> tuple[int, int]:
        """(digest, applied index). Raises RaftmonError if the node is at another index, or moved while it was read."""
        before = self._inspect.applied_index(node, timeout_s)
        digest = hashlib.blake2b(digest_size=8)
        for entry in stored(self._inspect, node, timeout_s):
            digest.update(orjson.dumps(entry, option=orjson.OPT_APPEND_NEWLINE))
        if before is None or self._inspect.applied_index(node, timeout_s) != before or revision not in (0, before):
            raise RaftmonError(f"{node.name} is not at index {revision}, or did not stay there")
        return int.from_bytes(digest.digest()), before


def _newest(hashes: Hash, node: Host, timeout_s: float) -> int:
    try:
        return hashes.hash_at(node, 0, timeout_s)[1]
    except Exception:  # a node that does not answer is asked again at the common revision, and noted then
        return 0


def _at(hashes: Hash, node: Host, revision: int, timeout_s: float) -> int | None:
    """The hash at a revision; asked again until the node has got there. None if it does not."""
    deadline = time.monotonic() + _CATCH_UP_S
    while True:
        try:
            return hashes.hash_at(node, revision, timeout_s)[0]
        except Exception:  # behind ("required revision is a future revision"), or not answering
            if time.monotonic() > deadline:
                return None
            time.sleep(0.1)
