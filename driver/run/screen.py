"""What a user sees while a run goes on, and the one screen at its end. Reads well in a terminal and in a log file."""

from __future__ import annotations

import time
from typing import Any

from rich.console import Console, Group
from rich.panel import Panel
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

__all__ = ["RunScreen", "summary"]

_SHOWN = 5
_RULES_OF_FAULTS = ("fault-", "dead-")  # names that faults give their rules: the box has a line for each fault
_COLOURS = {"valid": "bold green", "invalid": "bold red", "unknown": "bold yellow"}


class RunScreen:
    """The progress of one run: phases and events as lines, the workload as a bar (a line now and then in a file)."""

    def __init__(self, console: Console, quiet: bool = False) -> None:
        self._console = console
        self._quiet = quiet
        self._began_ns: int | None = None
        self._bar: Progress | None = None
        self._task: Any = None
        self._next_line_s = 0.0

    def _line(self, text: str, style: str = "") -> None:
        if not self._quiet:
            # Before the clients' first operation is planned nobody knows how long it is until then.
            seconds = None if self._began_ns is None else (time.monotonic_ns() - self._began_ns) / 1e9
            stamp = " " * 10 if seconds is None else f"{seconds:7.1f}s  "
            self._console.print(Text(stamp, style="dim") + Text(text, style=style), highlight=False)

    def phase(self, text: str) -> None:
        """Close the bar if there is one, and name the phase."""
        self.close()
        self._line(text)

    def event(self, text: str) -> None:
        """One line, above the bar."""
        self._line(text, "cyan")

    def began(self, begin_ns: int) -> None:
        """From now on lines count seconds from this CLOCK_MONOTONIC time, the clients' first operation."""
        self._began_ns = begin_ns

    def work(self, done_s: float, whole_s: float, stats: dict[str, Any]) -> None:
        """Move the bar on; in a log file print a line every tenth of the work."""
        counts = " ".join(f"{stats.get(name, 0)} {name}" for name in ("ok", "fail", "info"))
        if self._quiet:
            return
        if not self._console.is_terminal:
            if done_s >= self._next_line_s:
                self._line(f"{done_s:5.1f} of {whole_s:g} s  {counts}")
                self._next_line_s += whole_s / 10
            return
        if self._bar is None:
            self._bar = Progress(
                TextColumn("         working"), BarColumn(), TextColumn("{task.fields[counts]}"),
                console=self._console, transient=True,
            )  # fmt: skip
            self._task = self._bar.add_task("work", total=whole_s, counts="")
            self._bar.start()
        self._bar.update(self._task, completed=done_s, counts=counts)

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def _milliseconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f} ms" if value < 1000 else f"{value / 1000:.1f} s"


def _operations(results: dict[str, Any]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("operation", "ok", "fail", "info", "p50", "p99", "max"):
        table.add_column(name, justify="left" if name == "operation" else "right")
    for f, row in results.get("operations", {}).items():
        latency = row.get("latency_ms", {})
        table.add_row(
            f, str(row["ok"]), str(row["fail"]), str(row["info"]),
            *(_milliseconds(latency.get(name)) for name in ("p50", "p99", "max")),
        )  # fmt: skip
    return table


def _faults(results: dict[str, Any]) -> list[Text]:
    began = results.get("began_ns") or 0
    lines = []
    for fault in results.get("faults", []):
        if fault["start_ns"] and fault["did"]:
            start = (fault["start_ns"] - began) / 1e9
            stop = (fault["stop_ns"] - began) / 1e9 if fault["stop_ns"] else None
            span = f"{start:5.1f}s .. {f'{stop:.1f}s' if stop is not None else 'not healed'}"
            back = fault.get("recovered_ms")
            after = f"; a quorum answered {_milliseconds(back)} after the heal" if back is not None else ""
            lines.append(Text(f"{span}  {fault['did']}{after}"))
        if fault["unavailable"]:
            lines.append(Text(f"not done: {fault['name']}: {fault['unavailable']}", style="yellow"))
        if fault["error"]:
            lines.append(Text(f"failed: {fault['name']}: {fault['error']}", style="red"))
    return lines or [Text("none")]


def _leaders(results: dict[str, Any]) -> str:
    before, after = results.get("leader_before"), results.get("leader_after")
    if not before or not after:
        return "unknown"
    if before == after:
        return f"{before['leader']} led throughout, term {before['term']}"
    known = before["term"] and after["term"]  # 0: the system does not say
    terms = f", term {before['term']} → {after['term']}" if known else ""
    if before["leader"] == after["leader"]:
        return f"{before['leader']} led at the start and, after others or a pause, again at the end{terms}"
    return f"{before['leader']} led at the start, {after['leader']} at the end{terms}"


def _monitor(results: dict[str, Any]) -> Text:
    counters = results.get("monitor")
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
    return Text(text)


def _outages(results: dict[str, Any]) -> list[Text]:
    """Spans in which no client had success; the first few."""
    found = results.get("outages", [])
    lines = [
        Text(f"{one['start_s']:5.1f}s  no operation of any client succeeded for {_milliseconds(one['ms'])}")
        for one in found
    ]
    return lines[:_SHOWN] + ([Text(f"and {len(lines) - _SHOWN} more")] if len(lines) > _SHOWN else [])


def _rules(results: dict[str, Any]) -> list[Text]:
    """The user's own rules, removed ones too: how often each acted, and whether its code failed."""
    lines = []
    removed = 0
    for name, counts in ((results.get("monitor") or {}).get("rules") or {}).items():
        gone = counts.get("removed", False)
        if gone and name.startswith(_RULES_OF_FAULTS):
            continue
        removed += gone
        if gone and removed > _SHOWN:
            continue
        who = f"{name} (removed)" if gone else name
        if counts.get("packets"):
            text = f"{who}: acted {counts.get('hits', 0):,} times, asked {counts['packets']:,} times"
        else:
            text = f"{who}: never asked, as nothing came that it is for"
        lines.append(Text(text))
        if counts.get("errors"):
            words = f"{name}: your code raised {counts['errors']:,} times, and the packets passed; see events.jsonl"
            lines.append(Text(words, style="red"))
    if removed > _SHOWN:
        lines.append(Text(f"and {removed - _SHOWN} more that were removed; monitor.json has them all"))
    return lines


def summary(results: dict[str, Any], folder: str) -> Group:
    """The one screen: verdict in words, what clients did, faults, leaders, the monitor's own health, the folder."""
    verdict = results["valid"]
    body = Table.grid(padding=(0, 2))
    body.add_column(style="dim", no_wrap=True)
    body.add_column()
    body.add_row("clients", _operations(results))
    body.add_row("faults", Group(*_faults(results)))
    if lines := _outages(results):
        body.add_row("outages", Group(*lines))
    if lines := _rules(results):
        body.add_row("rules", Group(*lines))
    for death in results.get("deaths", []):
        body.add_row("crash", Text(death, style="red"))
    if results.get("leader_before"):
        body.add_row("leaders", _leaders(results))
    body.add_row("monitor", _monitor(results))
    for reason in results.get("reasons", []):
        body.add_row("because", Text(reason, style="yellow"))
    body.add_row("folder", folder)
    sentences = [Text(sentence) for sentence in results.get("sentences", [])]
    head = Text(verdict.upper(), style=_COLOURS.get(verdict, "bold"))
    return Group(Panel(Group(*sentences, Text(), body), title=head, title_align="left", border_style=_COLOURS[verdict]))
