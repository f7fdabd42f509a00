"""The quick way to read a line says what the whole reader says."""

import contextlib
import random

import pytest

from raftmon.driver.histories.edn import EdnError, forms
from raftmon.driver.histories.jepsen import _flat_map, read_edn, read_text_log

PIECES = [
    ":type", ":f", " ", ", ", "nil", "1", "-23", ":a", '"x y"', "[1 2]", "[nil 4]", "[1, nil]", "[]", "{", "}", "#",
    "\\", "1.5", "true", ";", "[[1]]", '"a\\"b"', "12N", "nilx", "[12a]",
]  # fmt: skip


def line(rng):
    if rng.random() < 0.5:
        return "{" + "".join(rng.choice(PIECES) for _ in range(rng.randint(1, 6))) + "}"
    pairs = (
        f":{rng.choice('abc')} {rng.choice(PIECES)}{rng.choice([' ', ', ', ''])}" for _ in range(rng.randint(0, 3))
    )
    return "{" + "".join(pairs) + "}"


@pytest.mark.parametrize("seed", range(4))
def test_what_the_quick_way_reads_the_whole_reader_reads_alike(seed):
    rng = random.Random(seed)
    read = 0
    for _ in range(10_000):
        text = line(rng)
        quick = _flat_map(text)
        if quick is not None:
            read += 1
            assert [value for _, value in forms(text)] == [quick]
    assert read > 1000


@pytest.mark.parametrize("seed", range(4))
def test_no_text_makes_the_readers_raise(seed):
    rng = random.Random(seed)
    for _ in range(500):
        text = "\n".join(line(rng) for _ in range(rng.randint(0, 4)))
        for read in (read_edn, read_text_log):
            assert len(read(text.encode() if read is read_edn else text)) >= 0
        with contextlib.suppress(EdnError):
            assert all(0 <= position <= len(text) for position, _ in forms(text))
