"""Isolation levels, the anomalies each forbids, and which levels a set of anomalies leaves standing.

After Adya (1999), Cerone, Bernardi and Gotsman (2015) for snapshot isolation, and Elle's own table. Predicates are not
looked at, so repeatable-read is PL-2.99 over items. ``strong-session-`` levels also forbid a cycle through process
order, ``strong-`` and ``strict-`` ones also through real time.
"""

from __future__ import annotations

from collections.abc import Iterable

from raftmon.setup.errors import InputError

__all__ = ["LEVELS", "isolation_level", "ruled_out", "strongest_left"]

_BASIC = {"G0", "duplicate-elements", "garbage-read", "cyclic-versions"}
_COMMITTED = _BASIC | {"G1a", "G1b", "G1c", "dirty-update", "incompatible-order"}
_VIEW = _COMMITTED | {"G-single", "lost-update", "internal"}
_SNAPSHOT = _VIEW | {"G-nonadjacent"}
_SERIALIZABLE = _SNAPSHOT | {"G2-item"}
_CYCLES = {"G0", "G1c", "G-single", "G-nonadjacent", "G2-item"}


def _with(anomalies: set[str], *orders: str) -> set[str]:
    return anomalies | {f"{name}-{order}" for name in anomalies & _CYCLES for order in orders}


# level -> (anomalies it forbids, levels just below it)
LEVELS: dict[str, tuple[set[str], tuple[str, ...]]] = {
    "read-uncommitted": (_BASIC, ()),
    "read-committed": (_COMMITTED, ("read-uncommitted",)),
    "consistent-view": (_VIEW, ("read-committed",)),
    "repeatable-read": (_SERIALIZABLE, ("consistent-view",)),
    "snapshot-isolation": (_SNAPSHOT, ("consistent-view",)),
    "serializable": (_SERIALIZABLE, ("repeatable-read", "snapshot-isolation")),
    "strong-session-snapshot-isolation": (_with(_SNAPSHOT, "process"), ("snapshot-isolation",)),
    "strong-session-serializable": (
        _with(_SERIALIZABLE, "process"),
        ("serializable", "strong-session-snapshot-isolation"),
    ),
    "strong-snapshot-isolation": (
        _with(_SNAPSHOT, "process", "realtime"),
        ("strong-session-snapshot-isolation",),
    ),
    "strict-serializable": (
        _with(_SERIALIZABLE, "process", "realtime"),
        ("strong-session-serializable", "strong-snapshot-isolation"),
    ),
}


def isolation_level(name: str) -> str:
    """``name`` in the words of LEVELS; raises InputError with the available names."""
    word = name.strip().lower().replace("_", "-").replace(" ", "-").replace("serialisable", "serializable")
    word = {"strict-serializability": "strict-serializable", "serializability": "serializable"}.get(word, word)
    if word not in LEVELS:
        raise InputError(f"unknown isolation level {name!r} (available: {', '.join(LEVELS)})")
    return word


def ruled_out(anomalies: Iterable[str]) -> set[str]:
    """The levels that forbid one of ``anomalies``."""
    found = set(anomalies)
    return {level for level, (forbidden, _) in LEVELS.items() if forbidden & found}


def strongest_left(anomalies: Iterable[str]) -> list[str]:
    """The strongest levels that none of ``anomalies`` rules out; several where none of them implies another."""
    gone = ruled_out(anomalies)
    left = [level for level in LEVELS if level not in gone]
    implied = {weaker for level in left for weaker in LEVELS[level][1]}
    return [level for level in left if level not in implied]
