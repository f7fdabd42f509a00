"""Checkers: is there an explanation, under the rules of the system's model, for what the clients saw?

Usable alone, without a cluster and without the rest of raftmon::

    from driver.checkers import RegisterChecker, check_safely, read_history

    result = check_safely(RegisterChecker(), read_history("history.jsonl"), timeout_s=60)
    print(result.valid, result.sentence)

    from driver.checkers import ILLEGAL, Linearizable, Model   # a model of your own: initial() and step()

``docs/checkers.md`` says what each one asks, ``docs/verdicts.md`` how a verdict comes about.
"""

from __future__ import annotations

from driver.checkers.assumptions import Assumptions
from driver.checkers.base import Checker, Counterexample, Result, Valid, combine
from driver.checkers.models import (
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
from driver.checkers.register import RegisterChecker
from driver.checkers.registry import CHECKERS, checker, checkers_for, checkers_for_history
from driver.checkers.safe import check_safely
from driver.checkers.wing_gong import Linearizable
from driver.histories import read_history
from driver.histories.model import History
from driver.history import Operation, Outcome

__all__ = [
    "CHECKERS",
    "ILLEGAL",
    "MODELS",
    "Assumptions",
    "CasRegister",
    "Checker",
    "Counter",
    "Counterexample",
    "FifoQueue",
    "History",
    "KeyValue",
    "Linearizable",
    "Lock",
    "Model",
    "MultiRegister",
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
