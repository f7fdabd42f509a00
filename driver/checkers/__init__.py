"""Checkers: is there an explanation, under the rules of the system's model, for what the clients saw?"""

from __future__ import annotations

from driver.checkers.base import Checker, Counterexample, Result, Valid, combine
from driver.histories.model import History

__all__ = ["Checker", "Counterexample", "History", "Result", "Valid", "combine"]
