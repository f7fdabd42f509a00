"""The one screen at a run's end: the verdict in words, and what came to pass."""

from __future__ import annotations

import re
from pathlib import Path

from rich.console import Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from raftmon.driver.checkers.extent import UNDERSTOOD
from raftmon.driver.results.results import Results

__all__ = ["summary"]

_SHOWN = 5
_ALL_JUDGED = re.compile(r" \(\d+ [a-z ]+ judged, \d+ indefinite, 0 [a-z ]*passed over\)$")
_RULES_OF_FAULTS = ("fault-", "dead-")  # names that faults give their rules: the box has a line for each fault
_COLOURS = {"valid": "bold green", "invalid": "bold red", "unknown": "bold yellow"}


def _milliseconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f} ms" if value < 1000 else f"{value / 1000:.1f} s"


def _operations(results: Results) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("operation", "ok", "fail", "info", "p50", "p99", "max"):
        table.add_column(name, justify="left" if name == "operation" else "right")
    for f, row in results.operations.items():
        latency = row.get("latency_ms", {})
        table.add_row(
            f, str(row["ok"]), str(row["fail"]), str(row["info"]),
            *(_milliseconds(latency.get(name)) for name in ("p50", "p99", "max")),
        )  # fmt: skip
    return table


def _faults(results: Results) -> list[Text]:
    began = results.facts.began_ns or 0
    lines = []
    for fault in results.facts.faults:
        if fault["start_ns"] and fault["did"]:
            start = ((fault.get("in_force_ns") or fault["start_ns"]) - began) / 1e9
            stop = (fault["stop_ns"] - began) / 1e9 if fault["stop_ns"] else None
            span = f"{start:5.1f}s .. {f'{stop:.1f}s' if stop is not None else 'not healed'}"
            back = fault.get("recovered_ms")
            after = f"; a quorum answered {_milliseconds(back)} after the heal" if back is not None else ""
            lines.append(Text(f"{span}  {fault['did']}{after}"))
            if (receipt := fault.get("receipt")) is not None:
                style = "yellow" if receipt["verdict"] == "mismatch" else "dim"
                lines.append(Text(f"{'':16}{receipt['verdict']}: {receipt['sentence']}", style=style))
        if fault["unavailable"]:
            lines.append(Text(f"not done: {fault['name']}: {fault['unavailable']}", style="yellow"))
        if fault["error"]:
            lines.append(Text(f"failed: {fault['name']}: {fault['error']}", style="red"))
    return lines or [Text("none")]


def _leaders(results: Results) -> str:
    before, after = results.facts.leader_before, results.facts.leader_after
    if not before or not after:
        return "unknown"
    if before == after:
        return f"{before.leader} led throughout, term {before.term}"
    known = before.term and after.term  # 0: the system does not say
    terms = f", term {before.term} → {after.term}" if known else ""
    if before.leader == after.leader:
        return f"{before.leader} led at the start and, after others or a pause, again at the end{terms}"
    return f"{before.leader} led at the start, {after.leader} at the end{terms}"


def _monitor(results: Results) -> Text:
    counters = results.monitor
    if not counters:
        return Text("no monitor stood between the nodes")
    # Without root the kernel's own counters cannot be read (None): gaps in packet ids stand for them.
    kernel, user = counters.get("queue_kernel_dropped"), counters.get("queue_user_dropped")
    lost = counters.get("queue_id_gaps", 0) if kernel is None and user is None else (kernel or 0) + (user or 0)
    own = counters.get("own_time_us", {})
    recorder = counters.get("recorder") or {}
    changed = f" and {counters['modified']:,} changed" if counters.get("modified") else ""
    text = (
        f"{counters.get('packets', 0):,} packets seen, {recorder.get('packets', 0):,} recorded, "
        f"{counters.get('dropped', 0):,} dropped{changed} by rules; {lost} dropped by the kernel queue, "
        f"{counters.get('truncated', 0)} truncated; "
        f"processing time per packet {own.get('p50', 0):.0f} µs (p50), {own.get('p99', 0):.0f} µs (p99)"
    )
    if "max" in own:
        text += f", {_milliseconds(own['max'] / 1000)} (max)"
    if stalls := counters.get("stalls_ms"):
        text += "; longest standstill: " + ", ".join(f"{name} {_milliseconds(ms)}" for name, ms in stalls.items())
    return Text(text)


def _outages(results: Results) -> list[Text]:
    """Spans in which no client had success; the first few."""
    found = results.outages
    lines = [
        Text(f"{one['start_s']:5.1f}s  no operation of any client succeeded for {_milliseconds(one['ms'])}")
        for one in found
    ]
    return lines[:_SHOWN] + ([Text(f"and {len(lines) - _SHOWN} more")] if len(lines) > _SHOWN else [])


def _rules(results: Results) -> list[Text]:
    """The user's own rules, removed ones too: what each matched and acted on, and whether its code failed."""
    lines = []
    removed = 0
    for name, counts in ((results.monitor or {}).get("rules") or {}).items():
        gone = counts.get("removed", False)
        if gone and name.startswith(_RULES_OF_FAULTS):
            continue
        removed += gone
        if gone and removed > _SHOWN:
            continue
        who = f"{name} (removed)" if gone else name
        if counts.get("packets"):
            text = f"{who}: matched {counts['packets']:,}, acted on {counts.get('hits', 0):,}"
        else:
            text = f"{who}: matched nothing"
        lines.append(Text(text))
        if counts.get("errors"):
            words = f"{name}: your code raised {counts['errors']:,} times, and the packets passed; see monitor.log"
            lines.append(Text(words, style="red"))
    if removed > _SHOWN:
        lines.append(Text(f"and {removed - _SHOWN} more that were removed; monitor.json has them all"))
    return lines


def _judged(results: Results) -> str:
    """How much the checkers understood, once for all that passed nothing over; the others say it themselves."""
    extents = [row["details"][UNDERSTOOD] for row in results.checkers.values() if UNDERSTOOD in row.get("details", {})]
    whole = [extent for extent in extents if not extent["passed_over"]]
    if not whole:
        return ""
    operations = max(whole, key=lambda extent: int(extent["judged"]))["judged"]
    most = max(int(extent["indefinite"]) for extent in whole)
    return f"all {operations:,} operations or messages; {most:,} of unknown outcome (info), none passed over"


def _run(results: Results) -> str:
    """System, server, workload and seed: what repeats the run."""
    config = results.config
    server = next((part for part in Path(str(config.get("server") or "")).parts if "@" in part), config.get("server"))
    nodes = [f"{node} {spec}" for node, spec in (config.get("servers") or {}).items()]
    named = ", ".join([str(server)] * bool(server) + nodes)
    what = str(config.get("system", "")) + (f" ({named})" if named else "")
    return f"{what}, workload {config.get('workload')}, seed {config.get('seed')}"


def _acts(results: Results) -> list[Text]:
    """What rules did to nodes: when, and how long after the packet that the rule was about."""
    began = results.facts.began_ns or 0
    lines = []
    for act in (results.monitor or {}).get("node_acts") or []:
        text = f"{(act['done_ns'] - began) / 1e9:5.1f}s  rule {act['rule']} {act['what']} {act['node']}"
        if act["done_ns"] > act["packet_ns"]:
            text += f", {_milliseconds((act['done_ns'] - act['packet_ns']) / 1e6)} after its packet came"
        lines.append(Text(text))
    return lines[:_SHOWN] + ([Text(f"and {len(lines) - _SHOWN} more")] if len(lines) > _SHOWN else [])


def summary(results: Results, folder: str) -> Group:
    """The one screen: verdict in words, what clients did, faults, leaders, the monitor's own health, the folder."""
    verdict = results.valid.value
    body = Table.grid(padding=(0, 2))
    body.add_column(style="dim", no_wrap=True)
    body.add_column()
    body.add_row("clients", _operations(results))
    if judged := _judged(results):
        body.add_row("judged", Text(judged))
    body.add_row("faults", Group(*_faults(results)))
    if lines := _outages(results):
        body.add_row("outages", Group(*lines))
    if lines := [*_rules(results), *_acts(results)]:
        body.add_row("rules", Group(*lines))
    for death in results.facts.deaths:
        body.add_row("crash", Text(death, style="red"))
    if results.facts.leader_before:
        body.add_row("leaders", _leaders(results))
    for deviation in results.checkers.get("invariants", {}).get("details", {}).get("deviations", ()):
        body.add_row("protocol", Text(f"{deviation} (allowed, not a violation)"))
    body.add_row("monitor", _monitor(results))
    for one in results.explanations[:_SHOWN]:
        body.add_row("blame", Text(one["blame"], style="red"))
    for reason in results.reasons:
        body.add_row("because", Text(reason, style="yellow"))
    body.add_row("folder", folder)
    body.add_row("run", Text(_run(results)))
    sentences = [Text(_ALL_JUDGED.sub("", sentence)) for sentence in results.sentences]
    head = Text(verdict.upper(), style=_COLOURS.get(verdict, "bold"))
    return Group(Panel(Group(*sentences, Text(), body), title=head, title_align="left", border_style=_COLOURS[verdict]))
