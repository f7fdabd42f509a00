"""Consistency levels below linearizability, for any model: which orders each one asks for.

A *view* is an order of updates and of one session's observations (one process is one session) in which every
observation answers as the model does. What nobody saw need not be in it.

- ``sequential``: one view of everything, in each process's order (Lamport, 1979). Not compositional: all keys at once.
- ``causal``: a view a session that keeps *happened before*, the closure of process order and reads-from (Ahamad,
  Neiger, Burns, Kohli and Hutto, 1995; for any type Perrin, Mostefaoui and Jard, PPoPP 2016).
- ``pram``: a view a session that keeps each process's order (Lipton and Sandberg, 1988).
- ``monotonic``: the four session guarantees of Terry and others (PDIS 1994) at once; each has its own name:
  ``monotonic-reads`` (later observations come later), ``read-your-writes`` (own updates before own later observations),
  ``monotonic-writes`` (each process's updates in its order), ``writes-follow-reads`` (what an update's process saw
  before it comes before it). Without monotonic reads each observation has its own view.

``edges(level, …)`` gives, for every operation, what must come before it in a view that holds it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from raftmon.setup.errors import InputError

__all__ = ["LEVELS", "LINEARIZABLE", "consistency_level", "edges", "has_one_view", "needs_sources"]

LINEARIZABLE = "linearizable"
_GUARANTEES = ("monotonic-reads", "read-your-writes", "monotonic-writes", "writes-follow-reads")
LEVELS = (LINEARIZABLE, "sequential", "causal", "pram", "monotonic", *_GUARANTEES)
"""The levels, the strongest first; the guarantees at the end do not imply each other."""

_SAME = {"linearizability": LINEARIZABLE, "sequential-consistency": "sequential", "causal-consistency": "causal"}


def consistency_level(name: str) -> str:
    """``name`` in the words of LEVELS. Raises InputError with the available levels."""
    word = name.strip().lower().replace("_", "-")
    word = _SAME.get(word, word)
    if word not in LEVELS:
        raise InputError(f"unknown consistency level {name!r} (available: {', '.join(LEVELS)})")
    return word


def needs_sources(level: str) -> bool:
    """Whether the level's order depends on which update each observation saw."""
    return level in ("causal", "monotonic", "writes-follow-reads")


def has_one_view(level: str) -> bool:
    """Whether a session's observations share a view; without monotonic reads each has its own."""
    return level in ("sequential", "causal", "pram", "monotonic", "monotonic-reads")


def edges(
    level: str,
    processes: Sequence[int],
    updates: Sequence[bool],
    certain: Sequence[bool],
    sources: Sequence[Sequence[int]],
) -> list[int]:
    """For each operation (numbered in order of call) a bit set of those that must come before it.

    ``updates`` says which change something, ``certain`` which certainly happened: others hold nothing up, unless they
    were seen (``sources``).
    """
    guarantees = set(_GUARANTEES) if level == "monotonic" else {level}
    whole = level in ("sequential", "causal", "pram")
    earlier: dict[int, list[int]] = defaultdict(list)
    before = [0] * len(processes)
    for number, process in enumerate(processes):
        for other in earlier[process]:
            if certain[other] and (whole or _ordered(guarantees, updates[other], updates[number])):
                before[number] |= 1 << other
            if "writes-follow-reads" in guarantees and updates[number]:
                for source in sources[other]:
                    before[number] |= 1 << source
        earlier[process].append(number)
        if needs_sources(level):
            for source in sources[number]:
                before[number] |= 1 << source
    return _closed(before) if needs_sources(level) else before


def _ordered(guarantees: set[str], update_before: bool, update: bool) -> bool:
    names = {
        (False, False): "monotonic-reads",
        (True, False): "read-your-writes",
        (True, True): "monotonic-writes",
        (False, True): "",
    }
    return names[update_before, update] in guarantees


def _closed(before: list[int]) -> list[int]:
    """The transitive closure."""
    found = list(before)
    changed = True
    while changed:
        changed = False
        for number, mask in enumerate(found):
            more, rest = mask, mask
            while rest:
                low = rest & -rest
                more |= found[low.bit_length() - 1]
                rest ^= low
            if more != mask:
                found[number], changed = more, True
    return found
