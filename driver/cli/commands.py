"""The commands there are: name, module, one line of help."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["COMMANDS", "Command"]


class Command(NamedTuple):
    """Where a command lives and what it does, in one line."""

    module: str
    summary: str


COMMANDS: dict[str, Command] = {
    "run": Command(
        "raftmon.driver.cli.run", "run a cluster behind the monitor, with clients and faults, and judge what they saw"
    ),
    "list": Command("raftmon.driver.cli.listing", "list the systems, faults, checkers, workloads and topologies"),
    "check": Command("raftmon.driver.cli.check", "judge a recorded history again, from disk alone"),
    "convert": Command("raftmon.driver.cli.convert", "rewrite a history in another format"),
    "doctor": Command("raftmon.driver.cli.doctor", "prove, by doing, that this machine can run raftmon"),
    "servers": Command("raftmon.driver.cli.servers", "list or install the server binaries of the systems under test"),
    "test": Command(
        "raftmon.driver.cli.test", "run the test scripts on a system: sanity, multi-client, restart, partition"
    ),
    "reproduce": Command("raftmon.driver.cli.reproduce", "play known bugs on stock binaries, with a control version"),
    "compare": Command(
        "raftmon.driver.cli.compare", "the same experiment on several systems, side by side (HAOC 2021)"
    ),
    "reckon": Command("raftmon.driver.cli.reckon", "an experiment of reckon's with its arguments and its result file"),
    "exec": Command("raftmon.driver.cli.exec", "run a command on a node of a run that is still on"),
    "ctl": Command("raftmon.driver.cli.ctl", "change the rules of a run that is on, or watch its monitor"),
    "monitor": Command(
        "raftmon.driver.cli.monitor", "judge and record the traffic of nodes that raftmon did not start"
    ),
    "runs": Command("raftmon.driver.cli.runs", "list recorded runs with their verdicts and sizes"),
    "clean": Command("raftmon.driver.cli.clean", "remove recorded runs"),
    "decode": Command("raftmon.driver.cli.decode", "decode the Raft messages of a capture into a messages.sqlite"),
    "messages": Command(
        "raftmon.driver.cli.messages", "show the Raft messages of a run or a capture, or their statistics"
    ),
    "timeline": Command(
        "raftmon.driver.cli.timeline", "terms, leaders, elections, faults and client outages as one text"
    ),
    "export": Command("raftmon.driver.cli.export", "packets for Wireshark, with the Raft messages in them as comments"),
}
