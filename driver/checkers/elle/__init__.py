"""Elle: isolation anomalies in transactions, from what clients saw alone.

After Kingsbury and Alvaro, "Elle: Inferring Isolation Anomalies from Experimental Observations" (VLDB 2020): recover
the order of each key's versions, draw the dependency graph, look for cycles, and name them. It is sound: what it
reports did happen, whatever indefinite transactions did. For lists it is complete where every append is read.

    from raftmon.driver.checkers.elle import ListAppend
    result = ListAppend(expected="serializable").check(history)

Operations: ``f="txn"``, ``value`` a list of micro-operations ``["append", key, element]``, ``["w", key, value]``,
``["r", key, null]`` when invoked, ``["r", key, what it saw]`` when completed (a list for ListAppend). Each element or
value is written to a key at most once in a history.
"""

from __future__ import annotations

from raftmon.driver.checkers.elle.checker import ListAppend, RwRegister

__all__ = ["ListAppend", "RwRegister"]
