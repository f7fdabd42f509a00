"""After the heal: does every node hold the same store? Each is asked for its hash at one revision."""

from __future__ import annotations

import time
from collections.abc import Sequence

from raftmon.adapters.base import Adapter
from raftmon.adapters.capabilities import Hash, capability
from raftmon.driver.checkers.base import Result
from raftmon.driver.checkers.safe import check_safely
from raftmon.driver.checkers.stores_agree import StoresAgree
from raftmon.driver.histories import read_history
from raftmon.driver.histories.event_writer import EventWriter
from raftmon.driver.run_folder import RunFolder
from raftmon.setup.topology import Host, Topology

__all__ = ["STORES", "ask_stores", "stores_result"]

STORES = "stores.jsonl"
_CATCH_UP_S = 10.0


def ask_stores(adapter: Adapter, topology: Topology, folder: RunFolder, timeout_s: float) -> None:
    """Ask every node for its revision, then for its hash at the newest of them, which slow ones must first reach.

    Nothing is asked of a system without the capability Hash.
    """
    hashes = capability(adapter, Hash)
    if hashes is None or not topology.nodes:
        return
    revision = max((_newest(hashes, node, timeout_s) for node in topology.nodes), default=0)
    if not revision:
        return
    events = EventWriter(folder.path / STORES)
    try:
        for process, node in enumerate(topology.nodes):
            place = {"node": node.name, "host": "driver"}
            events.put(time.monotonic_ns(), process, "invoke", "store", None, None, place)
            found = _at(hashes, node, revision, timeout_s)
            kind, value = ("fail", None) if found is None else ("ok", {"revision": revision, "hash": found})
            events.put(time.monotonic_ns(), process, kind, "store", None, value, {})
    finally:
        events.close()


def _newest(hashes: Hash, node: Host, timeout_s: float) -> int:
    try:
        return hashes.hash_at(node, 0, timeout_s)[1]
    except Exception:  # a node that does not answer is asked again at the common revision, and noted then
        return 0


def _at(hashes: Hash, node: Host, revision: int, timeout_s: float) -> int | None:
    """The hash at a revision; asked again until the node has got there. None where it does not."""
    deadline = time.monotonic() + _CATCH_UP_S
    while True:
        try:
            return hashes.hash_at(node, revision, timeout_s)[0]
        except Exception:  # behind ("required revision is a future revision"), or not answering
            if time.monotonic() > deadline:
                return None
            time.sleep(0.1)


def stores_result(folder: RunFolder, nodes: Sequence[str]) -> list[Result]:
    """The verdict on what was asked; nothing where nothing was."""
    path = folder.path / STORES
    if not path.exists():
        return []
    return [check_safely(StoresAgree(nodes), read_history(path))]
