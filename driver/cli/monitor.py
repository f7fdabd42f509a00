"""``raftmon monitor``: judge and record traffic between nodes that raftmon did not start."""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from raftmon.driver.cli.arguments import CommandParser
from raftmon.driver.cli.monitor_folder import temporary_folder
from raftmon.monitor.attach.bridges import unseen
from raftmon.monitor.attach.chains import local_addresses, parse_hosts, plan
from raftmon.monitor.attach.guardian import installed
from raftmon.monitor.config import MonitorConfig, MonitoredHost
from raftmon.monitor.process import MonitorProcess
from raftmon.monitor.raft.codecs.table import all_codecs, codec_of
from raftmon.setup.errors import InputError

__all__ = ["main", "parser"]

_RECORDED = ("packets.pcapng", "messages.sqlite", "monitor.json")
_LARGEST_MTU = 4000  # what NetfilterQueue hands over of a packet


def parser() -> CommandParser:
    """The options of ``raftmon monitor``."""
    made = CommandParser(
        "monitor",
        "Attach to an existing cluster: monitor, filter and record its traffic in this network namespace: on a router, "
        "inside a Mininet host or switch, or on loopback where nodes differ by port. Needs CAP_NET_ADMIN here.",
        "raftmon monitor --queue 5 --node n1=10.0.0.1 --node n2=10.0.0.2:2380 --record out --install\n"
        "raftmon monitor --queue 5 --node n1=127.0.0.1:2380 --node n2=127.0.0.1:12380 --rule 'n1->n2 drop 10%'\n"
        "raftmon monitor --system etcd --record out --install --queue 5 --node …  # see: raftmon messages out --follow",
    )
    add = made.add_argument
    add("--queue", type=int, required=True, metavar="N", help="the NFQUEUE number to serve")
    add("--node", action="append", default=[], metavar="NAME=ADDRESS[:PORT]", help="one node; give it for each")
    add(
        "--present",
        action="append",
        default=[],
        metavar="NAME=ADDRESS",
        help="the address under which its peers know the node; this host must be the route to it",
    )
    add(
        "--record",
        type=Path,
        metavar="DIR",
        help="write packets.pcapng, messages.sqlite, events.jsonl and monitor.json there",
    )
    add("--system", metavar="NAME", help="what the nodes run: its messages are decoded, and rules may name them")
    add("--codec", action="append", default=[], metavar="FILE.py", help="a codec of your own (docs/raft.md)")
    add("--rules", action="append", default=[], metavar="FILE.py", help="rules in Python")
    add("--rule", action="append", default=[], metavar="RULE", help="a one-line rule in force from the start")
    add("--strict", action="store_true", help="end at the first exception in a rule's Python code")
    add(
        "--malformed",
        choices=("accept", "drop"),
        default="accept",
        help="what to do with malformed packets (default: accept)",
    )
    add("--seed", default="0", help="random seed of the rules (default: 0)")
    add("--install", action="store_true", help="add the iptables rules, and remove them on exit")
    return made


def main(arguments: argparse.Namespace) -> int:
    """Serve until interrupted."""
    hosts = parse_hosts(arguments.node, arguments.present)
    with _folder(arguments.record) as folder:
        _serve(arguments, hosts, folder)
    return 0


def _serve(arguments: argparse.Namespace, hosts: tuple[MonitoredHost, ...], folder: Path) -> None:
    config = MonitorConfig(
        arguments.queue,
        hosts,
        str(folder),
        str(folder / "monitor.sock"),
        monotonic_ns=time.monotonic_ns(),
        wall_ns=time.time_ns(),
        mode="attach",
        seed=arguments.seed,
        rules=tuple(arguments.rule),
        scripts=tuple(str(Path(script).absolute()) for script in arguments.rules),
        strict=arguments.strict,
        record=arguments.record is not None,
        malformed=arguments.malformed,
        decode=_decoded(arguments.system, arguments.codec),
        codecs=tuple(str(Path(codec).absolute()) for codec in arguments.codec),
    )
    path = folder / "monitor-config.json"
    path.write_bytes(config.to_json())
    commands = plan(hosts, arguments.queue, local_addresses())
    process = MonitorProcess(config, path)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: process.stop())
    _warn_of_large_packets(hosts)
    if any("FORWARD" in line for line in commands.lines()) and (why := unseen()) is not None:
        print(f"raftmon monitor: {why}", file=sys.stderr)
    with installed(commands) if arguments.install else contextlib.nullcontext():
        if arguments.install:
            print(f"chains of queue {arguments.queue} are installed; they go when this ends", flush=True)
        else:
            print("add these lines, and take them away afterwards (or let --install do both):", flush=True)
            for line in commands.lines():
                print(f"  {line}", flush=True)
        if arguments.record is not None and arguments.system is not None:
            print(f"raftmon messages {folder} --follow, raftmon timeline {folder} show what is decoded", flush=True)
        print(f"raftmon ctl --socket {folder / 'monitor.sock'} talks to this monitor; Ctrl-C ends it", flush=True)
        process.run()


@contextlib.contextmanager
def _folder(given: Path | None) -> Iterator[Path]:
    """The folder to record into; without one, a temporary folder for the socket, which goes with the monitor.

    Raises InputError for a folder that holds a record, or that another monitor uses now.
    """
    if given is None:
        with temporary_folder() as folder:
            yield folder
        return
    try:
        given.mkdir(mode=0o700, parents=True, exist_ok=True)
        held = os.open(given, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise InputError(f"cannot write to {given}: {error.strerror}; give --record another folder") from error
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)  # released by the kernel, however this ends
        recorded = next((name for name in _RECORDED if (given / name).exists()), None)
        if recorded is not None:
            raise InputError(f"{given} holds a record already ({recorded}): give --record a new folder")
        yield given.absolute()
    except BlockingIOError as error:
        raise InputError(f"another monitor records into {given}: give --record a new folder") from error
    finally:
        os.close(held)


def _decoded(system: str | None, codecs: Sequence[str]) -> str | None:
    """The system whose messages are read. Raises InputError if no codec reads them."""
    known = all_codecs(codecs)
    if system is None:
        return known[0].name if codecs else None  # a codec of one's own says what it is for
    if codec_of(system, known) is None:
        names = sorted({name.rstrip("*") for codec in known for name in (codec.name, *codec.systems)})
        raise InputError(f"--system {system}: no codec reads its messages; there are codecs for {', '.join(names)}")
    return system


def _warn_of_large_packets(hosts: tuple[MonitoredHost, ...]) -> None:
    """Loopback's MTU is 65,536: such packets reach a queue cut, and then the verdict is unknown."""
    if any(host.address.startswith("127.") or host.address == "::1" for host in hosts):
        with contextlib.suppress(OSError, ValueError):
            mtu = int(Path("/sys/class/net/lo/mtu").read_text())
            if mtu > _LARGEST_MTU:
                print(
                    f"raftmon monitor: loopback's MTU is {mtu}, and packets over {_LARGEST_MTU} bytes reach the queue "
                    "cut: run `ip link set lo mtu 1500` first",
                    file=sys.stderr,
                )
