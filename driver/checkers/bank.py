"""Transfers between accounts: every read must show the whole of the money, and no account below zero.

After Jepsen's ``bank``. Operations: ``f="transfer"``, ``value`` ``{"from": a, "to": b, "amount": n}``; ``f="read"``,
``value`` ``{account: balance}`` of all accounts, read in one transaction (or a list of the balances of accounts 0, 1,
…, as older tests of Jepsen have it).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from raftmon.driver.checkers.base import ONLY_IF, Result
from raftmon.driver.checkers.findings import Findings
from raftmon.driver.histories.model import History
from raftmon.driver.histories.operation import Operation, Outcome

__all__ = ["Bank"]


class Bank:
    """Names: *wrong-total*, *negative-balance* (unless ``negative_allowed``), *nil-balance*, *missing-account*,
    *unexpected-account*, *unreadable* (a read that is no mapping of accounts to numbers).

    ``total`` and ``accounts`` are what the bank was opened with. Where they are not given, the first complete read
    (in order of return) is believed; a wrong total is then still found, but which read is wrong may be told the other
    way round. ``details``: ``anomalies``, ``examples``, ``total``, ``accounts``, ``reads``.
    """

    stops_by_itself = True

    name = "bank"

    def __init__(
        self, total: int | None = None, accounts: Iterable[Any] | None = None, *, negative_allowed: bool = False
    ) -> None:
        self._total = total
        self._accounts = None if accounts is None else {str(account) for account in accounts}
        self._negative_allowed = negative_allowed

    def check(self, history: History) -> Result:
        """Judge every read of the history."""
        found = Findings()
        reads = [o for o in history.operations if o.f == "read" and o.outcome is Outcome.OK]
        reads.sort(key=lambda operation: operation.return_ns or operation.call_ns)
        balances = [(operation, _balances(operation, found)) for operation in reads]
        accounts, total = self._accounts, self._total
        if accounts is None:
            often = Counter(frozenset(shown) for _, shown in balances if shown is not None)
            accounts = set(often.most_common(1)[0][0]) if often else set()
        for operation, shown in balances:
            if shown is None or not _complete(operation, shown, accounts, found):
                continue
            amount = sum(shown.values())
            if total is None:
                total = amount
            elif amount != total:
                sentence = f"the accounts {_text(shown)} hold {amount} together, not {total}"
                found.add("wrong-total", sentence, [operation], total=amount)
            below = {account: balance for account, balance in shown.items() if balance < 0}
            if below and not self._negative_allowed:
                found.add("negative-balance", f"overdrawn: {_text(below)}", [operation])
        result = found.result(
            self.name,
            good=f"each of {len(reads)} reads shows the whole of {total}",
            details={"total": total, "accounts": sorted(accounts), "reads": len(reads)},
            unknown=None if reads else "no read succeeded, so nobody knows what the accounts held",
        )
        wandering = found.counts.keys() <= {"missing-account", "unexpected-account"}
        if found.counts and wandering and self._accounts is None and _one_total(balances):
            result.details[ONLY_IF] = (
                "accounts come and go from read to read, and every read shows the same total: if transfers open and "
                "close accounts that is right, if not name the checker (--checker bank)"
            )
        return result


def _one_total(balances: Iterable[tuple[Operation, Mapping[str, Any] | None]]) -> bool:
    shown = [found.values() for _, found in balances if found is not None]
    return all(None not in values for values in shown) and len({sum(values) for values in shown}) == 1


def _text(balances: Mapping[str, Any]) -> str:
    return ", ".join(f"{account}={balance}" for account, balance in sorted(balances.items()))


def _balances(operation: Operation, found: Findings) -> dict[str, Any] | None:
    value = operation.value
    if isinstance(value, list | tuple):
        value = dict(enumerate(value))
    numbers = isinstance(value, Mapping) and all(
        balance is None or (isinstance(balance, (int, float)) and not isinstance(balance, bool))
        for balance in value.values()
    )
    if not numbers:
        found.add(
            "unreadable", f"a read gave {operation.value!r}, which is no mapping of accounts to numbers", [operation]
        )
        return None
    return {str(account): balance for account, balance in value.items()}


def _complete(operation: Operation, shown: dict[str, Any], accounts: set[str], found: Findings) -> bool:
    """Whether all accounts are there, each with a number; says so where not."""
    missing, more = accounts - shown.keys(), shown.keys() - accounts
    empty = sorted(account for account, balance in shown.items() if balance is None)
    if missing:
        found.add("missing-account", f"a read lacks {', '.join(sorted(missing))}", [operation])
    if more:
        found.add("unexpected-account", f"a read shows {', '.join(sorted(more))}, never opened", [operation])
    if empty:
        found.add("nil-balance", f"a read shows no balance for {', '.join(empty)}", [operation])
    return not (missing or more or empty)
