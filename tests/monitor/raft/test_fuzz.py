"""Broken packets break nothing: a small part of ``python -m tests.fuzz_raft``."""

from __future__ import annotations

import pytest

from tests.fuzz_raft import fuzz


@pytest.mark.parametrize("seed", [1, 2])
def test_mutated_packets_raise_nothing_and_hold_little(seed: int) -> None:
    totals = fuzz(3_000, seed)
    assert totals["mutated"] > 50
    assert totals["messages"] > 100
