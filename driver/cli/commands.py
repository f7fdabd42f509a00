"""Registry of commands: name, module, one line of help."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["COMMANDS", "Command"]


class Command(NamedTuple):
    """Where a command lives and what it does, in one line."""

    module: str
    summary: str


COMMANDS: dict[str, Command] = {
    "run": Command(
        "raftmon.driver.cli.run", "run a cluster with a client workload and faults, and check the recorded history"
    ),
    "list": Command("raftmon.driver.cli.listing", "list the systems, faults, checkers, workloads and topologies"),
    "check": Command(
        "raftmon.driver.cli.check", "check a recorded history (a run, Jepsen's EDN, JSON lines and others)"
    ),
    "explain": Command(
        "raftmon.driver.cli.explain",
        "explain an invalid run: clients, wire and stores side by side, and who is to blame",
    ),
    "convert": Command("raftmon.driver.cli.convert", "convert a history to another format"),
    "doctor": Command(
        "raftmon.driver.cli.doctor", "check that this machine can run raftmon (tries every kernel feature it needs)"
    ),
    "servers": Command("raftmon.driver.cli.servers", "list or install the server binaries of the systems under test"),
    "test": Command(
        "raftmon.driver.cli.test", "run the test scripts against a system: sanity, multi-client, restart, partition"
    ),
    "reproduce": Command(
        "raftmon.driver.cli.reproduce", "reproduce known bugs on stock binaries, with a control version"
    ),
    "compare": Command(
        "raftmon.driver.cli.compare", "run the same experiment on several systems and compare the results (HAOC 2021)"
    ),
    "reckon": Command("raftmon.driver.cli.reckon", "run a reckon experiment, with reckon's arguments and result file"),
    "sweep": Command(
        "raftmon.driver.cli.sweep", "run every combination of systems, workloads, faults and seeds, in one table"
    ),
    "replay": Command(
        "raftmon.driver.cli.replay", "run a recorded plan again, in the same order of messages, and list what differed"
    ),
    "explore": Command(
        "raftmon.driver.cli.explore", "look for violations: mutate schedules of faults that reached new states"
    ),
    "shrink": Command("raftmon.driver.cli.shrink", "shrink an invalid run to a scenario of a few lines"),
    "exec": Command("raftmon.driver.cli.exec", "run a command on a node of a live run"),
    "ctl": Command("raftmon.driver.cli.ctl", "change the rules of a live run, or watch its monitor"),
    "top": Command("raftmon.driver.cli.top", "watch a live run: nodes, terms, links, rules, messages"),
    "monitor": Command(
        "raftmon.driver.cli.monitor", "attach to an existing cluster: monitor, filter and record its traffic"
    ),
    "runs": Command("raftmon.driver.cli.runs", "list recorded runs with verdicts and sizes"),
    "serve": Command("raftmon.driver.cli.serve", "show the store in a browser"),
    "clean": Command("raftmon.driver.cli.clean", "remove recorded runs"),
    "decode": Command(
        "raftmon.driver.cli.decode", "decode the Raft messages in a pcap or pcapng capture into messages.sqlite"
    ),
    "messages": Command(
        "raftmon.driver.cli.messages", "list the Raft messages of a run or capture, or show statistics"
    ),
    "timeline": Command(
        "raftmon.driver.cli.timeline", "print a timeline of terms, leaders, elections, faults and client outages"
    ),
    "export": Command(
        "raftmon.driver.cli.export", "export packets for Wireshark, with Raft messages as packet comments"
    ),
}
