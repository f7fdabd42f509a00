"""Long forks against trying every order of the writes."""

import itertools
import random

from raftmon.driver.checkers.long_fork import LongFork
from tests.driver.checkers.making import history, op


def write(key, at):
    return op(0, "txn", [["w", key, 1]], at, at + 1)


def in_one_order(keys, reads):
    """Whether every read shows the first few writes of some one order."""
    for order in itertools.permutations(keys):
        place = {key: number for number, key in enumerate(order)}
        if all(place[a] < place[b] for read in reads for a in read for b in read if read[a] and not read[b]):
            return True
    return False


def test_the_verdict_is_that_of_every_order_on_10_000_histories():
    rng, verdicts = random.Random(1), [0, 0]
    for _ in range(10_000):
        keys = "abcd"[: rng.randint(2, 4)]
        order = rng.sample(keys, len(keys))
        reads = []
        for _ in range(rng.randint(1, 5)):
            cut, chosen = rng.randint(0, len(keys)), rng.sample(keys, rng.randint(1, len(keys)))
            reads.append({key: order.index(key) < cut for key in chosen})
            if rng.random() < 0.15:
                key = rng.choice(chosen)
                reads[-1][key] = not reads[-1][key]
        operations = [write(key, number) for number, key in enumerate(keys)]
        for number, read in enumerate(reads):
            parts = [["r", key, 1 if there else None] for key, there in read.items()]
            operations.append(op(1 + number, "txn", parts, 10, 20))
        right = in_one_order(keys, reads)
        verdicts[right] += 1
        assert LongFork().check(history(*operations)).valid.value == ("valid" if right else "invalid")
    assert min(verdicts) > 300


def test_two_reads_that_disagree_are_named_with_their_keys():
    result = LongFork().check(
        history(
            write("x", 0),
            write("y", 0),
            op(1, "txn", [["r", "x", 1], ["r", "y", None]], 10, 20),
            op(2, "txn", [["r", "x", None], ["r", "y", 1]], 10, 20),
        )
    )
    assert result.valid.value == "invalid"
    assert "'x'" in result.sentence
    assert len(result.counterexample.operations) == 2


def test_a_value_that_nobody_wrote_is_found():
    assert LongFork().check(history(op(1, "txn", [["r", "x", 5]], 0, 1))).valid.value == "invalid"


def test_a_key_written_twice_is_unknown():
    assert LongFork().check(history(write("x", 0), write("x", 3))).valid.value == "unknown"
