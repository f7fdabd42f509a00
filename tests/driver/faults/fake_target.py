"""A cluster that only remembers what was done to it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from raftmon.driver.cluster.leadership import WIRE, LeaderSeen
from raftmon.setup.disks.behaviour import Behaviour
from raftmon.setup.disks.pages import Cut
from raftmon.setup.topology import Host, Topology


class FakeSystem:
    """A system whose members are a list, and whose log is one file a node."""

    def __init__(self, topology: Topology) -> None:
        self.names = {host.name: host.name for host in topology.nodes}
        self.refusals: list[Exception] = []
        self.log: list[str] = []

    def members(self, through: Host, timeout_s: float) -> dict[str, str]:
        return dict(self.names)

    def add_member(self, through: Host, node: Host, timeout_s: float) -> None:
        if self.refusals:
            raise self.refusals.pop(0)
        self.names[node.name] = node.name

    def remove_member(self, through: Host, node: Host, timeout_s: float) -> None:
        if self.refusals:
            raise self.refusals.pop(0)
        del self.names[node.name]

    def compact(self, node: Host, timeout_s: float) -> str:
        self.log.append("compact")
        return f"{node.name} compacted"

    def defragment(self, node: Host, timeout_s: float) -> str:
        self.log.append("defragment")
        return f"{node.name} defragmented"

    def snapshot(self, node: Host, timeout_s: float) -> str:
        self.log.append("snapshot")
        return f"{node.name} saved a snapshot"

    def move_leader(self, leader: Host, to: Host, timeout_s: float) -> str:
        self.log.append("move leader")
        return f"{leader.name} to {to.name}"

    def log_files(self, data: Path) -> list[Path]:
        return sorted(data.glob("*.wal"))


class FakeDisk:
    """A disk that remembers; n1's loses something at a power cut, the others nothing."""

    def __init__(self, name: str, log: list[str]) -> None:
        self.name, self.log, self.behaviour = name, log, Behaviour()
        self.calls = 0

    def cut(self, how: Cut) -> dict[str, Any]:
        self.log.append(f"cut {self.name} keep {how.keep:g} torn {how.torn:g}")
        files = [{"name": "wal", "lost_bytes": 1234, "before": 9000, "after": 7766}] if self.name == "n1" else []
        return {"files": files, "entries": ["snap created"] if self.name == "n1" else []}

    def behave(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self.log.append(f"{self.name} {'healthy' if behaviour == Behaviour() else 'ill'}")

    def usage(self) -> dict[str, int]:
        return {"used_bytes": 1_000_000, "failed": self.calls, "delayed": 0, "refused": 0}


class FakeTarget:
    def __init__(self, nodes: int = 3, leader: str | None = "n1") -> None:
        self.topology = Topology.star(nodes)
        self.rules: dict[str, list[str]] = {}
        self.log: list[str] = []
        self.dead: set[str] = set()
        self.leads = leader
        self.joined: list[str] = []
        self.folder: Path | None = None
        self.adapter: Any = None
        self.fires: list[dict[str, Any]] = []
        self.disks: dict[str, FakeDisk] = {}
        self.pids: dict[str, list[int]] = {}
        self.counts = (7, 5)
        self.still: set[str] = set()
        self.programs: dict[str, str] = {}

    def with_system(self, folder: Path, spares: int = 1) -> FakeSystem:
        """Let the cluster have members that can change, a spare host, and a log of 5000 bytes a node."""
        self.topology = self.topology.with_spares(spares)
        self.folder = folder
        self.adapter = FakeSystem(self.topology)
        self.adapter.log = self.log
        for node in self.topology.nodes:
            (folder / node.name).mkdir()
            (folder / node.name / "0.wal").write_bytes(bytes(range(1, 251)) * 20 + bytes(3000))
        return self.adapter

    def leader(self) -> str | None:
        return self.leads

    def find_leader(self) -> LeaderSeen | None:
        return LeaderSeen(self.leads, 1, WIRE) if self.leads else None

    def arm(self, trigger: str) -> str:
        self.log.append(f"arm {trigger}")
        return "t1"

    def armed(self, name: str) -> dict[str, Any]:
        """The states given in ``fires``, one after the other; the last one stays."""
        assert name == "t1"
        return self.fires.pop(0) if len(self.fires) > 1 else self.fires[0]

    def alive(self) -> list[str]:
        return [name for name in (*self.topology.node_names(), *self.joined) if name not in self.dead]

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

    def start_fresh(self, node: str, members: Sequence[str]) -> None:
        self.dead.discard(node)
        self.joined.append(node)
        self.log.append(f"start {node} fresh among {','.join(members)}")

    def log_folder(self, node: str) -> Path:
        assert self.folder is not None
        return self.folder / node

    def rule_counts(self, name: str) -> tuple[int, int]:
        return self.counts if name in self.rules else (0, 0)

    def upgrade(self, node: str, spec: str) -> None:
        self.log.append(f"upgrade {node} {spec}")
        self.programs[node] = spec

    def program(self, node: str) -> str | None:
        return None if node in self.dead else self.programs.get(node, "old")

    def serves(self, node: str, timeout_s: float) -> bool:
        return node not in self.dead

    def flush_held(self) -> int:
        self.log.append("flush")
        return 3

    def stopped(self, name: str) -> bool:
        return name in self.still

    def pause(self, node: str) -> None:
        self.still.add(node)
        self.log.append(f"pause {node}")

    def resume(self, node: str) -> None:
        self.still.discard(node)
        self.log.append(f"resume {node}")

    def processes(self, node: str) -> list[int]:
        self.log.append(f"ask for the processes of {node}")
        return self.pids.get(node, [])

    def disk(self, node: str) -> FakeDisk:
        return self.disks.setdefault(node, FakeDisk(node, self.log))

    def capability(self, kind: type) -> Any:
        return self.adapter if isinstance(self.adapter, kind) else None
