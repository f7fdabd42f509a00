"""One attempt of a scenario in a sandbox.

``python -m raftmon.driver.reproduce.attempt SCENARIO SERVER SEED STORE affected|control``.
Prints one JSON object on the last line: ``outcome``, ``sentence``, ``seconds``, ``run``, ``blame``.
"""

from __future__ import annotations

import contextlib
import sys
import time
from pathlib import Path
from typing import Any

import orjson

from raftmon.adapters.hooks import hooks
from raftmon.adapters.systems import system, with_server
from raftmon.driver.cluster.cluster import Cluster, ClusterOptions
from raftmon.driver.reproduce.loading import CONTROL, AttemptOutcome, Loaded, load_scenario
from raftmon.driver.reproduce.scenario import CouldNotSetUp
from raftmon.driver.reproduce.stage import Stage
from raftmon.driver.results.explained import explain_run
from raftmon.driver.run_folder import CONFIG, RESULTS, RunFolder
from raftmon.setup import sandbox
from raftmon.setup.errors import EXIT_INTERNAL, InputError, RaftmonError
from raftmon.setup.topology import Topology

__all__ = ["attempt", "first_leader", "main"]

FIRST_LEADER = "first-leader"
LEADS_S = 30.0
"""How long the node that a scenario wants to lead may take to do so."""


def first_leader(node: str, nodes: int) -> str:
    """The rule that lets nobody but this node win an election.

    Raises InputError if the cluster has no such node, or has one alone.
    """
    names = [f"n{number}" for number in range(1, nodes + 1)]
    if node not in names:
        raise InputError(f"leader={node!r}: there is no such node (available: {', '.join(names)})")
    if nodes == 1:
        raise InputError("a cluster of one node has no other leader: leave leader out")
    rivals = ",".join(name for name in names if name != node)
    return f"{FIRST_LEADER}: {rivals}->* (MsgVote or MsgPreVote) drop"


def attempt(loaded: Loaded, server: str, seed: str, store: Path, *, control: bool = False) -> dict[str, object]:
    """Play a scenario once on ``server``, as the control if asked. Must be called inside the sandbox."""
    scenario = loaded.scenario
    options = with_server(
        scenario.system, server, {**scenario.options, **(scenario.control_options if control else {})}
    )
    adapter = system(scenario.system, options)
    folder = RunFolder.create(store, f"reproduce-{scenario.name}")
    folder.save(
        CONFIG,
        {
            "config": {"workload": scenario.workload, "system": scenario.system, "nodes": scenario.nodes, "seed": seed},
            "scenario": scenario.name,
            "server": server,
            "control": control,
        },
    )
    began = time.monotonic()
    cluster_options = ClusterOptions(
        seed=seed,
        disks=scenario.disks,
        client_traffic=scenario.client_traffic,
        system=scenario.system,
        system_options=options,
        rules=() if scenario.leader is None else (first_leader(scenario.leader, scenario.nodes),),
    )
    topology = Topology.star(scenario.nodes, transparent=hooks(adapter).transparent).with_spares(scenario.spares)
    try:
        with Cluster(topology, adapter, folder, cluster_options) as cluster:
            stage = Stage(scenario, cluster, seed)
            try:
                if scenario.leader is not None:
                    _have_lead(stage, scenario.leader)
                sentence = loaded.play(stage)
            finally:
                stage.close()
        outcome = AttemptOutcome.SHOWN if sentence else AttemptOutcome.NOT_SHOWN
    except (CouldNotSetUp, AssertionError) as error:  # AssertionError: what the fixtures' waits raise
        outcome, sentence = AttemptOutcome.NOT_SET_UP, str(error)
    except RaftmonError as error:
        if isinstance(error, InputError):
            raise
        outcome, sentence = AttemptOutcome.NOT_SET_UP, f"{type(error).__name__}: {error}"
    result: dict[str, object] = {
        "outcome": outcome.value,
        "sentence": sentence,
        "seconds": round(time.monotonic() - began, 2),
        "run": str(folder.path),
    }
    explanations = _explanations(folder) if outcome is AttemptOutcome.SHOWN else []
    result["blame"] = [one["blame"] for one in explanations]
    folder.save(RESULTS, {"valid": "unknown", "scenario": result, "explanations": explanations})
    folder.hand_over()
    return result


def _have_lead(stage: Stage, node: str) -> None:
    """Wait until a node leads, while nobody else can win; pause one that leads already.

    Systems that begin with one node and have the others join are led by it. Raises CouldNotSetUp if it is in vain.
    """
    found = stage.leader()
    if found != node:
        with stage.paused(found):
            stage.until(lambda: stage.inner.leader() == node, f"{node} leading", LEADS_S)
        stage.until(lambda: stage.inner.leader() == node, f"{node} leading, with {found} back", LEADS_S)
    stage.monitor.remove(FIRST_LEADER)


def _explanations(folder: RunFolder) -> list[dict[str, Any]]:
    """What the run's own record says of its anomalies; nothing where none of them is in the history or on the wire."""
    with contextlib.suppress(RaftmonError):
        return [one.to_json() for one in explain_run(folder)]
    return []


def main(argv: list[str]) -> int:
    """Enter the sandbox, play, print."""
    name, server, seed, store, side = argv
    try:
        loaded = load_scenario(name)
        with_server(loaded.scenario.system, server, {})  # found or fetched before the sandbox: inside is no network
        sandbox.enter()
        result = attempt(loaded, server, seed, Path(store), control=side == CONTROL)
    except RaftmonError as error:
        print(f"raftmon reproduce: {error}", file=sys.stderr)
        return error.exit_status
    except Exception as error:
        print(f"raftmon reproduce: {type(error).__name__}: {error}", file=sys.stderr)
        return EXIT_INTERNAL
    print(orjson.dumps(result).decode(), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
