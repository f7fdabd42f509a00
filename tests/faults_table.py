"""Every fault on every system, live, and the table of docs/faults.md from what was seen (``make faults-table``).

    python -m tests.faults_table [--system etcd]... [--fault kill]... [--together 4] [--write docs/faults.md]

Faults run one after another in short runs; one that a system refuses before the run is asked alone and gets a dash. A
cell is made of the fault's receipt, of the health after its heal and of what was left on the host
(``raftmon.setup.leftovers``). Only cells that were seen are changed; the others stay as they were, or empty.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from raftmon.driver.faults.faults import catalogue
from raftmon.setup import leftovers
from raftmon.setup.python import module_command

SYSTEMS = ("etcd", "nats", "ovsdb", "dqlite", "hashicorp-raft", "zookeeper", "pysyncobj")
BEGIN, END = "<!-- faults seen: begin -->", "<!-- faults seen: end -->"
EACH_S, GAP_S, FIRST_S = 1.5, 1.5, 1.0
REFUSED = 64
TEXTS = {"upgrade": "upgrade(to=etcd@3.5.30)", "rolling-upgrade": "rolling-upgrade(to=etcd@3.5.30)"}

ALONE = ("upgrade", "rolling-upgrade")
"""They stay: after one the other finds nothing to do."""
LONG_S = {"member-add": 7.0, "member-remove": 7.0, "member-replace": 7.0}
"""etcd changes its members after all were connected for 5 s."""

Cells = dict[tuple[str, str], str]


def cell(fault: Mapping[str, Any], left: Sequence[str]) -> str:
    """The word of one fault of results.json; ``left`` is what its run left on the host."""
    if fault.get("unavailable"):
        return "not possible then"
    receipt = (fault.get("receipt") or {}).get("verdict", "no receipt")
    flaws = []
    if fault.get("error"):
        flaws.append("failed")
    if not fault.get("health_after"):
        flaws.append("not healed")
    if left:
        flaws.append("left something")
    return ", ".join([receipt, *flaws])


def schedule(names: Sequence[str]) -> tuple[str, float]:
    """The text of --fault with one after another, and how long the run must be."""
    parts, at_s = [], FIRST_S
    for name in names:
        parts.append(f"{TEXTS.get(name, name)}@{at_s:g}s..{at_s + LONG_S.get(name, EACH_S):g}s")
        at_s += LONG_S.get(name, EACH_S) + GAP_S
    return ",".join(parts), at_s


def run(system: str, names: Sequence[str], settle_s: float) -> tuple[int, str, dict[str, str]]:
    """(exit status, last line of the run's errors, cells by fault)."""
    token = f"{os.getpid()}-{time.time_ns()}"
    before = leftovers.take(token)
    text, duration_s = schedule(names)
    with tempfile.TemporaryDirectory(prefix="raftmon-faults-") as store:
        command = module_command("raftmon.driver.cli", "run", "--system", system, "--duration", f"{duration_s:g}")
        command += ["--fault", text, "--store", store]
        environment = {**os.environ, leftovers.TOKEN_VARIABLE: token}
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)
        left = leftovers.settled(before, token, settle_s)
        found = sorted(Path(store).glob("*/2*/results.json"))
        faults = json.loads(found[-1].read_bytes())["faults"] if found else []
    words = (ended.stderr.strip().splitlines() or [""])[-1]
    return ended.returncode, words, {fault["name"]: cell(fault, left) for fault in faults}


def rows() -> list[str]:
    """The faults of the table. The leader's stands for all selectors (kill-one, kill-all, ...)."""
    selectors = ("one", "follower", "minority", "majority", "all")
    doubled = {f"{kind}-{which}" for kind in ("kill", "pause", "restart") for which in selectors}
    return [name for name in catalogue() if name not in doubled and not name.startswith("defragment-")]


def groups_of(names: Sequence[str], together: int) -> list[list[str]]:
    """The faults of each run."""
    others = [name for name in names if name not in ALONE]
    groups = [others[at : at + together] for at in range(0, len(others), together)]
    return groups + [[name] for name in names if name in ALONE]


def seen_on(system: str, names: Sequence[str], together: int, settle_s: float) -> dict[str, str]:
    """Cells of one system. Whatever could not be run has none."""
    found: dict[str, str] = {}
    for group in groups_of(names, together):
        status, words, cells = run(system, group, settle_s)
        alone = status == REFUSED and not cells
        for name in group if alone else ():
            status, words, one = (status, words, cells) if len(group) == 1 else run(system, [name], settle_s)
            cells.update({name: "–"} if status == REFUSED and not one else one)
            if status == REFUSED:
                print(f"{system} {name}: {words}", flush=True)
        for name in set(group) - set(cells):
            print(f"{system} {name}: no result (exit status {status}): {words}", flush=True)
        for name, word in cells.items():
            print(f"{system} {name}: {word}", flush=True)
        found.update(cells)
    return found


def read_table(text: str) -> Cells:
    """The cells of a page's table, empty ones left out. {} if it has none yet."""
    if BEGIN not in text or END not in text:
        return {}
    rows = [
        [one.strip() for one in line.strip("|").split("|")]
        for line in text.split(BEGIN)[1].split(END)[0].strip().splitlines()
    ]
    if len(rows) < 2:
        return {}
    systems = rows[0][1:]
    return {
        (row[0].strip("`"), system): word
        for row in rows[2:]
        for system, word in zip(systems, row[1:], strict=True)
        if word
    }


def written(text: str, cells: Cells, names: Sequence[str]) -> str:
    """The page with ``cells`` put into its table. Raises ValueError if it has no place for one."""
    if BEGIN not in text or END not in text:
        raise ValueError(f"the page has no lines {BEGIN} and {END}")
    all_cells = {**read_table(text), **cells}
    lines = ["| fault | " + " | ".join(SYSTEMS) + " |", "|---" * (len(SYSTEMS) + 1) + "|"]
    for name in names:
        row = [all_cells.get((name, system), "") for system in SYSTEMS]
        lines.append(f"| `{name}` | " + " | ".join(row) + " |")
    head, rest = text.split(BEGIN)
    return f"{head}{BEGIN}\n" + "\n".join(lines) + f"\n{END}{rest.split(END)[1]}"


def main() -> int:
    """Run them, print what was seen, and write it where asked."""
    parser = argparse.ArgumentParser(
        description="Run every fault on every system and fill the table of docs/faults.md."
    )
    parser.add_argument("--system", action="append", choices=SYSTEMS, help="default: all")
    parser.add_argument("--fault", action="append", help="default: all")
    parser.add_argument("--together", type=int, default=4, help="how many faults a run has, one after another")
    parser.add_argument("--settle", type=float, default=15.0, metavar="S", help="what a run left has S seconds to go")
    parser.add_argument("--write", type=Path, help="page whose table is to be filled")
    arguments = parser.parse_args()
    names = rows()
    failed = False
    for system in arguments.system or SYSTEMS:
        found = seen_on(system, arguments.fault or names, arguments.together, arguments.settle)
        failed = failed or len(found) < len(arguments.fault or names)
        failed = failed or any("," in word or word == "mismatch" for word in found.values())
        if arguments.write:
            page = arguments.write.read_text()
            cells = {(name, system): word for name, word in found.items()}
            arguments.write.write_text(written(page, cells, names))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
