"""The search for a linearization, old code beside new: ``python -m tests.bench.search``. A line of JSON a case.

The old code (786a936, before the walk was compiled and steps were remembered) is checked out into a temporary folder
and runs in a process of its own with its own PYTHONPATH, in turn with today's. ``seconds`` are of the check alone,
explanation included; a check that is not done after 20 s counts as 20, so its ratio is a lower bound.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

OLD = "786a936"
LIMIT_S = 20.0
SHARED = Path(os.environ.get("RAFTMON_SHARED", "/work/shared")) / "histories" / "append-kv"
_MEASURED = """
import json, sys, time
from {prefix}driver.checkers import MODELS, Linearizable, check_safely, read_history
history = read_history(sys.argv[1])
begin = time.perf_counter()
result = check_safely(Linearizable(MODELS[sys.argv[2]]()), history, float(sys.argv[3]), 2000)
print(json.dumps({{"seconds": time.perf_counter() - begin, "valid": result.valid.value}}))
"""
_GENERATED = """
import random, sys
from pathlib import Path
from raftmon.driver.histories.writers import write_history
from tests.bench.search_cases import CASES
for name, (model, make) in CASES.items():
    write_history(make(random.Random(name)), Path(sys.argv[1]) / f"{model}+{name}.jsonl")
"""


@contextlib.contextmanager
def old_code() -> Iterator[Path]:
    """A checkout of the old code, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="raftmon-old-") as folder:
        place = Path(folder) / "old"
        subprocess.run(["git", "worktree", "add", "-q", "--detach", str(place), OLD], check=True)
        try:
            yield place
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", str(place)], check=True)


def measured(path: Path, model: str, old: Path | None) -> dict[str, Any]:
    """One process that judges ``path`` with today's code or that in ``old``."""
    environment = {**os.environ, "PYTHONPATH": str(old)} if old else dict(os.environ)
    command = [sys.executable, "-c", _MEASURED.format(prefix="" if old else "raftmon."), str(path), model, str(LIMIT_S)]
    done = subprocess.run(command, capture_output=True, env=environment, cwd=old or Path.cwd(), check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def rows(old: Path) -> Iterator[dict[str, Any]]:
    """Every case, old and new in turn."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-c", _GENERATED, folder], check=True)
        files = [(path, path.name.split("+")[0]) for path in sorted(Path(folder).iterdir())]
        if SHARED.is_dir():
            files += [(path, "key-value") for path in sorted(SHARED.glob("*.txt"))]
        for path, model in files:
            then, now = measured(path, model, old), measured(path, model, None)
            row = {"case": path.stem, "old_s": round(then["seconds"], 3), "new_s": round(now["seconds"], 3)}
            row |= {"old": then["valid"], "new": now["valid"], "ratio": round(then["seconds"] / now["seconds"], 1)}
            yield row


def main() -> int:
    """A line of JSON a case."""
    with old_code() as old:
        for row in rows(old):
            print(json.dumps(row), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
