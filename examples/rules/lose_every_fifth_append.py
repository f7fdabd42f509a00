"""Lose every fifth append that carries entries to each follower, whoever leads; the streams stay whole (etcd only).

raftmon run --rules examples/rules/lose_every_fifth_append.py
"""

from collections import Counter

from raftmon.rules import drop

match = "MsgApp"
seen = Counter()


def message(view):
    if view.entries:
        seen[view.target] += 1
        if seen[view.target] % 5 == 0:
            return drop()
