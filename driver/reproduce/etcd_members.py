"""What several scenarios of etcd do: write under high load, and compare the members' own revisions."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from raftmon.adapters.etcd_api import EtcdApi, EtcdRefused
from raftmon.driver.reproduce.stage import Stage

__all__ = ["differing", "writers"]


@contextlib.contextmanager
def writers(stage: Stage, node: str, count: int, size: int = 0) -> Iterator[threading.Event]:
    """``count`` threads that write through ``node`` while the event is set; they end with the block."""
    open_, over = threading.Event(), threading.Event()
    threads = [
        threading.Thread(target=_write_while, args=(stage.etcd(node, 20.0), part, open_, over, size))
        for part in range(count)
    ]
    for thread in threads:
        thread.start()
    try:
        yield open_
    finally:
        over.set()
        open_.set()
        for thread in threads:
            thread.join()


def _write_while(api: EtcdApi, part: int, open_: threading.Event, over: threading.Event, size: int) -> None:
    """Put 100 keys of ``part`` again and again while ``open_`` is set, until ``over``; ``size`` bytes of padding."""
    number, padding = 0, "x" * size
    while not over.is_set():
        open_.wait()
        number += 1
        try:
            api.put(f"k{part}-{number % 100}", f"{number}{padding}")
        except EtcdRefused:
            continue


def differing(stage: Stage) -> str | None:
    """The members' revisions in words where they differ at one applied index, which is waited for; else None."""
    found = stage.until(lambda: _revisions(stage), "every member at one applied index", 30.0)
    if len(set(found.values())) == 1:
        return None
    return ", ".join(f"{node} at revision {revision}" for node, revision in found.items())


def _revisions(stage: Stage) -> dict[str, int] | None:
    """Each member's own revision where all have applied the same index before and after; None otherwise."""
    try:
        apis = {node: stage.etcd(node) for node in stage.nodes}
        before = {node: api.status()["index"] for node, api in apis.items()}
        revisions = {node: api.local_revision() for node, api in apis.items()}
        after = {node: api.status()["index"] for node, api in apis.items()}
    except EtcdRefused:
        return None
    return revisions if before == after and len(set(after.values())) == 1 else None
