"""Plays experiments on systems again and again, each run in a process and a sandbox of its own."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from raftmon.adapters.systems import system_kind, system_names
from raftmon.driver.experiments.measure import Measured
from raftmon.driver.experiments.published import Experiment
from raftmon.setup.errors import InputError, RaftmonError
from raftmon.setup.python import end_with_parent, module_command
from raftmon.setup.servers import resolve

__all__ = ["Contender", "Played", "contender", "play_all"]

RUN_S = 180.0
"""How long one run may take, besides the experiment itself."""


@dataclass(frozen=True, slots=True)
class Contender:
    """A system on one version; ``label`` is what tables call it."""

    label: str
    system: str
    server: str | None


@dataclass(frozen=True, slots=True)
class Played:
    """One run: what was measured, or why it could not be set up."""

    scenario: str
    system: str
    round: int
    verdict: str
    measured: Measured | None
    why: str = ""
    run: str = ""


def contender(text: str) -> Contender:
    """``etcd``, ``etcd@3.5.30``, ``etcd-pre-vote@3.5.30`` as a system and a server; its version stands in the label.

    Raises InputError for a system that is unknown, or an adapter's file.
    """
    name, at, version = text.partition("@")
    if name not in system_names():
        raise InputError(f"unknown system {name!r} in --systems (available: {', '.join(system_names())})")
    kind = system_kind(name)
    if kind.server is None or not kind.raft_is_read:
        raise InputError(f"--systems {name}: raftmon reads no Raft messages of it, so nothing can be compared")
    if not at:
        return Contender(f"{name}@{resolve(kind.server).spec.partition('@')[2]}", name, None)
    return Contender(text, name, f"{kind.server}@{version}")


def play_all(
    wanted: Iterable[tuple[Experiment, Contender, int]],
    seed: int,
    store: Path,
    cut_s: float,
    after_s: float,
    jobs: int,
    stop_after_s: float | None = None,
) -> Iterator[Played]:
    """Run (experiment, system, number of its round), ``jobs`` at a time; each as it ends, in order.

    After ``stop_after_s`` seconds no further run is begun.
    """
    began = time.monotonic()

    def one(job: tuple[Experiment, Contender, int]) -> Played | None:
        if stop_after_s is not None and time.monotonic() - began > stop_after_s:
            return None
        return _play(*job, seed, store, cut_s, after_s)

    with ThreadPoolExecutor(jobs) as pool:
        yield from (row for row in pool.map(one, wanted) if row is not None)


def _why(said: str) -> str:
    """The sentence of our own in what a run printed; what a node logged may follow it."""
    ours = [line for line in said.splitlines() if line.startswith("raftmon compare: ")]
    return (ours or said.splitlines())[-1].removeprefix("raftmon compare: ")[:300]


def _play(row: Experiment, on: Contender, number: int, seed: int, store: Path, cut_s: float, after_s: float) -> Played:
    arguments = [row.name, on.system, on.server or "-", str(seed + number), str(store), f"{cut_s:g}", f"{after_s:g}"]
    command = module_command("raftmon.driver.experiments.play", *arguments)
    try:
        ended = subprocess.run(
            command, capture_output=True, timeout=RUN_S + cut_s + after_s, check=False, preexec_fn=end_with_parent
        )
    except subprocess.TimeoutExpired:
        return Played(row.name, on.label, number, "not set up", None, f"it did not end within {RUN_S:g} s")
    lines = ended.stdout.splitlines()
    if ended.returncode != 0 or not lines:
        said = ended.stderr.decode(errors="replace").strip()[-20_000:] or "it ended without a word"
        return Played(row.name, on.label, number, "not set up", None, _why(said))
    found: dict[str, Any] = orjson.loads(lines[-1])
    try:
        measured = Measured.from_json(found)
    except (KeyError, ValueError) as error:
        raise RaftmonError(f"a run of {row.name} gave no measures: {error}") from error
    return Played(
        row.name, on.label, number, str(found["verdict"]), measured, str(found["broken"] or ""), str(found["run"])
    )
