"""The register checker: zones where values are unique, search for what zones cannot say.

Most keys of most histories are decided by ``zones`` in O(n log n). Left to the search (``search.py``, bounded by the
limits) are keys where a value was written twice or a delete cannot be told from another by its revision, and keys
with a failed cas that did not say what it found and is not free (see ``mismatches``).
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raftmon.driver.checkers.base import ONLY_IF, Counterexample, Result, Valid
from raftmon.driver.checkers.search.explain import EXPLAIN_S, explain, explanation_s, shrink
from raftmon.driver.checkers.search.linearizable import first_failure, scale_of, search_partitions
from raftmon.driver.checkers.search.models import CasRegister
from raftmon.driver.checkers.search.search import Limits, Search
from raftmon.driver.checkers.search.sentences import describe_violation
from raftmon.driver.checkers.versioned import version_conflict, without_versions
from raftmon.driver.checkers.words import initial_option, timeline
from raftmon.driver.checkers.zones.mismatches import binding_mismatches
from raftmon.driver.checkers.zones.observations import CAS, MISMATCH, READ, SKIP, WRITE, Observations, observe
from raftmon.driver.checkers.zones.revisions import tell_deletes_apart
from raftmon.driver.checkers.zones.zones import Conflict, Violation, find_violations
from raftmon.driver.histories.model import Columns, History
from raftmon.driver.histories.operation import Operation

__all__ = ["RegisterChecker"]

Integers = NDArray[np.int64]
_MOST_SUPPORT = 300  # operations in the proof of a violation; a longer chain of cas is not proved a second time


@dataclass(frozen=True, slots=True)
class RegisterChecker:
    """Are the registers of this history, one a key, linearizable?

    Operations are read, write, cas and delete; see ``observations.py`` for their names and what failures mean. The
    initial value is ``history.meta.initial``. Result details: ``operations``, ``keys``, ``indefinite`` (how many),
    ``searched_keys`` with why, ``left_out`` (operations of functions or values that a register does not know).
    """

    name: str = "register"
    timeout_s: float | None = None
    memory_mb: float | None = None
    explain_s: float = EXPLAIN_S

    @property
    def stops_by_itself(self) -> bool:
        """Always: it honours its limits, or takes a time in proportion to the history (see ``safe.py``)."""
        return True

    def limited(self, timeout_s: float | None, memory_mb: float | None) -> RegisterChecker:
        """A copy with these limits."""
        return replace(self, timeout_s=timeout_s, memory_mb=memory_mb)

    def explaining(self, explain_s: float) -> RegisterChecker:
        """A copy that may take so long to make a counterexample small."""
        return replace(self, explain_s=explain_s)

    def check(self, history: History) -> Result:
        """Judge every key; the first violation in time is explained."""
        plain = without_versions(history)
        if plain is None:
            result = self._check(history)
            began = self._began_with(history) if result.valid is Valid.NO else None
            if began is not None:
                result.details[ONLY_IF] = began
            return result
        conflict = version_conflict(history)
        if conflict is not None:
            scale = scale_of(history)
            sentence = f"{scale.words(conflict[0])} and {scale.words(conflict[1])} give one version two values"
            found = Counterexample(conflict, sentence, conflict[0].key, conflict[1].call_ns, timeline(conflict, scale))
            return Result(Valid.NO, self.name, f"invalid: {sentence}", {"versions": True}, found)
        result = self._check(plain)
        result.details["versions"] = True
        result.sentence += " (values judged; of versions only that each has one value)"
        return result

    def _check(self, history: History) -> Result:
        limits = Limits(self.timeout_s, self.memory_mb)
        columns = history.columns
        plain = observe(columns, history.meta.initial)
        seen, undeletable = tell_deletes_apart(plain, columns)
        searched = _repeated_keys(seen)
        searched.update(dict.fromkeys(undeletable, "deletes that no revision tells apart"))
        details = _details(history, plain)
        in_zones = ~np.isin(seen.key, np.array(sorted(searched), np.int64))
        rows = np.flatnonzero(in_zones)
        violations = find_violations(seen, rows)
        doubt = _misunderstood(violations[0], plain) if violations else None
        if doubt is not None:
            key = columns.keys.objects[violations[0].key]
            words = describe_violation(violations[0], columns, scale_of(history), key)
            sentence = f"unknown: {doubt}. As a register's it would be: {words}"
            return Result(Valid.UNKNOWN, self.name, sentence, details)
        if violations:
            counterexample = _explain_zones(history, plain, seen, violations[0], self.explain_s / 2)
            return Result(Valid.NO, self.name, f"invalid: {counterexample.sentence}", details, counterexample)
        free = _free_mismatches(seen, rows, searched)
        return self._search(history, searched, free, details, limits)

    def _began_with(self, history: History) -> str | None:
        """That all is well if registers held at first what somebody saw and nobody had written; None if not so."""
        if history.meta.initial is not None:
            return None
        seen = observe(history.columns, None)
        unwritten = np.setdiff1d(seen.saw[(seen.saw >= 0) & (seen.saw != seen.initial)], seen.wrote)
        if len(unwritten) != 1:
            return None
        value = seen.values[int(unwritten[0])]
        meta = replace(history.meta, initial=value)
        if self._check(History(columns=history.columns, problems=history.problems, meta=meta)).valid is not Valid.YES:
            return None
        return (
            f"{value!r} was there before anything was written, and if every register holds {value!r} at first this "
            f"history is linearizable: say so with {initial_option(value)}, or name the checker "
            "(--checker register) if they hold nothing"
        )

    def _search(
        self, history: History, searched: dict[int, str], free: set[int], details: dict[str, Any], limits: Limits
    ) -> Result:
        columns = history.columns
        model = CasRegister(history.meta.initial)
        groups: dict[Hashable, list[Operation]] = {
            key: [columns.operation(row) for row in rows.tolist() if row not in free]
            for key, rows in _rows_by_key(columns.key, np.arange(len(columns)), set(searched)).items()
        }
        found = search_partitions(groups, model, limits)
        if searched:
            objects = columns.keys.objects
            details["searched_keys"] = {str(objects[key]): why for key, why in searched.items()}
        if any(result.valid is Valid.NO for result in found.values()):
            worst = first_failure(found)
            budget = explanation_s(self.explain_s, None if self.timeout_s is None else limits.left_s())
            key = columns.keys.objects[worst] if isinstance(worst, int) else None
            counterexample = explain(groups[worst], model, scale_of(history), key, budget)
            return Result(Valid.NO, self.name, f"invalid: {counterexample.sentence}", details, counterexample)
        unknown = {key: result for key, result in found.items() if result.valid is Valid.UNKNOWN}
        if unknown:
            return Result(Valid.UNKNOWN, self.name, _why_unknown(unknown, searched, columns, details), details)
        sentence = f"valid: {len(history)} operations on {details['keys']} keys are linearizable"
        return Result(Valid.YES, self.name, sentence, details)


_COLLECTIONS = (tuple, list, dict, set, frozenset)


def _misunderstood(violation: Violation, seen: Observations) -> str | None:
    """Why a value that nobody wrote says more of how values are written down than of the register; None if not so."""
    if violation.conflict is not Conflict.NEVER_WRITTEN:
        return None
    read = seen.values[int(seen.saw[violation.rows[0]])]
    wrote = [seen.values[code] for code in np.unique(seen.wrote[seen.wrote >= 0]).tolist()]
    if isinstance(read, _COLLECTIONS) and not any(isinstance(value, _COLLECTIONS) for value in wrote):
        return "lists or maps were read and none was ever written, so these are reads of something else than a register"
    if any(isinstance(value, str) is not isinstance(read, str) and str(value) == str(read) for value in wrote):
        return f"{read!r} was read and what looks like it was written as another type (a number, a text)"
    return None


def _why_unknown(
    unknown: dict[Hashable, Search], searched: dict[int, str], columns: Columns, details: dict[str, Any]
) -> str:
    key, result = next(iter(unknown.items()))
    assert isinstance(key, int)
    details["longest_prefix"] = [operation.index for operation in result.order]
    key_name = columns.keys.objects[key]
    return (
        f"unknown: key {key_name!r} has {searched[key]}, so it had to be searched, and {result.reason}; "
        f"{len(result.order)} of its operations could be put in order"
    )


def _repeated_keys(seen: Observations) -> dict[int, str]:
    """Keys on which a value, or the initial one, was written more than once: key code -> why."""
    rows = np.flatnonzero(np.isin(seen.kind, (WRITE, CAS)))
    if not len(rows):
        return {}
    pairs = np.sort(seen.key[rows] * len(seen.values) + seen.wrote[rows])
    twice = pairs[1:][pairs[1:] == pairs[:-1]]
    searched = dict.fromkeys(np.unique(twice // len(seen.values)).tolist(), "values written more than once")
    first_again = rows[seen.wrote[rows] == seen.initial]
    searched.update(dict.fromkeys(np.unique(seen.key[first_again]).tolist(), "writes of the initial value"))
    return searched


def _rows_by_key(keys: Integers, rows: Integers, wanted: set[int]) -> dict[int, Integers]:
    """``rows`` split by key, for the keys wanted."""
    rows = rows[np.isin(keys[rows], np.array(sorted(wanted), np.int64))]
    rows = rows[np.argsort(keys[rows], kind="stable")]
    starts = np.flatnonzero(np.diff(keys[rows])) + 1
    return {int(keys[part[0]]): part for part in np.split(rows, starts) if len(part)}


def _free_mismatches(seen: Observations, rows: Integers, searched: dict[int, str]) -> set[int]:
    """Rows of failed cas that ask nothing; keys with others are added to ``searched``."""
    mismatches = rows[seen.kind[rows] == MISMATCH]
    if not len(mismatches):
        return set()
    free = set(mismatches.tolist())
    for key, of_key in _rows_by_key(seen.key, rows, set(seen.key[mismatches].tolist())).items():
        binding = binding_mismatches(seen, of_key)
        if len(binding):
            searched[key] = "failed cas that did not say what they found"
            free.difference_update(binding.tolist())
    return free


def _details(history: History, seen: Observations) -> dict[str, Any]:
    details: dict[str, Any] = {
        "operations": len(history),
        "keys": int(np.count_nonzero(np.bincount(seen.key))) if len(seen.key) else 0,
        "indefinite": int(np.count_nonzero(seen.indefinite & (seen.kind != SKIP))),
    }
    if len(seen.strange):
        details["left_out"] = len(seen.strange)
        names = history.columns.f_names
        details["left_out_functions"] = sorted({names[f] for f in np.unique(history.columns.f[seen.strange]).tolist()})
    return details


def _explain_zones(
    history: History, plain: Observations, seen: Observations, violation: Violation, explain_s: float
) -> Counterexample:
    """The operations that the zones named, made fewer and proved wrong again by the search.

    Where values are not unique to the search (deletes told apart by revision), what the zones say stands unshrunk.
    """
    columns, scale = history.columns, scale_of(history)
    key = columns.keys.objects[violation.key]
    rows = sorted(set(violation.rows) | set(violation.glue))
    small: list[Operation] = []
    minimal = False
    if seen is plain:
        model = CasRegister(history.meta.initial)
        supported = _supported(seen, rows, violation.key)
        small, minimal = shrink([columns.operation(row) for row in supported], model, explain_s)
    operations = small if minimal else [columns.operation(row) for row in rows]
    operations.sort(key=lambda operation: operation.call_ns)
    sentence = describe_violation(violation, columns, scale, key)
    return Counterexample(tuple(operations), sentence, key, violation.at_ns, timeline(operations[:60], scale), minimal)


def _supported(seen: Observations, rows: list[int], key: int) -> list[int]:
    """``rows`` with what makes them count: who wrote what they saw, and who saw what the indefinite ones wrote."""
    of_key = np.flatnonzero((seen.key == key) & np.isin(seen.kind, (READ, WRITE, CAS)))
    producer = {int(seen.wrote[row]): row for row in of_key[seen.wrote[of_key] >= 0].tolist()}
    lookers = of_key[seen.saw[of_key] >= 0]
    lookers = lookers[np.lexsort((seen.return_ns[lookers], seen.indefinite[lookers]))].tolist()
    looker: dict[int, int] = {}
    for row in lookers:
        looker.setdefault(int(seen.saw[row]), row)
    needed, waiting = set(rows), list(rows)
    while waiting and len(needed) < _MOST_SUPPORT:
        row = waiting.pop()
        more = [producer.get(int(seen.saw[row]))]
        if seen.indefinite[row]:
            more.append(looker.get(int(seen.wrote[row])))
        fresh = [other for other in more if other is not None and other not in needed]
        needed.update(fresh)
        waiting += fresh
    return sorted(needed)
