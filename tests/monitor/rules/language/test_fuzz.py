"""Hostile lines harm neither the rule language nor the control socket: a small part of ``make fuzz``."""

from __future__ import annotations

import pytest

from tests.fuzz_rules import fuzz


@pytest.mark.parametrize("through_socket", [False, True])
def test_hostile_lines_are_read_or_refused_and_both_occur(through_socket: bool) -> None:
    totals = fuzz(1000, 7, through_socket=through_socket)
    assert min(totals["read"], totals["refused"]) > 0
    assert totals["read"] + totals["refused"] == 1000
