"""How fast the checkers are and what they need: ``python -m tests.bench.checkers``. Prints one JSON object a line.

Each case runs in a process of its own, so that its peak memory is its own. ``check_s`` is the register check from the
columns a reader leaves; ``peak_mb`` the whole process, history included.
"""

from __future__ import annotations

import json
import multiprocessing
import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from raftmon.driver.checkers import (
    MODELS,
    CasRegister,
    KeyValue,
    Linearizable,
    RegisterChecker,
    check_safely,
    checkers_for_history,
    combine,
)
from raftmon.driver.checkers.checkers import checker
from raftmon.driver.checkers.search.search import search
from raftmon.driver.histories.formats import read_history
from raftmon.driver.histories.model import Columns, History
from raftmon.driver.histories.writers import write_history
from tests import shared
from tests.driver.histories.synthetic import Deed, register_deeds, simulate

SHARED = shared.SHARED / "histories"


def register(operations: int, clients: int, indefinite: float) -> dict[str, Any]:
    """One key, unique values; limits: 1,000,000 with 5 clients 2 s and 1 GB, 100,000 with 25 and 2 % 0.5 s."""
    made = simulate(register_deeds(), {}, operations, clients, random.Random(1), indefinite=indefinite)
    columns = Columns.of(made.operations)
    history = History(columns=columns)
    del made
    start, cpu = time.perf_counter(), time.process_time()
    result = RegisterChecker().check(history)
    cpu_s = time.process_time() - cpu
    return {"check_s": time.perf_counter() - start, "cpu_s": cpu_s, "valid": result.valid.value}


def from_file(operations: int, clients: int, ending: str) -> dict[str, Any]:
    """Reading a file of twice as many lines, and checking it."""
    made = simulate(register_deeds(), {}, operations, clients, random.Random(1))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"history.{ending}"
        write_history(made, path)
        del made
        start = time.perf_counter()
        history = read_history(path)
        read = time.perf_counter()
    result = check_safely(RegisterChecker(), history)
    return {"read_s": read - start, "check_s": time.perf_counter() - read, "valid": result.valid.value}


def searched(operations: int, clients: int) -> dict[str, Any]:
    """The search on a register whose few values repeat."""

    def deeds(state: Any, rng: random.Random, process: int) -> Deed:
        value = rng.randint(1, 5)
        return Deed("write", value, value) if rng.random() < 0.5 else Deed("read", state, state)

    made = simulate(deeds, None, operations, clients, random.Random(1))
    start = time.perf_counter()
    found = search(made.operations, CasRegister())
    return {"check_s": time.perf_counter() - start, "valid": found.valid.value, "entered": found.configurations}


def appended(operations: int, clients: int) -> dict[str, Any]:
    """Texts appended to and read on ten keys, right and with one stale read: Porcupine's kind of test data."""

    def deeds(state: Any, rng: random.Random, process: int) -> Deed:
        key = str(rng.randrange(10))
        held = dict(state)
        if rng.random() < 0.5:
            return Deed("get", held.get(key, ""), state, key)
        text = f"x {process} {rng.randrange(10**6)} y"
        held[key] = held.get(key, "") + text
        return Deed("append", text, tuple(held.items()), key)

    made = simulate(deeds, (), operations, clients, random.Random(1))
    figures: dict[str, Any] = {}
    for name in ("right", "wrong"):
        if name == "wrong":
            gets = [one for one in made.operations if one.f == "get" and one.value]
            gets[len(gets) * 2 // 3].value = ""
        start = time.perf_counter()
        figures[name] = Linearizable(KeyValue()).check(made).valid.value
        figures[f"{name}_s"] = time.perf_counter() - start
    return figures


def contained(model: str, operations: int, clients: int) -> dict[str, Any]:
    """A stack or a priority queue of unique values: by its order, and by search where that can end."""
    put, take = ("push", "pop") if model == "stack" else ("insert", "extract-max")
    fresh = iter(random.Random(2).sample(range(10**9), operations))

    def deeds(state: Any, rng: random.Random, process: int) -> Deed:
        if len(state) < 100 and (not state or rng.random() < 0.5):
            value = next(fresh)
            return Deed(put, value, (*state, value) if model == "stack" else tuple(sorted((*state, value))))
        return Deed(take, state[-1], state[:-1])

    made = simulate(deeds, (), operations, clients, random.Random(1))
    start = time.perf_counter()
    result = checker(f"linearizable-{model}").check(made)
    figures = {"check_s": time.perf_counter() - start, "valid": result.valid.value}
    start = time.perf_counter()
    searched = Linearizable(MODELS[model](), timeout_s=10.0, memory_mb=2000).check(made)
    return {**figures, "search_s": time.perf_counter() - start, "search": searched.valid.value}


def shared(name: str) -> dict[str, Any]:
    """All shared histories of one kind, read and judged."""
    start = time.perf_counter()
    verdicts: dict[str, int] = {}
    for path in sorted(path for path in (SHARED / name).iterdir() if path.suffix != ".json"):
        history = read_history(path)
        verdict = combine(check_safely(one, history) for one in checkers_for_history(history)).value
        verdicts[verdict] = verdicts.get(verdict, 0) + 1
    return {"all_s": time.perf_counter() - start, **verdicts}


CASES: list[tuple[Callable[..., dict[str, Any]], tuple[Any, ...]]] = [
    (register, (1_000_000, 5, 0.0)),
    (register, (100_000, 25, 0.02)),
    (register, (1_000_000, 100, 0.02)),
    (from_file, (1_000_000, 5, "jsonl")),
    (from_file, (100_000, 5, "edn")),
    (searched, (20_000, 5)),
    (searched, (5_000, 10)),
    (appended, (2_500, 50)),
    (contained, ("stack", 1_000, 10)),
    (contained, ("stack", 100_000, 10)),
    (contained, ("priority-queue", 1_000, 10)),
    (contained, ("priority-queue", 100_000, 10)),
    (shared, ("jepsen-etcd",)),
    (shared, ("append-kv",)),
]


def _measure(case: int, results: Any) -> None:
    function, arguments = CASES[case]
    figures = function(*arguments)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    results.put({"case": function.__name__, "arguments": arguments, **figures, "peak_mb": round(peak_mb)})


def main() -> int:
    """Run every case, or those whose number is given."""
    chosen = [int(word) for word in sys.argv[1:]] or range(len(CASES))
    context = multiprocessing.get_context("spawn")
    for case in chosen:
        if CASES[case][0] is shared and not SHARED.is_dir():
            continue
        results = context.Queue()
        worker = context.Process(target=_measure, args=(case, results))
        worker.start()
        figures = results.get()
        worker.join()
        print(json.dumps({k: round(v, 3) if isinstance(v, float) else v for k, v in figures.items()}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
