"""Hostile lines through the rule language and the control socket: ``python -m tests.fuzz_rules --count 1000000``.

The parser raises nothing but InputError, and what it reads it also writes: the written line reads as the same rule. The
socket (``--socket``) answers every line with one line, and never with a failure of its own. Memory is measured at a
tenth and at the end: it must be flat.
"""

from __future__ import annotations

import argparse
import collections
import random
import resource
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from raftmon.monitor.rules.language import parse_rule, write_rule
from raftmon.monitor.rules.language.vocabulary import RESERVED
from raftmon.setup.errors import InputError
from tests.monitor.control.test_operations import NAMES, Served

_WORDS = (
    *sorted(RESERVED),
    *("n1", "n2", "n9", "*", "->", "<->", ",", ":", "(", ")", "10%", "1e400%", "nan", "inf", "-1", "0", "5", "5ms"),
    *(
        "99999999999999999999",
        "1e400ms",
        "3s..5s",
        '"a b"',
        "'",
        '"',
        "\\",
        "\ud800",
        "\u202e",
        "\x00",
        "=",
        "r1:",
        "é",
    ),
)
_GOOD = (
    "n1->n2 drop 10%", "cut: n1<->n2 drop", "* delay 5ms", "n1->n2 duplicate every 3", "* not n1->n2 accept",
    "n1,n2->* drop count 2 after 5s for 3s", "(n1->n2 or n2->n1) drop", "n1->n2 rate 100kbit",
)  # fmt: skip
_OPERATIONS = ("rules", "add", "set", "remove", "heal", "stats", "when", "triggers", "held", "release", "deliver")


def hostile_line(rng: random.Random) -> str:
    """A rule, a rule with something changed, or words in any order."""
    if rng.random() < 0.5:
        return " ".join(rng.choices(_WORDS, k=rng.randrange(12)))
    line = rng.choice(_GOOD)
    for _ in range(rng.randrange(4)):
        at = rng.randrange(len(line) + 1)
        line = line[:at] + rng.choice(("", " ", rng.choice(_WORDS))) + line[at + rng.randrange(3) :]
    return line


def _value(rng: random.Random, depth: int = 0) -> Any:
    kind = rng.randrange(8 if depth < 3 else 6)
    if kind < 2:
        return hostile_line(rng).encode("utf-8", "replace").decode()
    if kind < 6:
        return rng.choice((None, True, 0, -1, 1 << 62, 1e308, "", "r1", "n1"))
    if kind == 6:
        return [_value(rng, depth + 1) for _ in range(rng.randrange(3))]
    names = ("name", "match", "action", "probability", "every", "count", "after_ms", "rule", "trigger")
    return {rng.choice(names): _value(rng, depth + 1) for _ in range(rng.randrange(4))}


def hostile_request(rng: random.Random) -> bytes:
    """One line for the control socket, most often with something wrong in it."""
    fields = ("rule", "rules", "name", "trigger", "count", "message", "to", "author")
    request = {"id": rng.randrange(9), "op": rng.choice(_OPERATIONS)}
    request |= {name: _value(rng) for name in rng.sample(fields, rng.randrange(4))}
    line = bytearray(orjson.dumps(request))
    if rng.random() < 0.3:
        line[rng.randrange(len(line))] = rng.randrange(256)
    return bytes(line).replace(b"\n", b" ") + b"\n"


def _rules(count: int, seed: int) -> Iterator[str]:
    for number in range(count):
        line = hostile_line(random.Random(f"{seed} {number}"))
        try:
            rule = parse_rule(line, NAMES)
            written = write_rule(rule)
            assert write_rule(parse_rule(written, NAMES)) == written
            yield "read"
        except InputError:
            yield "refused"
        except BaseException as error:
            raise AssertionError(f"seed {seed}, line {number}: {line!r}: {type(error).__name__}: {error}") from error


def _requests(count: int, seed: int) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        served = Served(Path(folder) / "s")
        served.log.events = collections.deque(maxlen=10)
        try:
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(30)
                client.connect(str(served.path))
                answers = client.makefile("rb")
                for number in range(count):
                    request = hostile_request(random.Random(f"{seed} {number}"))
                    if not number % 500:  # the rules that were added do not pile up
                        client.sendall(b'{"op": "heal"}\n')
                        answers.readline()
                    client.sendall(request)
                    answer = orjson.loads(answers.readline())
                    failed = answer.get("status") == 70 or "the monitor failed on this" in str(answer.get("error"))
                    assert not failed, f"seed {seed}, request {number}: {request!r}: {answer}"
                    yield "read" if answer["ok"] else "refused"
        finally:
            served.server.close()


def fuzz(count: int, seed: int, *, through_socket: bool = False) -> dict[str, int]:
    """Returns how many inputs were read and refused, and peak memory in KB at a tenth and at the end."""
    totals = {"read": 0, "refused": 0, "early_kb": 0, "peak_kb": 0}
    for number, outcome in enumerate((_requests if through_socket else _rules)(count, seed)):
        totals[outcome] += 1
        if number == count // 10:
            totals["early_kb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    totals["peak_kb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return totals


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="hostile lines through the rule language and the control socket")
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--socket", action="store_true", help="requests over the control socket instead of lines")
    arguments = parser.parse_args()
    began = time.monotonic()
    totals = fuzz(arguments.count, arguments.seed, through_socket=arguments.socket)
    print(totals, f"{time.monotonic() - began:.1f} s")


if __name__ == "__main__":
    main()
