"""Why nobody was served for a time, as far as the wire says: who led before, what made it stop, who led after."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

__all__ = ["outage_sentences"]

_MOST = 5
_BEFORE_S, _AFTER_S = 1.0, 1.0  # how far from the outage its cause and its end are looked for
_TOLD_S = 0.1  # between a request for a vote and what it does
_HEALED_S = 10.0


def outage_sentences(story: dict[str, Any]) -> list[str]:
    """A sentence for each of the first outages of a story (see ``story.py``); times are its seconds."""
    leaders = list(_leaders(story.get("states") or []))
    return [_sentence(outage, leaders, story) for outage in (story.get("outages") or [])[:_MOST]]


def _leaders(states: list[list[Any]]) -> Iterator[tuple[float, str, int]]:
    """(when, node, term) of each time a node came to lead."""
    before: dict[str, tuple[Any, Any]] = {}
    for at_s, node, term, role, *_ in states:
        if role == "leader" and before.get(node) != (term, role):
            yield at_s, node, term
        before[node] = (term, role)


def _sentence(outage: dict[str, Any], leaders: list[tuple[float, str, int]], story: dict[str, Any]) -> str:
    start_s, stop_s = outage["start"], outage["stop"]
    during = [one["name"] for one in story.get("faults") or [] if one["start"] <= start_s <= (one["stop"] or stop_s)]
    when = f"From {start_s:.1f} s, during {', '.join(during)}," if during else f"From {start_s:.1f} s"
    head = f"{when} no operation succeeded for {stop_s - start_s:.1f} s."
    led = [one for one in leaders if one[0] <= start_s]
    if not led:
        return head
    _, node, term = led[-1]
    after = next((one for one in leaders if start_s < one[0] <= stop_s + _AFTER_S), None)
    down_s = _stepped_down(story["states"], node, term, start_s - _BEFORE_S, stop_s)
    if down_s is not None:
        told = _told_by(story, node, term, down_s)
        why = f" when {told[0]} asked for votes in term {told[1]}{_after_heal(story, down_s)}" if told else ""
        head += f" {node}, which led term {term}, stepped down at {down_s:.2f} s{why}."
    elif after is not None:
        head += f" {node} had led term {term}, and was not heard to step down."
    else:
        return f"{head} {node} led term {term} all the time, as far as the wire shows."
    if after is None:
        return f"{head} No new leader was seen before its end."
    return f"{head} {after[1]} led term {after[2]} from {after[0]:.2f} s."


def _stepped_down(states: list[list[Any]], node: str, term: int, from_s: float, to_s: float) -> float | None:
    """When the wire first shows that node in a higher term, and not leading, in that time."""
    for at_s, who, now, role, *_ in states:
        if who == node and from_s <= at_s <= to_s and now > term and role != "leader":
            return float(at_s)
    return None


def _told_by(story: dict[str, Any], node: str, term: int, at_s: float) -> tuple[str, int] | None:
    """Who asked that node for its vote in a higher term just before: (candidate, term)."""
    messages = story.get("messages") or {}
    names = messages.get("names") or []
    found = None
    for row in messages.get("rows") or []:
        _, sent_s, kind, source, target, asked = row[:6]
        if sent_s > at_s + _TOLD_S:
            break
        name = names[kind]
        asks = "Vote" in name and "Resp" not in name and asked > term and names[target] == node
        if asks and at_s - _TOLD_S <= sent_s and row[15] != 0:
            found = names[source], asked
    return found


def _after_heal(story: dict[str, Any], at_s: float) -> str:
    """Which fault had healed shortly before, in words."""
    healed = [one for one in story.get("faults") or [] if one["stop"] is not None and one["stop"] <= at_s]
    last = max(healed, key=lambda one: float(one["stop"]), default=None)
    if last is None or at_s - last["stop"] > _HEALED_S:
        return ""
    return f", {at_s - last['stop']:.1f} s after {last['name']} had healed"
