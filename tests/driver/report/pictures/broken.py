"""A broken history of each kind, each with the checker that says so. ``text`` names keys and nodes."""

from raftmon.driver.checkers.elle.checker import ListAppend
from raftmon.driver.checkers.lease import Lease
from raftmon.driver.checkers.lock import Lock
from raftmon.driver.checkers.set_full import SetFull
from raftmon.driver.checkers.watch import Watch
from tests.driver.checkers.making import history, op

MS = 1_000_000


def lost_element(text="k"):
    """Twenty adds; every read after 12 ms lacks the fourth, the seventh comes back."""
    adds = [op(n % 3, "add", f"{text}{n}", n * MS, n * MS + MS // 2, key=text, node=text) for n in range(20)]
    reads = []
    for n in range(1, 21):
        seen = [f"{text}{m}" for m in range(n) if not (m == 3 and n > 12) and not (m == 6 and 9 < n < 14)]
        reads.append(op(4, "read", seen, n * MS - MS // 4, n * MS, key=text, node=text))
    return history(*adds, *reads), SetFull()


def skipped_watch(text="k"):
    """Two watches; the second was never told of revision 14."""

    def responses(skip):
        return [
            {
                "revision": n,
                "time_ns": n * MS + MS // 2,
                "events": [{"type": "put", "key": text, "value": f"{text}{n}", "revision": n}],
            }
            for n in range(2, 22)
            if n != skip
        ]

    writes = [
        op(0, "write", f"{text}{n}", n * MS, n * MS + 1000, key=text, node=text, revision=n) for n in range(2, 22)
    ]
    sessions = [
        op(1 + n, "watch", responses(skip), MS, 25 * MS, node=text, start_revision=2, prev_kv=False)
        for n, skip in enumerate((None, 14))
    ]
    return history(*writes, *sessions), Watch()


def two_holders(text="k"):
    """Process 2 gets the lock while process 1 holds it."""
    held = [(0, 0, 10), (1, 12, 30), (2, 22, 40), (0, 42, 50)]
    operations = []
    for number, (process, start, stop) in enumerate(held):
        acquire = op(
            process, "acquire", number + 1, (start - 2) * MS + 3 * MS, start * MS + 3 * MS, key=text, node=text
        )
        operations.append(acquire)
        operations.append(
            op(process, "release", None, stop * MS + 3 * MS, (stop + 1) * MS + 3 * MS, key=text, node=text)
        )
    return history(*operations), Lock()


def early_end(text="k"):
    """A lease of 10 s, kept alive at 4 s; its key is gone at 8 s."""
    second = 1000 * MS
    return history(
        op(0, "grant", 10, 0, MS, key=text, node=text),
        op(0, "attach", "v", 2 * MS, 3 * MS, key=f"{text}/x", node=text, lease=text),
        op(1, "read", "v", second, second + MS, key=f"{text}/x", node=text),
        op(0, "keepalive", 10, 4 * second, 4 * second + MS, key=text, node=text),
        op(1, "read", None, 8 * second, 8 * second + MS, key=f"{text}/x", node=text),
    ), Lease()


def skewed_transactions(text="k"):
    """Write skew: each of two transactions misses the other's append."""
    return history(
        op(0, "txn", [["append", text, 1], ["append", f"{text}2", 1]], 0, MS),
        op(1, "txn", [["r", text, [1]], ["append", f"{text}2", 2]], 2 * MS, 5 * MS),
        op(2, "txn", [["r", f"{text}2", [1]], ["append", text, 2]], 3 * MS, 6 * MS),
        op(3, "txn", [["r", text, [1, 2]], ["r", f"{text}2", [1, 2]]], 7 * MS, 8 * MS),
    ), ListAppend()


BROKEN = {
    "sets": lost_element,
    "watches": skipped_watch,
    "locks": two_holders,
    "leases": early_end,
    "transactions": skewed_transactions,
}
