"""Hostile packets harm nothing (``python -m tests.fuzz_packets`` runs a million)."""

from __future__ import annotations

from tests.fuzz_packets import fuzz


def test_sixty_thousand_hostile_packets_are_all_judged() -> None:
    totals = fuzz(60_000, seed=2)
    assert totals["packets"] == 60_000
    assert min(totals.values()) > 1000  # every kind of outcome was met often
