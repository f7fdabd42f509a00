"""Anomalies of sets, banks, locks, leases and whole stores."""

from raftmon.driver.checkers.bank import Bank
from raftmon.driver.checkers.lease import Lease
from raftmon.driver.checkers.lock import Lock
from raftmon.driver.checkers.set_full import SetFull
from raftmon.driver.checkers.stores_agree import StoresAgree
from tests.driver.checkers.making import FAIL, op
from tests.driver.checkers.scenarios.scenario import scenario

SETS = [
    scenario(
        "lost",
        "An element was acknowledged, and from some read on it is gone for good.",
        op(0, "add", 1, 0, 1),
        op(1, "read", [1], 2, 3),
        op(1, "read", [], 4, 5),
    ),
    scenario(
        "stale",
        "An acknowledged element was missing in a read, and came back.",
        op(0, "add", 1, 0, 1),
        op(1, "read", [], 2, 3),
        op(1, "read", [1], 4, 5),
    ),
    scenario(
        "never-read",
        "Nobody read after the element was acknowledged: nothing is known of it. No fault in itself.",
        op(1, "read", [], 0, 1),
        op(0, "add", 1, 2, 3),
    ),
    scenario(
        "duplicated", "An element is twice in one read.", op(0, "add", 1, 0, 1), op(1, "read", [1, 1], 2, 3)
    ),
    scenario("unexpected", "An element that nobody added.", op(1, "read", [9], 0, 1)),
    scenario(
        "resurrected",
        "An element whose add certainly failed.",
        op(0, "add", 1, 0, 1, outcome=FAIL),
        op(1, "read", [1], 2, 3),
    ),
    scenario(
        "premature", "An element was read before its add was called.", op(1, "read", [1], 0, 1), op(0, "add", 1, 2, 3),
        op(1, "read", [1], 4, 5),
    ),
]  # fmt: skip

BANKS = [
    scenario("wrong-total", "Money was made or lost.", op(0, "read", {"a": 5, "b": 6}, 0, 1)),
    scenario("negative-balance", "An account is overdrawn.", op(0, "read", {"a": -1, "b": 11}, 0, 1)),
    scenario("nil-balance", "An account has no balance.", op(0, "read", {"a": None, "b": 10}, 0, 1)),
    scenario("missing-account", "An account is not there.", op(0, "read", {"a": 10}, 0, 1)),
    scenario("unexpected-account", "An account that was never opened.", op(0, "read", {"a": 5, "b": 5, "c": 0}, 0, 1)),
    scenario("unreadable", "A read that is no mapping of accounts to numbers.", op(0, "read", "all", 0, 1)),
]

LOCKS = [
    scenario(
        "overlap",
        "Two processes held the lock at one time.",
        op(0, "acquire", None, 0, 1, key="L"),
        op(1, "acquire", None, 2, 3, key="L"),
        op(0, "release", None, 4, 5, key="L"),
        op(1, "release", None, 6, 7, key="L"),
    ),
    scenario(
        "overlap-by-revision",
        "By time it may have been right; by revisions one got its token within the other's hold.",
        op(0, "acquire", 10, 0, 1, key="L"),
        op(0, "release", 20, 2, 5, key="L"),
        op(1, "acquire", 15, 3, 6, key="L"),
        op(1, "release", 22, 7, 8, key="L"),
    ),
    scenario(
        "double-acquire",
        "A process got the lock that it held already.",
        op(0, "acquire", None, 0, 1, key="L"),
        op(0, "acquire", None, 2, 3, key="L"),
        op(0, "release", None, 4, 5, key="L"),
    ),
    scenario(
        "release-without-hold", "A process released what it did not hold.", op(0, "release", None, 0, 1, key="L"),
        op(0, "acquire", None, 2, 3, key="L"), op(0, "release", None, 4, 5, key="L"),
    ),
    scenario(
        "duplicate-token",
        "One fencing token was handed out twice.",
        op(0, "acquire", 10, 0, 1, key="L"),
        op(0, "release", None, 2, 3, key="L"),
        op(1, "acquire", 10, 4, 5, key="L"),
        op(1, "release", None, 6, 7, key="L"),
    ),
    scenario(
        "token-order",
        "A later holder got a lower token: a fence cannot tell them apart.",
        op(0, "acquire", 10, 0, 1, key="L"),
        op(0, "release", None, 2, 3, key="L"),
        op(1, "acquire", 9, 4, 5, key="L"),
        op(1, "release", None, 6, 7, key="L"),
    ),
    scenario(
        "stale-token-accepted",
        "A protected resource took an action with a token lower than one it had seen.",
        op(0, "acquire", 10, 0, 1, key="L"),
        op(0, "release", None, 2, 3, key="L"),
        op(1, "guarded", 12, 4, 5, key="L"),
        op(0, "guarded", 10, 6, 7, key="L"),
    ),
]  # fmt: skip

LEASES = [
    scenario(
        "gone-while-alive",
        "A key was gone while its lease was still promised.",
        op(0, "grant", 10, 0, 1, key="lease"),
        op(0, "attach", 1, 2, 3, key="k", lease="lease"),
        op(1, "read", None, 4, 5, key="k"),
    ),
    scenario(
        "outlives",
        "A key was there long after the last possible end of its lease.",
        op(0, "grant", 1, 0, 1, key="lease"),
        op(0, "attach", 1, 2, 3, key="k", lease="lease"),
        op(1, "read", 1, 7000, 7001, key="k"),
    ),
    scenario(
        "survives-revoke",
        "A key was there after its lease had been revoked.",
        op(0, "grant", 10, 0, 1, key="lease"),
        op(0, "attach", 1, 2, 3, key="k", lease="lease"),
        op(0, "revoke", None, 4, 5, key="lease"),
        op(1, "read", 1, 6, 7, key="k"),
    ),
    scenario(
        "expired-early",
        "The lease was said to be gone while it was still promised.",
        op(0, "grant", 10, 0, 1, key="lease"),
        op(0, "attach", 1, 2, 3, key="k", lease="lease"),
        op(1, "read", 1, 4, 5, key="k"),
        op(0, "keepalive", 0, 6, 7, key="lease"),
    ),
    scenario(
        "alive-after-revoke",
        "A lease was kept alive after it had been revoked.",
        op(0, "grant", 10, 0, 1, key="lease"),
        op(0, "attach", 1, 2, 3, key="k", lease="lease"),
        op(0, "revoke", None, 4, 5, key="lease"),
        op(1, "read", None, 6, 7, key="k"),
        op(0, "keepalive", 10, 8, 9, key="lease"),
    ),
    scenario(
        "resurrected",
        "A key that was gone came back without a write.",
        op(0, "grant", 1, 0, 1, key="lease"),
        op(0, "attach", 1, 2, 3, key="k", lease="lease"),
        op(1, "read", None, 2000, 2001, key="k"),
        op(1, "read", 1, 2002, 2003, key="k"),
    ),
    scenario(
        "duplicate-lease",
        "Two leases of one name.",
        op(0, "grant", 10, 0, 1, key="lease"),
        op(0, "attach", 1, 2, 3, key="k", lease="lease"),
        op(1, "grant", 10, 4, 5, key="lease"),
        op(1, "read", 1, 6, 7, key="k"),
    ),
]


def store(node, call, revision, digest, **more):
    return op(0, "store", {"revision": revision, "hash": digest, **more}, call, call + 1, node=node)


STORES = [
    scenario("hash-differs", "Two nodes hold different stores at one revision.", store("n1", 0, 7, 1),
             store("n2", 2, 7, 2)),
    scenario("hash-changed", "One node's store changed, its revision did not.", store("n1", 0, 7, 1),
             store("n1", 2, 7, 2)),
    scenario("revision-differs", "After healing, the nodes end at different revisions.", store("n1", 0, 7, 1),
             store("n2", 2, 8, 2)),
    scenario("revision-back", "A node's revision went down.", store("n1", 0, 8, 1), store("n1", 2, 7, 2)),
    scenario("compacted-apart", "The hashes cannot be compared: the verdict is unknown.",
             store("n1", 0, 7, 1, compact_revision=3), store("n2", 2, 7, 2, compact_revision=5)),
    scenario("no-answer", "A node never told its hash: the verdict is unknown.", store("n1", 0, 7, 1),
             op(0, "store", None, 2, 3, node="n2", outcome=FAIL)),
    scenario("unreadable", "An answer without revision and hash.", store("n1", 0, 7, 1),
             op(0, "store", "?", 2, 3, node="n1")),
]  # fmt: skip

GROUPS = [
    ("Sets (`set-full`)", SetFull, SETS),
    ("Banks (`bank`)", lambda: Bank(10, ["a", "b"]), BANKS),
    ("Locks (`lock`)", Lock, LOCKS),
    ("Leases (`lease`)", Lease, LEASES),
    ("Whole stores (`stores-agree`)", StoresAgree, STORES),
]
