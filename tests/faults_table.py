"""Every fault on every system, live, and the table of docs/faults.md from what was seen (``make faults-table``).

    python -m tests.faults_table [--system etcd]... [--fault jam]... [--missing] [--limit 150] [--write docs/faults.md]

Faults run one after another in short runs; one that a system refuses before the run is asked alone: it is *not
applicable*, with the run's own reason. A cell is made of the fault's receipt, of the health after its heal and of what
was left on the host (``raftmon.setup.leftovers``). ``faults-seen.json`` beside the page keeps each cell's word and
the sentence that says why; the page's table and its notes are made of that file. Only cells that were seen are changed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from raftmon.driver.faults.faults import catalogue
from raftmon.setup import leftovers
from raftmon.setup.python import module_command

SYSTEMS = ("etcd", "nats", "ovsdb", "dqlite", "hashicorp-raft", "zookeeper", "pysyncobj", "rabbitmq")
BEGIN, END = "<!-- faults seen: begin -->", "<!-- faults seen: end -->"
EACH_S, GAP_S, FIRST_S = 1.5, 1.5, 1.0
REFUSED = 64
NOT_APPLICABLE = "n/a"

NEWER = {
    "etcd": "etcd@3.5.30",
    "nats": "nats@2.10.27",
    "ovsdb": "ovsdb@3.5.0",
    "zookeeper": "zookeeper@3.9.3",
    "pysyncobj": "pysyncobj@0.3.17",
}
"""What a system's upgrade leads to. The others have one version: nothing to upgrade to."""
FROM = {"pysyncobj": ("--server", "pysyncobj@0.3.16")}
OTHER_RUN = {"rabbitmq": ("--workload", "queue")}
"""Further arguments of every run on a system."""
HARDER = {
    ("throttle", ""): "throttle(node=all,share=5%)",
    ("full-disk", "nats"): "full-disk(node=all)",
    ("disk-error", "nats"): "disk-error(node=all,calls=write)",
}
"""Faults that need more than their defaults to be met in so short a time, on every system ("") or on one.

nats-server syncs its files every two minutes, and an idle node does not use a fifth of the processors.
"""
UPGRADES = ("upgrade", "rolling-upgrade")
ALONE = (*UPGRADES, "majority-ring", "leader", "leader-recovery", "kill-n")
"""They stay, or need another cluster: each has a run of its own."""
LONG_S = {
    "member-add": 7.0, "member-remove": 7.0, "member-replace": 7.0,
    "rolling-upgrade": 12.0,
    "upgrade": 6.0,
}  # fmt: skip
"""etcd changes its members after all were connected for 5 s; an upgraded node has to come up again."""


class Seen(NamedTuple):
    """One cell: its word, and the sentence that says why."""

    word: str
    why: str


Cells = dict[tuple[str, str], Seen]


def cell(fault: Mapping[str, Any], left: Sequence[str]) -> Seen:
    """The cell of one fault of results.json; ``left`` is what its run left on the host."""
    if fault.get("unavailable"):
        return Seen("not possible then", str(fault["unavailable"]))
    receipt = fault.get("receipt") or {}
    flaws, why = [], [str(receipt.get("sentence", ""))]
    if fault.get("error"):
        flaws.append("failed")
        why.append(str(fault["error"]))
    if not fault.get("health_after"):
        flaws.append("not healed")
    if left:
        flaws.append("left something")
        why += left
    return Seen(", ".join([receipt.get("verdict", "no receipt"), *flaws]), "; ".join(filter(None, why)))


def schedule(names: Sequence[str], system: str = "etcd") -> tuple[str, float]:
    """The text of --fault with one after another, and how long the run must be."""
    parts, at_s = [], FIRST_S
    for name in names:
        harder = HARDER.get((name, system), HARDER.get((name, ""), name))
        text = f"{name}(to={NEWER[system]})" if name in UPGRADES else harder
        lasts_s = LONG_S.get(name, EACH_S)
        parts.append(f"{text}@{at_s:g}s..{at_s + lasts_s:g}s")
        at_s += lasts_s + GAP_S
    return ",".join(parts), at_s


def run(system: str, names: Sequence[str], settle_s: float) -> tuple[int, str, dict[str, Seen]]:
    """(exit status, last line of the run's errors, cells by fault)."""
    token = f"{os.getpid()}-{time.time_ns()}"
    before = leftovers.take(token)
    text, duration_s = schedule(names, system)
    with tempfile.TemporaryDirectory(prefix="raftmon-faults-") as store:
        command = module_command("raftmon.driver.cli", "run", "--system", system, "--duration", f"{duration_s:g}")
        command += ["--fault", text, "--store", store, *OTHER_RUN.get(system, ())]
        if "majority-ring" in names:
            command += ["--nodes", "5"]
        if set(names) & set(UPGRADES):
            command += FROM.get(system, ())
        environment = {**os.environ, leftovers.TOKEN_VARIABLE: token}
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)
        left = leftovers.settled(before, token, settle_s)
        found = sorted(Path(store).glob("*/2*/results.json"))
        faults = json.loads(found[-1].read_bytes())["faults"] if found else []
    words = (ended.stderr.strip().splitlines() or [""])[-1]
    return ended.returncode, words, {fault["name"]: cell(fault, left) for fault in faults}


def rows() -> list[str]:
    """The faults of the table. The leader's stands for all selectors (kill-one, kill-all, ...)."""
    selectors = ("one", "follower", "minority", "majority", "all", "all-but-one")
    doubled = {f"{kind}-{which}" for kind in ("kill", "pause", "restart") for which in selectors}
    return [name for name in catalogue() if name not in doubled and not name.startswith("defragment-")]


def groups_of(names: Sequence[str], together: int) -> list[list[str]]:
    """The faults of each run. Those on disks come together: they alone put the nodes' data on raftmon's filesystem."""
    others = [name for name in names if name not in ALONE]
    kinds = catalogue()
    groups = []
    for on_disks in (False, True):
        alike = [name for name in others if kinds[name].disks == on_disks]
        groups += [alike[at : at + together] for at in range(0, len(alike), together)]
    return groups + [[name] for name in names if name in ALONE]


def seen_in(system: str, group: Sequence[str], settle_s: float) -> dict[str, Seen]:
    """Cells of one run, or of one run a fault where it refuses one of them. Whatever could not be run has none."""
    found = {name: _no_upgrade(system) for name in group if name in UPGRADES and system not in NEWER}
    asked = [name for name in group if name not in found]
    if not asked:
        return found
    status, words, cells = run(system, asked, settle_s)
    for name in asked if status == REFUSED and not cells else ():
        status, words, one = (status, words, cells) if len(asked) == 1 else run(system, [name], settle_s)
        found.update({name: Seen(NOT_APPLICABLE, _reason(words))} if status == REFUSED and not one else one)
    found.update(cells)
    for name in set(asked) - set(found):
        print(f"{system} {name}: no result (exit status {status}): {words}", flush=True)
    return found


def _no_upgrade(system: str) -> Seen:
    return Seen(NOT_APPLICABLE, f"raftmon knows one version of {system}")


def _reason(words: str) -> str:
    """A refusal without what every refusal begins with."""
    return words.partition("cannot be done here: ")[2] or words.removeprefix("raftmon run: ")


def read_seen(path: Path) -> Cells:
    """The cells that were seen so far; none where there is no such file."""
    if not path.exists():
        return {}
    told = json.loads(path.read_bytes())
    return {(fault, system): Seen(**one) for fault, systems in told.items() for system, one in systems.items()}


def write_seen(path: Path, cells: Cells) -> None:
    """Keep the cells, in the order of the table."""
    told: dict[str, dict[str, Any]] = {}
    for name in rows():
        for system in SYSTEMS:
            if (name, system) in cells:
                told.setdefault(name, {})[system] = cells[name, system]._asdict()
    path.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n")


def notes(cells: Cells, names: Sequence[str]) -> list[str]:
    """Why a cell is not plainly *confirmed*: a line for each reason, with the faults and systems that it holds for."""
    lines: dict[tuple[str, str], dict[str, list[str]]] = {}
    for name in names:
        for system in SYSTEMS:
            found = cells.get((name, system))
            if found is not None and found.word != "confirmed":
                lines.setdefault((found.word, found.why), {}).setdefault(system, []).append(name)
    return [
        f"- {word}: {why or 'no reason was given'} ({_where(where)})"
        for (word, why), where in sorted(lines.items(), key=lambda one: one[0][0] != NOT_APPLICABLE)
    ]


def _where(where: Mapping[str, Iterable[str]]) -> str:
    """``jam, mute on etcd, nats``: systems with the same faults come together."""
    alike: dict[tuple[str, ...], list[str]] = {}
    for system, faults in where.items():
        alike.setdefault(tuple(faults), []).append(system)
    return "; ".join(
        f"{', '.join(f'`{one}`' for one in faults)} on {', '.join(systems)}" for faults, systems in alike.items()
    )


def written(text: str, cells: Cells, names: Sequence[str]) -> str:
    """The page with the table and its notes made of ``cells``. Raises ValueError if it has no place for them."""
    if BEGIN not in text or END not in text:
        raise ValueError(f"the page has no lines {BEGIN} and {END}")
    lines = ["| fault | " + " | ".join(SYSTEMS) + " |", "|---" * (len(SYSTEMS) + 1) + "|"]
    for name in names:
        row = [cells[name, system].word if (name, system) in cells else "" for system in SYSTEMS]
        lines.append(f"| `{name}` | " + " | ".join(row) + " |")
    found = notes(cells, names)
    lines += ["", "Why a cell is not *confirmed*:", "", *found] if found else []
    head, rest = text.split(BEGIN)
    return f"{head}{BEGIN}\n" + "\n".join(lines) + f"\n{END}{rest.split(END)[1]}"


def main() -> int:
    """Run them, print what was seen, and write it where asked."""
    parser = argparse.ArgumentParser(
        description="Run every fault on every system and fill the table of docs/faults.md."
    )
    parser.add_argument("--system", action="append", choices=SYSTEMS, help="default: all")
    parser.add_argument("--fault", action="append", help="default: all")
    parser.add_argument("--together", type=int, default=6, help="how many faults a run has, one after another")
    parser.add_argument("--settle", type=float, default=15.0, metavar="S", help="what a run left has S seconds to go")
    parser.add_argument("--write", type=Path, help="page whose table is to be filled")
    parser.add_argument("--seen", type=Path, help="file of what was seen (default: faults-seen.json beside the page)")
    parser.add_argument("--missing", action="store_true", help="only cells that were not seen yet")
    parser.add_argument("--flawed", action="store_true", help="only cells that are not confirmed, but applicable")
    parser.add_argument("--limit", type=float, metavar="S", help="begin no run after S seconds; exit status 3 then")
    parser.add_argument("--tables", action="store_true", help="run nothing; make the page of what was seen")
    arguments = parser.parse_args()
    kept = arguments.seen or (arguments.write.parent / "faults-seen.json" if arguments.write else None)
    cells = read_seen(kept) if kept else {}
    began_s = time.monotonic()
    failed = False
    for system in () if arguments.tables else arguments.system or SYSTEMS:
        names = [name for name in arguments.fault or rows() if _wanted(cells.get((name, system)), arguments)]
        for group in groups_of(names, arguments.together):
            if arguments.limit is not None and time.monotonic() - began_s > arguments.limit:
                return 3
            found = seen_in(system, group, arguments.settle)
            for name, one in found.items():
                print(f"{system} {name}: {one.word}: {one.why}", flush=True)
                failed = failed or "," in one.word or one.word == "mismatch"
            failed = failed or len(found) < len(group)
            cells.update({(name, system): one for name, one in found.items()})
            if kept:
                write_seen(kept, cells)
    if arguments.write:
        arguments.write.write_text(written(arguments.write.read_text(), cells, rows()))
    return 1 if failed else 0


def _wanted(seen: Seen | None, arguments: argparse.Namespace) -> bool:
    if arguments.flawed:
        return seen is not None and seen.word not in ("confirmed", NOT_APPLICABLE)
    return seen is None or not arguments.missing


if __name__ == "__main__":
    sys.exit(main())
