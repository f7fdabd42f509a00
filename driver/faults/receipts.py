"""Receipts: what shows that a fault was really there, from packets, processes or the nodes' own answers.

- *confirmed*: it was seen to take effect;
- *mismatch*: it was not as it should have been;
- *inconclusive*: nothing met it, or nobody could be asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from raftmon.driver.faults.base import Target

__all__ = ["CONFIRMED", "INCONCLUSIVE", "MISMATCH", "Receipt", "of_dead", "of_paused", "of_rules", "receipt_of"]

CONFIRMED, MISMATCH, INCONCLUSIVE = "confirmed", "mismatch", "inconclusive"


class Receipt(NamedTuple):
    """The word and why."""

    verdict: str
    sentence: str

    def to_json(self) -> dict[str, str]:
        """For results.json."""
        return self._asdict()


def receipt_of(fault: Any, target: Target) -> Receipt:
    """What a fault can show for itself, asked just before it is healed. Never raises."""
    ask = getattr(fault, "receipt", None)
    if ask is None:
        return Receipt(INCONCLUSIVE, "this fault has nothing to show for itself")
    try:
        found: Receipt = ask(target)
    except Exception as error:  # a receipt is never worth a run
        return Receipt(INCONCLUSIVE, f"it could not be asked for: {type(error).__name__}: {error}")
    return found


def of_rules(target: Target, name: str, what: str = "stopped", noun: str = "packets") -> Receipt:
    """Of rules on links: how many packets they met, by the monitor's counters, and on how many they acted."""
    matched, acted = target.rule_counts(name)
    if not matched:
        return Receipt(INCONCLUSIVE, "nothing was sent on those links while it was on")
    if not acted:
        return Receipt(MISMATCH, f"{matched:,} {noun} met it and none was {what}")
    return Receipt(CONFIRMED, f"{acted:,} of {matched:,} {noun} {what}")


def of_dead(target: Target, nodes: Sequence[str]) -> Receipt:
    """Of killed nodes: their processes are gone."""
    if not nodes:
        return Receipt(INCONCLUSIVE, "no node was alive to be killed")
    alive = [node for node in nodes if node in target.alive()]
    if alive:
        return Receipt(MISMATCH, f"{', '.join(alive)} ran although killed")
    return Receipt(CONFIRMED, f"{', '.join(nodes)} had no process until the heal")


def of_paused(target: Target, nodes: Sequence[str]) -> Receipt:
    """Of paused nodes: every thread of theirs is stopped (state T in /proc)."""
    if not nodes:
        return Receipt(INCONCLUSIVE, "no node was paused")
    running = [node for node in nodes if not target.stopped(node)]
    if running:
        return Receipt(MISMATCH, f"{', '.join(running)} ran although paused")
    return Receipt(CONFIRMED, f"{', '.join(nodes)} stood still until the heal")
