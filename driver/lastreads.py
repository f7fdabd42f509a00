"""The last phase of a register run: after the heal, every key is read once through every node.

A write that was acknowledged and lost would otherwise only show if some client happened to read its key again.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from adapters.base import Adapter, Definite
from driver.config import RunConfig
from driver.history import event_line
from setup.topology import Host, Topology

__all__ = ["FIRST_PROCESS", "read_everything"]

FIRST_PROCESS = 1_000_000_000
"""Process ids of these reads begin here, out of the way of every client's."""


def read_everything(adapter: Adapter, topology: Topology, config: RunConfig, keys: list[str], history: Path) -> None:
    """Append one read a node and key to ``history``, as events of processes of their own."""

    def one_node(number: int, node: Host) -> list[bytes]:
        lines: list[bytes] = []
        process = FIRST_PROCESS + number
        client = adapter.connect(node, config.op_timeout_s)
        try:
            for key in keys:
                lines.append(
                    event_line(time.monotonic_ns(), process, "invoke", "read", key, None, node=node.name, host="driver")
                )
                try:
                    value = client.read(key)
                    lines.append(event_line(time.monotonic_ns(), process, "ok", "read", key, value))
                except Exception as error:  # a read that failed did nothing, however it failed
                    text = str(error) if isinstance(error, Definite) else f"{type(error).__name__}: {error}"
                    lines.append(event_line(time.monotonic_ns(), process, "fail", "read", key, None, error=text))
        finally:
            client.close()
        return lines

    if not topology.nodes:
        return
    with ThreadPoolExecutor(max_workers=len(topology.nodes)) as pool:
        blocks = list(pool.map(one_node, range(len(topology.nodes)), topology.nodes))
    with history.open("ab") as file:
        file.write(b"".join(line for block in blocks for line in block))
