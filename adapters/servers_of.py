"""Which server binary an adapter is given: found, or installed into the cache, before any sandbox is entered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from raftmon.setup.servers import resolve

__all__ = ["with_server"]

_OF_SYSTEM = {
    "etcd": "etcd",
    "etcd-pre-vote": "etcd",
    "etcd-no-pre-vote": "etcd",
    "nats": "nats",
    "zookeeper": "zookeeper",
    "ovsdb": "ovsdb",
    "dqlite": "dqlite",
    "hashicorp-raft": "hashicorp-raft",
}


def with_server(system: str, spec: str | None, options: Mapping[str, Any]) -> dict[str, Any]:
    """The adapter's options with ``server`` set to a binary's path, where the system has one.

    ``spec`` is the user's (``etcd@3.5.1``, a path) or None for the default. Raises InputError if there is no such one.
    """
    result = dict(options)
    default = _OF_SYSTEM.get(system)
    if default is not None:
        result["server"] = str(resolve(spec or default).path)
    elif system == "pysyncobj" and spec is not None and "/" not in spec:
        result["server"] = str(resolve(spec).path.parents[1])  # a version of the library
    elif spec is not None:
        result["server"] = spec
    return result
