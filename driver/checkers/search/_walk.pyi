from raftmon.driver.checkers.search.layout import Problem
from raftmon.driver.checkers.search.limits import Limits
from raftmon.driver.checkers.search.walk import Walked

def walk(problem: Problem, limits: Limits) -> Walked: ...
