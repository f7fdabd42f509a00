"""Makes docs/anomalies.md of the examples: python -m tests.driver.checkers.scenarios.document > docs/anomalies.md."""

from raftmon.driver.histories.bars import draw_timeline
from tests.driver.checkers.scenarios import stores, streams, transactions

GROUPS = [*transactions.GROUPS, *stores.GROUPS, *streams.GROUPS]
HEAD = """# Anomalies

What each name means, with an example of at most five operations. One line is one operation: its process, a bar from
its call to its return, and what it did. What stands further right happened later; bars that overlap ran at one time.
This file is made from the tests (`tests/driver/checkers/scenarios`), which check that each example is found under its
name.

Transactions: `append x 1` appends, `r x [1 2]` read a list, `nil` is null. Names and meanings follow Adya (1999) and
Elle (Kingsbury and Alvaro, 2020); `-process` and `-realtime` mean that the cycle also needs the order in which one
process ran its transactions, or that one returned before the other was called.
"""


def document():
    parts = [HEAD]
    for group, _, scenarios in GROUPS:
        parts.append(f"\n## {group}\n")
        for one in scenarios:
            if one.facts.get("quiet"):
                continue
            others = one.names - {one.title}
            also = f" Also found here: {', '.join(sorted(others))}." if others else ""
            note = f" {one.note}" if one.note else ""
            picture = "\n".join(f"    {line}" for line in draw_timeline(one.operations).splitlines())
            parts.append(f"\n### {one.title}\n\n{one.text}{note}{also}\n\n{picture}\n")
    return "".join(parts)


if __name__ == "__main__":
    print(document(), end="")
