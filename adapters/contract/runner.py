"""Runs the contract's checks one after the other and says how each ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from raftmon.adapters.contract.checks import CHECKS, Check
from raftmon.adapters.contract.context import Broken, Context, Skipped

__all__ = ["CheckResult", "run_contract"]


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One promise: ``kept`` is None if it could not be checked. ``sentence`` says what was wrong, or why not."""

    name: str
    promise: str
    kept: bool | None
    sentence: str = ""

    def __str__(self) -> str:
        word = {True: "kept   ", False: "BROKEN ", None: "skipped"}[self.kept]
        return f"{word}  {self.promise}" + (f"\n         {self.sentence}" if self.sentence else "")


def run_contract(
    context: Context, on_result: Callable[[CheckResult], None] = lambda _: None, checks: Sequence[Check] = CHECKS
) -> list[CheckResult]:
    """Every check, each told to ``on_result`` as it ends. An exception no check expects is a broken promise too."""
    results = []
    for check in checks:
        name = check.__name__
        promise = (check.__doc__ or name).strip()
        try:
            check(context)
            result = CheckResult(name, promise, True)
        except Skipped as reason:
            result = CheckResult(name, promise, None, str(reason))
        except Broken as broken:
            result = CheckResult(name, promise, False, str(broken))
        except Exception as error:
            result = CheckResult(name, promise, False, f"{type(error).__name__}: {error}")
        results.append(result)
        on_result(result)
    return results
