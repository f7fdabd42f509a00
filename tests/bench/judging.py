"""Judging, old code beside new, in one run: ``python -m tests.bench.judging [--quick]``. Part of ``make bench``.

The search (``search.py``), a million operations of JSON lines and 100,000 of EDN from file to verdict
(``histories.py``), and the command on a folder of 1,000 small histories. The old code is 786a936, checked out into a
temporary folder; every measurement is a process of its own, old and new in turn. Prints a line of JSON a case and a
table of the ratios; a ratio with ``>`` is a lower bound (the old code was stopped).
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from raftmon.driver.histories.writers import write_history
from tests.bench import histories, search
from tests.driver.checkers.search import test_search as deeds
from tests.driver.histories.synthetic import register_deeds, simulate

FOLDER = 1_000
_KINDS = {
    "register": (register_deeds, {}),
    "counter": (lambda: deeds.counter_deed, 0),
    "cas": (lambda: deeds.cas_deed, None),
    "set": (lambda: deeds.set_deed, frozenset()),
    "queue": (lambda: deeds.queue_deed, ()),
}


def folder_of_histories(folder: Path, count: int) -> None:
    """``count`` histories of 30 operations of five kinds."""
    rng = random.Random(1)
    for number in range(count):
        kind = list(_KINDS)[number % len(_KINDS)]
        make, initial = _KINDS[kind]
        write_history(simulate(make(), initial, 30, 3, rng), folder / f"{number:04}-{kind}.jsonl")  # type: ignore[arg-type, operator]


def checked_folder(folder: Path, old: Path | None) -> dict[str, float]:
    """One ``raftmon check`` of the folder: seconds, and processor seconds with its children's."""
    module = "driver.cli" if old else "raftmon.driver.cli"
    environment = {**os.environ, "PYTHONPATH": str(old)} if old else dict(os.environ)
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    command = [sys.executable, "-m", module, "check", str(folder)]
    subprocess.run(command, capture_output=True, env=environment, cwd=old or Path.cwd(), check=False)
    seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"seconds": round(seconds, 2), "cpu_s": round(cpu_s, 2)}


def rows(old: Path, *, quick: bool) -> Iterator[dict[str, Any]]:
    """Every case: ``case``, ``old_s``, ``new_s``, ``ratio``, ``bound`` (the ratio is a lower bound), and more."""
    for row in search.rows(old):
        yield {**row, "bound": row["old"] == "unknown"}
    with tempfile.TemporaryDirectory() as name:
        for operations, ending in histories.CASES:
            path = Path(name) / f"history.{ending}"
            write_history(simulate(register_deeds(), {}, operations // (10 if quick else 1), 5, random.Random(1)), path)
            found = histories.case(path, old, 1)
            path.unlink()
            yield {
                "case": f"file to verdict, {ending}",
                "old_s": found["old"]["seconds"],
                "new_s": found["new"]["seconds"],
                "ratio": found["ratios"]["seconds"],
                "bound": False,
                "operations": operations // (10 if quick else 1),
                "old_mb": found["old"]["peak_mb"],
                "new_mb": found["new"]["peak_mb"],
            }
        folder = Path(name) / "many"
        folder.mkdir()
        count = FOLDER // (10 if quick else 1)
        folder_of_histories(folder, count)
        then, now = checked_folder(folder, old), checked_folder(folder, None)
        yield {
            "case": f"a folder of {count} histories",
            "old_s": then["seconds"],
            "new_s": now["seconds"],
            "ratio": round(then["seconds"] / now["seconds"], 1),
            "bound": False,
            "old_cpu_s": then["cpu_s"],
            "new_cpu_s": now["cpu_s"],
        }


def main() -> int:
    """Every case, then the table."""
    parser = argparse.ArgumentParser(description="judging, old code beside new")
    parser.add_argument("--quick", action="store_true", help="a tenth of the sizes")
    arguments = parser.parse_args()
    found = []
    with search.old_code() as old:
        for row in rows(old, quick=arguments.quick):
            print(json.dumps(row), flush=True)
            found.append(row)
    width = max(len(row["case"]) for row in found)
    print(f"\n{'case':<{width}}  {'old':>8}  {'new':>8}  ratio")
    for row in found:
        bound = ">" if row["bound"] else ""
        print(f"{row['case']:<{width}}  {row['old_s']:>6.2f} s  {row['new_s']:>6.2f} s  {bound}{row['ratio']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
