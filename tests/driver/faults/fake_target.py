"""A cluster that only remembers what was done to it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from setup.topology import Topology


class FakeTarget:
    def __init__(self, nodes: int = 3, leader: str | None = "n1") -> None:
        self.topology = Topology.star(nodes)
        self.rules: dict[str, list[str]] = {}
        self.log: list[str] = []
        self.dead: set[str] = set()
        self.leads = leader

    def leader(self) -> str | None:
        return self.leads

    def alive(self) -> list[str]:
        return [name for name in self.topology.node_names() if name not in self.dead]

    def add_rules(self, name: str, lines: Iterable[str]) -> None:
        self.rules[name] = list(lines)
        self.log.append(f"add {name}")

    def remove_rules(self, name: str) -> None:
        self.rules.pop(name)
        self.log.append(f"remove {name}")

    def kill(self, node: str) -> None:
        self.dead.add(node)
        self.log.append(f"kill {node}")

    def start(self, node: str) -> None:
        self.dead.discard(node)
        self.log.append(f"start {node}")

    def pause(self, node: str) -> None:
        self.log.append(f"pause {node}")

    def resume(self, node: str) -> None:
        self.log.append(f"resume {node}")

    def capability(self, kind: type) -> Any:
        return None
