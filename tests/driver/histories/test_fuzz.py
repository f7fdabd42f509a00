"""Hostile files harm no reader: a small part of ``python -m tests.fuzz_histories``."""

from tests.fuzz_histories import fuzz


def test_hostile_files_are_read_or_refused_and_each_kind_occurs():
    totals = fuzz(1500, 7)
    assert min(totals["clean"], totals["problems"], totals["refused"]) > 0
