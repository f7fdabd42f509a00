"""Short histories in the values of well-known tests (Jepsen's suites, Knossos, Elle, Maelstrom): no false verdict.

``jepsen_tests.txt`` has them, each under ``== NAME VERDICT``. A line is an operation: ``PROCESS F VALUE -> TYPE VALUE |
MORE``, one after the other; ``+PROCESS F VALUE`` only invokes and ``-PROCESS TYPE F VALUE`` only completes. Nearly all
are right as their own tests judge them: those that raftmon has no checker for must be *unknown*, never *invalid*.
"""

import itertools
import re
from pathlib import Path

import pytest

from raftmon.driver.checkers import check_safely, checkers_for_history, combine
from raftmon.driver.histories.formats import read_history

WRONG = {
    "knossos-mutex-bad",
    "queue-redeliver",
    "bank-neg",
    "bank-nil",
    "counter-wrong",
    "txn-fail-then-seen",
    "bank-wrong",
    "cas-fail-should-have",
    "write-fail-then-read",
    "write-fail-timeout-then-read",
    "queue-ok-nil-while-full",
    "lock-fenced-overlap",
    "append-read-lost",
    "append-str-bad",
    "push-pop-bad",
    "map-register-torn",
}
CLAUSE = re.compile(r"\d+ operations judged, \d+ indefinite, \d+ passed over\)?$")


def _cases():
    text = Path(__file__).with_name("jepsen_tests.txt").read_text()
    for part in text.split("== ")[1:]:
        head, *rows = part.strip().splitlines()
        yield (*head.split(), rows)


def _events(rows):
    clock = itertools.count()

    def event(process, kind, f, value, more=""):
        at = next(clock)
        process = process if process.isdecimal() else f":{process}"
        more = f", {more}" if more else ""
        return f"{{:index {at}, :time {1000 * at}, :type :{kind}, :process {process}, :f :{f}, :value {value}{more}}}"

    for row in rows:
        row, _, more = row.partition(" | ")
        if row[0] == "+":
            process, f, value = (*row[1:].split(" ", 2), "nil")[:3]
            yield event(process, "invoke", f, value)
        elif row[0] == "-":
            process, kind, f, value = (*row[1:].split(" ", 3), "nil")[:4]
            yield event(process, kind, f, value, more)
        else:
            call, _, back = row.partition(" -> ")
            process, f, value = (*call.split(" ", 2), "nil")[:3]
            kind, answer = (*(back or "ok").split(" ", 1), value)[:2]
            yield event(process, "invoke", f, value)
            yield event(process, kind, f, answer, more)


@pytest.mark.parametrize(("name", "verdict", "rows"), list(_cases()))
def test_a_well_known_test_is_judged_rightly(name, verdict, rows, tmp_path):
    path = tmp_path / "history.edn"
    path.write_text("\n".join(_events(rows)))
    history = read_history(path)
    results = [check_safely(one, history) for one in checkers_for_history(history)]
    assert combine(results).value == verdict, [result.sentence for result in results]
    assert verdict != "invalid" or name in WRONG
    assert all(CLAUSE.search(result.sentence) for result in results)
