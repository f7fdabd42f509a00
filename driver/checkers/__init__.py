"""Checkers: is there an explanation, under the rules of the system's model, for what the clients saw?

Usable alone, without a cluster and without the rest of raftmon::

    from raftmon.driver.checkers import RegisterChecker, check_safely, read_history

    result = check_safely(RegisterChecker(), read_history("history.jsonl"), timeout_s=60)
    print(result.valid, result.sentence)

    from raftmon.driver.checkers import ILLEGAL, Linearizable, Model   # a model of your own: initial() and step()

``docs/checkers.md`` says what each one asks, ``docs/verdicts.md`` how a verdict comes about.
"""

from __future__ import annotations

from raftmon.driver.checkers.asked_for import checkers_for, checkers_for_history
from raftmon.driver.checkers.assumptions import Assumptions
from raftmon.driver.checkers.base import Checker, Counterexample, Result, Valid, combine
from raftmon.driver.checkers.checkers import CHECKERS, CheckerKind, checker
from raftmon.driver.checkers.register import RegisterChecker
from raftmon.driver.checkers.safe import check_safely
from raftmon.driver.checkers.search.linearizable import Linearizable
from raftmon.driver.checkers.search.model import NondeterministicModel
from raftmon.driver.checkers.search.models import (
    ILLEGAL,
    MODELS,
    CasRegister,
    Counter,
    FifoQueue,
    KeyValue,
    Lock,
    Model,
    MultiRegister,
    Register,
    SetModel,
)
from raftmon.driver.histories.formats import read_history
from raftmon.driver.histories.model import History
from raftmon.driver.histories.operation import Operation, Outcome

__all__ = [
    "CHECKERS",
    "ILLEGAL",
    "MODELS",
    "Assumptions",
    "CasRegister",
    "Checker",
    "CheckerKind",
    "Counter",
    "Counterexample",
    "FifoQueue",
    "History",
    "KeyValue",
    "Linearizable",
    "Lock",
    "Model",
    "MultiRegister",
    "NondeterministicModel",
    "Operation",
    "Outcome",
    "Register",
    "RegisterChecker",
    "Result",
    "SetModel",
    "Valid",
    "check_safely",
    "checker",
    "checkers_for",
    "checkers_for_history",
    "combine",
    "read_history",
]
