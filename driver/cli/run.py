"""``raftmon run``: a cluster behind the monitor, clients, faults, a verdict."""

from __future__ import annotations

import argparse
import os
import secrets
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson

from raftmon.adapters.hooks import nodes_needed
from raftmon.adapters.systems import system, system_names, with_server
from raftmon.driver.cli.arguments import CommandParser
from raftmon.driver.cli.console import NeutralConsole
from raftmon.driver.quantities import duration_s, latency_ms, loss_percent
from raftmon.driver.run.config import DEFAULT_FAULTS, RunConfig
from raftmon.driver.run.live import remember_outer_pid
from raftmon.driver.run.plan import make_plan
from raftmon.driver.run_folder import check_store, find_run
from raftmon.driver.workloads.workloads import workload_names
from raftmon.setup.errors import InputError
from raftmon.setup.limits import check_processes, process_limit
from raftmon.setup.python import module_command
from raftmon.setup.sandbox import enter, inside

LOG_WIDTH = 120
"""Columns of the output where it goes to a file or a pipe."""

__all__ = ["add_run_options", "config_of", "end_as_by_ctrl_c", "main", "parser"]


def parser() -> CommandParser:
    """The options of ``raftmon run``."""
    made = CommandParser(
        "run",
        "Run a cluster behind the monitor with a client workload and faults, record the history and check it.\n"
        "Exit status: 0 valid, 1 invalid, 2 unknown.",
        "raftmon run --nodes 5 --duration 30 --fault 'partial-partition@5s..15s,kill-leader'\n"
        "raftmon run --server etcd@3.5.1 --fault none --json",
    )
    add_run_options(made)
    made.add_argument(
        "--replay", metavar="RUN", help="the configuration and seed of a recorded run; options are ignored"
    )
    made.add_argument(
        "--trust",
        action="store_true",
        help="with --replay: run the rules files, adapter and server binary that the recorded run names",
    )
    made.add_argument("-d", "--shell", action="store_true", help="open a prompt with the live cluster, without clients")
    made.add_argument("--json", action="store_true", help="print results.json and the run's path instead of the screen")
    made.add_argument(
        "--serve", action="store_true", help="show the run live in a browser; prints the address (see raftmon serve)"
    )
    return made


def add_run_options(made: argparse.ArgumentParser) -> None:
    """The options that make a RunConfig, for every command that runs clusters."""
    add = made.add_argument
    add("--system", default="etcd", metavar="NAME", help=f"{', '.join(system_names())} or a .py file (default: etcd)")
    add(
        "--server",
        metavar="SPEC",
        help="the server: etcd@3.4.23, etcd@3.5.1 or a path; n1=SPEC,n2=SPEC mixes versions (default: the newest "
        "installed)",
    )
    add(
        "--system-option",
        action="append",
        default=[],
        metavar="K=V",
        help="the adapter's own options (docs/adapters.md)",
    )
    add("--server-flag", action="append", default=[], metavar="FLAG", help="a further flag for the server; repeatable")
    add("--nodes", type=int, default=3, metavar="N", help="nodes of the cluster (default: 3)")
    add("--clients", type=int, default=5, metavar="N", help="client threads in all (default: 5)")
    add("--client-hosts", type=int, default=1, metavar="N", help="hosts that the clients are spread over (default: 1)")
    add("--topology", default="simple", metavar="NAME", help="simple, wan, wan:REGION,… or FILE.toml (default: simple)")
    add("--link-latency", default="0", metavar="T", help="one-way latency of every link: 20ms (default: none)")
    add("--link-jitter", default="0", metavar="T", help="its jitter, both ways round: 2ms (default: none)")
    add("--link-loss", default="0", metavar="P", help="packets lost on every link: 1%% (default: none)")
    add(
        "--workload",
        default="register",
        metavar="NAME",
        help=f"{', '.join(workload_names())} (default: register)",
    )
    add("--workload-option", action="append", default=[], metavar="K=V", help="its own options (docs/workloads.md)")
    add("--keys", type=int, default=5, metavar="N", help="keys they work on (default: 5)")
    add("--rate", type=float, metavar="R", help="operations a second in all (default: as fast as answers come)")
    add("--arrival", default="uniform", metavar="HOW", help="with --rate: uniform or poisson (default: uniform)")
    add(
        "--fault",
        default=DEFAULT_FAULTS,
        metavar="LIST",
        help=f"NAME, NAME@10s..20s or NAME@when(term > 5)..3s, or none (default: {DEFAULT_FAULTS})".replace("%", "%%"),
    )
    add("--mtbf", default="5", metavar="T", help="with --fault random: mean time between faults (default: 5)")
    add("--duration", default="20", metavar="T", help="how long clients work: 20, 90s, 5m (default: 20)")
    add("--op-timeout", default="2s", metavar="T", help="how long a client waits for an answer (default: 2s)")
    add("--pin", metavar="NODE", help="all clients talk to this node (default: spread over all)")
    add("--lie", metavar="LIST", help="only with --system memory: the lies it tells (stale-read,lost-write,…)")
    add(
        "--rule",
        action="append",
        default=[],
        metavar="RULE",
        help="a rule from the start: 'n1->n2 drop 10%%'; repeatable",
    )
    add("--rules", action="append", default=[], metavar="FILE.py", help="your own rules in Python; repeatable")
    add(
        "--codec", action="append", default=[], metavar="FILE.py", help="a codec of your own (docs/raft.md); repeatable"
    )
    add("--strict", action="store_true", help="an exception in your rules ends the run")
    add("--transparent", action="store_true", help="nodes know each other by their real addresses")
    add("--no-monitor", action="store_true", help="no queue at all, for comparison (only with --fault none)")
    add("--keep-data", action="store_true", help="keep the nodes' data after a valid verdict, too")
    add("--no-record", action="store_true", help="do not record packets")
    add("--seed", metavar="N", help="random seed (default: random, and printed)")
    add("--name", metavar="NAME", help="the folder under the store (default: SYSTEM-WORKLOAD)")
    add("--store", type=Path, default=Path("store"), metavar="DIR", help="where runs are kept (default: ./store)")


def _pair(text: str) -> tuple[str, Any]:
    """``serializable=true`` as (name, value); numbers, true, false and null are what they are in JSON."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise InputError(f"--system-option {text!r}: write NAME=VALUE")
    try:
        return name, orjson.loads(value)
    except orjson.JSONDecodeError:
        return name, value


def servers_of(text: str | None) -> tuple[str | None, dict[str, str]]:
    """``--server``: one for all, or ``n1=etcd@3.4.23,n2=etcd@3.5.16``; (the one for all others, node -> its own).

    Raises InputError for a text that mixes both in a way that cannot be meant.
    """
    if text is None or "=" not in text or "/" in text.partition("=")[0]:
        return text, {}
    rest, servers = None, {}
    for part in text.split(","):
        node, equals, spec = (word.strip() for word in part.partition("="))
        if not node or (equals and not spec) or (not equals and rest is not None):
            raise InputError(
                f"--server {text}: write n1=etcd@3.4.23,n2=etcd@3.5.16, and one without a node for the rest"
            )
        if equals:
            servers[node] = spec
        else:
            rest = node
    return rest, servers


def config_of(arguments: argparse.Namespace) -> RunConfig:
    """The RunConfig that the options mean. Raises InputError."""
    options: dict[str, Any] = dict(_pair(text) for text in arguments.system_option)
    if arguments.lie:
        if arguments.system != "memory":
            raise InputError(f"--lie is for --system memory alone: {arguments.system} tells its own")
        options["lie"] = arguments.lie.split(",")
        options["lie_seed"] = arguments.seed
    fault = arguments.fault
    if arguments.system == "memory" and fault == DEFAULT_FAULTS:
        fault = "none"
    given, servers = servers_of(arguments.server)
    server = with_server(arguments.system, given, {}).get("server")
    servers = {node: with_server(arguments.system, spec, {})["server"] for node, spec in servers.items()}
    return RunConfig(
        system=arguments.system, server=server, nodes=arguments.nodes, clients=arguments.clients,
        client_hosts=arguments.client_hosts, keys=arguments.keys, rate=arguments.rate, faults=fault,
        duration_s=duration_s(arguments.duration, "--duration"), transparent=arguments.transparent,
        seed=arguments.seed, name=arguments.name, op_timeout_s=duration_s(arguments.op_timeout, "--op-timeout"),
        workload=arguments.workload, pin=arguments.pin, rules=tuple(arguments.rule),
        scripts=tuple(os.path.abspath(path) for path in arguments.rules), strict=arguments.strict,
        codecs=tuple(os.path.abspath(path) for path in arguments.codec),
        monitored=not arguments.no_monitor, record=not arguments.no_record,
        server_flags=tuple(arguments.server_flag), options=options, servers=servers, keep_data=arguments.keep_data,
        workload_options=tuple(arguments.workload_option), arrival=arguments.arrival,
        topology=arguments.topology, link_latency_ms=latency_ms(arguments.link_latency),
        link_jitter_ms=latency_ms(arguments.link_jitter), link_loss_percent=loss_percent(arguments.link_loss),
        mtbf_s=duration_s(arguments.mtbf, "--mtbf"),
    )  # fmt: skip


def _config(arguments: argparse.Namespace) -> RunConfig:
    if arguments.replay is None:
        return config_of(arguments)
    from raftmon.driver.run.replayed import replayed

    return replayed(find_run(arguments.replay, arguments.store), trusted=arguments.trust)


def _serve(store: Path) -> None:
    """Start ``raftmon serve`` outside of the sandbox; it ends soon after this process, whose pid the run keeps."""
    store.mkdir(parents=True, exist_ok=True)
    command = module_command("raftmon.driver.cli", "serve", "--store", str(store), "--while-pid", str(os.getpid()))
    subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sys.stderr, start_new_session=True)


def _processes_needed(config: RunConfig, *, clustered: bool) -> int:
    """How many processes and threads a run takes at least: hosts, clients and four of the driver's own threads; behind
    a monitor the sandbox's two, the monitor's and the recorder's (six with their threads) and the nodes.
    """
    return 4 + config.client_hosts + config.clients + (8 + config.nodes if clustered else 0)


def end_as_by_ctrl_c() -> None:
    """From now on SIGTERM and SIGHUP end the run as Ctrl-C does: early, with a verdict on what there is.

    A signal that is ignored stays so (nohup).
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)


def main(arguments: argparse.Namespace) -> int:
    """Check everything that can be checked outside, enter the sandbox, run, print."""
    if arguments.seed is None:
        arguments.seed = secrets.token_hex(4)
        sys.orig_argv.extend(["--seed", arguments.seed])  # the command inside must draw the same
    config = _config(arguments)
    check_store(arguments.store)
    adapter = system(config.system, config.adapter_options())
    make_plan(config, adapter)  # what is wrong with it is said before anything starts
    if not inside():
        check_processes(_processes_needed(config, clustered=nodes_needed(adapter)), process_limit())
    if arguments.serve and not inside():
        _serve(arguments.store)
    if nodes_needed(adapter):
        remember_outer_pid()
        enter()
    # What only the command inside needs is imported there: the outer process waits, and a refused run needs none of it.
    from raftmon.driver.results.summary import summary
    from raftmon.driver.run.phases import run
    from raftmon.driver.run.screen import RunScreen
    from raftmon.driver.testing.shell import open_shell

    end_as_by_ctrl_c()
    console = NeutralConsole(stderr=arguments.json, highlight=False, width=None if sys.stdout.isatty() else LOG_WIDTH)
    screen = RunScreen(console)
    try:
        interact = (lambda cluster: open_shell(cluster, config.seed)) if arguments.shell else None
        folder, results = run(config, arguments.store, screen, interact)
    finally:
        screen.close()
    if arguments.json:
        found = {"path": str(folder.path), **results.to_json()}
        sys.stdout.write(orjson.dumps(found, default=str).decode() + "\n")
    else:
        console.print(summary(results, str(folder.path)))
    return results.valid.exit_status
