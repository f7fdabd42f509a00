"""The results of experiments as a table: medians and spread, CSV and Markdown. Pure."""

from __future__ import annotations

import csv
import io
import statistics
from collections.abc import Iterable, Mapping, Sequence

from raftmon.driver.experiments.measure import MEASURES, Measured
from raftmon.driver.experiments.published import EXPERIMENTS
from raftmon.driver.experiments.rounds import Played
from raftmon.setup.errors import InputError

__all__ = ["BEGIN", "COLUMNS", "END", "Cells", "by_cell", "in_page", "markdown", "read_csv", "spread", "write_csv"]

COLUMNS = ("scenario", "system", "round", "verdict", *MEASURES, "why", "run")
BEGIN, END = "<!-- compared: begin -->", "<!-- compared: end -->"
Cells = dict[tuple[str, str], list[Measured]]
WORDS: Mapping[str, str] = {
    "outage_ms": "unavailable while cut (s)",
    "outage_after_ms": "unavailable after the heal (s)",
    "first_answer_ms": "first answer after the heal (s)",
    "terms": "terms gained while cut",
    "terms_after": "terms gained after",
    "elections": "elections begun",
    "won": "won",
    "leaders": "new leaders",
}


def by_cell(rows: Iterable[Played]) -> Cells:
    """What was measured, by (scenario, system)."""
    found: Cells = {}
    for row in rows:
        if row.measured is not None:
            found.setdefault((row.scenario, row.system), []).append(row.measured)
    return found


def spread(values: Sequence[float], *, seconds: bool = False) -> str:
    """The median, and the least and the most where they differ: ``1.9 (1.2 to 2.4)``."""
    shown = [f"{value / 1000:.1f}" if seconds else f"{value:g}" for value in
             (statistics.median(values), min(values), max(values))]  # fmt: skip
    return shown[0] if shown[1] == shown[2] else f"{shown[0]} ({shown[1]} to {shown[2]})"


def cell(runs: Sequence[Measured], name: str) -> str:
    """One measure of several runs, as a table shows it."""
    return spread([getattr(one, name) for one in runs], seconds=name.endswith("_ms")) if runs else "–"


def write_csv(rows: Iterable[Played]) -> str:
    """One line a run, with a header; times in ms."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        measured = row.measured.to_json() if row.measured else {}
        numbers = [measured.get(name, "") for name in MEASURES]
        shown = [round(one, 1) if isinstance(one, float) else one for one in numbers]
        writer.writerow([row.scenario, row.system, row.round, row.verdict, *shown, row.why, row.run])
    return out.getvalue()


def read_csv(text: str, where: str) -> list[Played]:
    """What ``write_csv`` wrote. Raises InputError for anything else, naming the line."""
    reader = csv.DictReader(io.StringIO(text))
    if tuple(reader.fieldnames or ()) != COLUMNS:
        raise InputError(f"{where} is no table of raftmon compare: give --csv a new file")
    rows = []
    for number, row in enumerate(reader, 2):
        try:
            measured = Measured.from_json(row) if row["outage_ms"] else None
            place = int(row["round"])
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{where}, line {number}: {error}") from error
        rows.append(Played(row["scenario"], row["system"], place, row["verdict"], measured, row["why"], row["run"]))
    return rows


def _ordered(rows: Sequence[Played]) -> tuple[list[str], list[str]]:
    known = [one.name for one in EXPERIMENTS]
    scenarios = sorted({row.scenario for row in rows}, key=lambda name: known.index(name) if name in known else 99)
    return scenarios, list(dict.fromkeys(row.system for row in rows))


def markdown(rows: Sequence[Played], machine: str, picture: str | None = None) -> str:
    """The tables for docs/scenarios.md: one of outages, one of elections; a cell is a median and its spread."""
    cells, (scenarios, systems) = by_cell(rows), _ordered(rows)
    lines = [f"{machine} Median of the runs, and in brackets the least and the most where they differ.", ""]
    if picture:
        lines += [f"![How long clients had no answer, by scenario and system]({picture})", ""]
    head = ["", *systems]

    def table(title: str, show: Mapping[str, str]) -> list[str]:
        body = [f"**{title}**", "", _line(head), _line(["---"] * len(head))]
        for scenario in scenarios:
            shown = [" / ".join(cell(cells.get((scenario, system), []), name) for name in show) for system in systems]
            body.append(_line([f"`{scenario}`", *shown]))
        return [*body, ""]

    outages = ("outage_ms", "outage_after_ms", "first_answer_ms")
    lines += table(
        "Longest time without an answer to any client, in seconds: while cut / after the heal / until the first answer "
        "after the heal",
        {name: WORDS[name] for name in outages},
    )
    lines += table("Terms gained while cut / after the heal", {name: WORDS[name] for name in ("terms", "terms_after")})
    lines += table(
        "Elections begun / won / new leaders, from the cut to the end",
        {name: WORDS[name] for name in ("elections", "won", "leaders")},
    )
    runs = [_line(["", *systems]), _line(["---"] * len(head))]
    for scenario in scenarios:
        runs.append(_line([f"`{scenario}`", *(_verdicts(rows, scenario, system) for system in systems)]))
    return "\n".join([*lines, "**Runs, and those whose clients saw an anomaly**", "", *runs]) + "\n"


def _verdicts(rows: Sequence[Played], scenario: str, system: str) -> str:
    of = [row for row in rows if (row.scenario, row.system) == (scenario, system)]
    invalid = sum(row.verdict == "invalid" for row in of)
    missing = sum(row.measured is None for row in of)
    words = [f"{len(of) - missing}", *([f"{invalid} invalid"] if invalid else [])]
    return ", ".join([*words, *([f"{missing} not set up"] if missing else [])]) if of else "–"


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def in_page(page: str, text: str) -> str:
    """A page with what stands between its markers replaced. Raises InputError if it has no markers."""
    start, found, rest = page.partition(BEGIN)
    _old, closed, end = rest.partition(END)
    if not found or not closed:
        raise InputError(f"the page has no lines {BEGIN} and {END} between which the tables would go")
    return f"{start}{BEGIN}\n{text}{END}{end}"
