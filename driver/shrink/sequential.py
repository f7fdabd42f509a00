"""How often must something be tried to know whether it fails often? Wald's sequential probability ratio test.

A. Wald, "Sequential Tests of Statistical Hypotheses", Annals of Mathematical Statistics 16 (1945). Two hypotheses about
the chance of a failure are weighed after every trial; the test ends as soon as one is likely enough.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["Sequential"]


@dataclass(slots=True)
class Sequential:
    """``often`` and ``seldom`` are the two chances of a failure, ``risk`` that of either wrong answer.

    After ``most`` trials without an answer the majority decides.
    """

    often: float = 0.8
    seldom: float = 0.3
    risk: float = 0.1
    most: int = 9
    fails: int = 0
    trials: int = 0

    def add(self, failed: bool) -> bool | None:
        """Count a trial: True once it fails often, False once it does not, None while that is open."""
        self.trials += 1
        self.fails += failed
        return self.answer

    @property
    def answer(self) -> bool | None:
        """What the trials so far come to."""
        passes = self.trials - self.fails
        weight = self.fails * math.log(self.often / self.seldom)
        weight += passes * math.log((1 - self.often) / (1 - self.seldom))
        bound = math.log((1 - self.risk) / self.risk)
        if weight >= bound:
            return True
        if weight <= -bound:
            return False
        return self.fails * 2 > self.trials if self.trials >= self.most else None
