"""No run of a Raft that keeps to the rules breaks one, whatever the network does; each that does not is caught."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raftmon.monitor.raft.conformance.checker import ConformanceChecker
from raftmon.monitor.raft.invariants import InvariantChecker
from tests.monitor.raft.conformance.raft_model import WRONG, Model


def broken(seed: int, steps: int, wrong: str = "") -> set[str]:
    conformance, invariants = ConformanceChecker(), InvariantChecker()
    for sent in Model(Random(seed), wrong).run(steps):
        conformance.feed(sent)
        invariants.feed(sent)
    return {one.invariant for one in (*conformance.violations, *invariants.violations)}


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32))
def test_silence_over_random_runs_of_a_correct_raft(seed: int) -> None:
    assert broken(seed, 800) == set()


CAUGHT_BY = {
    "forgets": "term_remembered",
    "commits any term": "commit_own_term",
    "votes for any log": "vote_log",
    "votes again": "one_vote",
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_raft_that_breaks_a_rule_is_caught_within_a_few_runs(wrong: str) -> None:
    found: set[str] = set()
    for seed in range(20):
        found |= broken(seed, 1500, wrong)
        if CAUGHT_BY[wrong] in found:
            return
    pytest.fail(f"20 runs that broke {CAUGHT_BY[wrong]} showed only {found}")
