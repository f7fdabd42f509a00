"""Lose every third packet of each connection, counted in both directions together.

raftmon run --rules examples/rules/lose_every_third.py
"""

from collections import Counter

from raftmon.rules import drop

match = "tcp"
seen = Counter()


def packet(view):
    seen[view.connection] += 1
    if seen[view.connection] % 3 == 0:
        return drop()
