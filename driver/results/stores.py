"""What the nodes said of their stores after the heal: the verdict on it, and the words."""

from __future__ import annotations

from collections.abc import Sequence

from raftmon.driver.checkers.base import Result
from raftmon.driver.checkers.safe import check_safely
from raftmon.driver.checkers.stores_agree import StoresAgree
from raftmon.driver.histories.formats import read_history
from raftmon.driver.run_folder import STORES, RunFolder

__all__ = ["store_words", "stores_result"]


def stores_result(folder: RunFolder, nodes: Sequence[str]) -> list[Result]:
    """The verdict on the hashes that the nodes were asked for; nothing if they were not."""
    path = folder.path / STORES
    if not path.exists():
        return []
    return [check_safely(StoresAgree(nodes), read_history(path))]


def store_words(folder: RunFolder) -> dict[str, str]:
    """Each node's hash and revision in words; empty if none was asked."""
    path = folder.path / STORES
    if not path.exists():
        return {}
    return {
        one.node: f"hash {one.value.get('hash')} at revision {one.value.get('revision')}"
        for one in read_history(path)
        if one.node is not None and isinstance(one.value, dict)
    }
