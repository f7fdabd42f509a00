"""What the CAP theorem says of a run: consistent or available where it was cut, in a label and a sentence.

Brewer (2000); Gilbert and Lynch (2002). Only nodes that were cut off from others count, not ones that were killed or
paused themselves.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from raftmon.driver.checkers.availability.measure import NodeAvailability, Window
from raftmon.driver.checkers.base import Result, Valid, combine

__all__ = ["SERVED_SHARE", "CapVerdict", "Label", "cap_verdict"]

SERVED_SHARE = 0.8  # of what the node answered without faults
SILENT_SHARE = 0.5  # of the window: clients that wait for an answer ask little, so a silence counts by its length


class Label(enum.StrEnum):
    """The verdict in a few words. The last two are said where CAP's choice was not put."""

    CP = "consistent and unavailable where cut"
    AP = "available and inconsistent"
    NEITHER = "neither"
    BOTH = "both only without faults"
    UNHURT = "consistent and available: no cut was felt"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class CapVerdict:
    """A label, a sentence, and how it came about: which anomaly, which nodes, which window (empty if none)."""

    label: Label
    sentence: str
    how: str = ""


def cap_verdict(
    served: Sequence[NodeAvailability], windows: Sequence[Window], consistency: Sequence[Result]
) -> CapVerdict:
    """The verdict over all windows that cut links.

    A node is *unserved* in a window if less than 80% of its operations were answered, compared with what it answered
    without faults, or if it gave no answer for half of the window at a stretch. Where consistency failed, a node counts
    as served if it answered its reads (or its updates): that is how an inconsistent answer was given.
    """
    consistent = combine(consistency)
    if not served or consistent is Valid.UNKNOWN:
        why = next((r.sentence for r in consistency if r.valid is Valid.UNKNOWN), "no consistency was checked")
        if not served:
            why = "the history has no operations"
        return CapVerdict(Label.UNKNOWN, f"Unknown: {why}.", _where(_cut_off(served, windows, False), windows))
    broken = consistent is Valid.NO
    unserved = _cut_off(served, windows, broken)
    anomaly = _anomaly(windows, consistency) if broken else ""
    calm = [one for one in served if not one.window and one.operations and (one.share or 0) < SERVED_SHARE]
    if not windows:
        return _without_faults(broken, anomaly, calm)
    nodes = _names(unserved)
    if broken and unserved:
        sentence = f"Neither consistent nor available: requests to {nodes} went unanswered during a partition."
        return CapVerdict(Label.NEITHER, sentence, f"{anomaly} {_where(unserved, windows)}")
    if broken:
        partly = _cut_off(served, windows, False)
        kinds = " its reads or its updates" if partly else ""
        sentence = f"Available and inconsistent: every node answered{kinds} during the partition, some incorrectly."
        return CapVerdict(Label.AP, sentence, f"{anomaly} {_where(partly, windows)}".strip())
    if unserved:
        return CapVerdict(Label.CP, "Consistent, partially unavailable (CP)", _where(unserved, windows))
    return CapVerdict(Label.UNHURT, "Consistent and available: no fault kept a connected node from answering.")


def _without_faults(broken: bool, anomaly: str, calm: Sequence[NodeAvailability]) -> CapVerdict:
    if broken or calm:
        words = [word for word, true in (("inconsistent", broken), ("unavailable", bool(calm))) if true]
        where = f" {', '.join(one.node for one in calm)} answered too few requests." if calm else ""
        return CapVerdict(
            Label.NEITHER, f"{' and '.join(words).capitalize()} even without faults.", (anomaly + where).strip()
        )
    sentence = "Consistent and available, but no fault was injected."
    return CapVerdict(Label.BOTH, sentence)


def _cut_off(served: Sequence[NodeAvailability], windows: Sequence[Window], kindly: bool) -> list[NodeAvailability]:
    """The nodes and windows in which a node that ran was unserved; ``kindly`` takes the better of reads and updates."""
    cutting = {window.name: window for window in windows if window.links}
    calm = {one.node: one for one in served if not one.window}
    found = []
    for one in served:
        if one.window not in cutting or one.failed_itself or not one.operations:
            continue
        ratios = []
        for kind in ("reads", "updates") if kindly else ("share",):
            share, usual = getattr(one, kind), getattr(calm.get(one.node), kind, None)
            if share is not None:
                ratios.append(share / usual if usual else share)
        if max(ratios, default=1.0) < SERVED_SHARE or _silent(one, cutting[one.window]):
            found.append(one)
    return found


def _silent(one: NodeAvailability, window: Window) -> bool:
    if window.stop_ns is None or one.longest_gap_ms is None:
        return False
    return one.longest_gap_ms * 1e6 >= SILENT_SHARE * (window.stop_ns - window.start_ns)


def _names(unserved: Sequence[NodeAvailability]) -> str:
    return ", ".join(dict.fromkeys(one.node for one in unserved))


def _where(unserved: Sequence[NodeAvailability], windows: Sequence[Window]) -> str:
    """With the fault's length: clients that wait ask little, so a share of requests alone flatters."""
    lengths = {w.name: f" of {_duration((w.stop_ns - w.start_ns) / 1e6)}" for w in windows if w.stop_ns is not None}
    parts = [
        f"during {one.window}, {one.node} answered {one.answered} of {one.operations} requests "
        f"({round(100 * (one.share or 0))}%); longest gap {_duration(one.longest_gap_ms or 0)}"
        f"{lengths.get(one.window, '')}"
        for one in unserved
    ]
    return f"{'; '.join(parts)}." if parts else ""


def _duration(ms: float) -> str:
    return f"{ms:.0f} ms" if ms < 1000 else f"{ms / 1000:.1f} s"


def _anomaly(windows: Sequence[Window], consistency: Sequence[Result]) -> str:
    """Which anomaly, on which nodes, in which window; the checker's own result says the rest, once."""
    for result in consistency:
        if result.valid is not Valid.NO:
            continue
        found = result.counterexample
        names = ", ".join(result.details.get("anomalies", {})) or "not linearizable"
        text = f"{result.checker}: {names}"
        if found is None:
            return f"{text}."
        nodes = sorted({operation.node for operation in found.operations if operation.node})
        if nodes:
            text += f", seen at {', '.join(nodes)}"
        at_ns = found.at_ns
        if at_ns is not None:
            during = [w.name for w in windows if w.start_ns <= at_ns and (w.stop_ns is None or at_ns < w.stop_ns)]
            after = [w for w in windows if w.stop_ns is not None and w.stop_ns <= at_ns]
            if during:
                text += f", during {' and '.join(during)}"
            elif after:
                last = max(after, key=lambda window: window.stop_ns or 0)
                text += f", after {last.name} had healed"
            else:
                text += ", outside of every fault"
        return f"{text}."
    return ""
