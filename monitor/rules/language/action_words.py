"""The words of the rule language that say what to do with packets: one row a word."""

from __future__ import annotations

from typing import Any

from raftmon.monitor.rules.actions import kinds
from raftmon.monitor.rules.language.cursor import Cursor
from raftmon.monitor.rules.language.spelling import host, literal, number, share
from raftmon.monitor.rules.language.word import Word

__all__ = ["PACKET_ACTIONS"]


def _delay(cursor: Cursor, _word: str) -> kinds.Action:
    options: dict[str, Any] = {"ms": cursor.time_ms()}
    if cursor.accept("±", "+-"):
        options["jitter_ms"] = cursor.time_ms()
    if cursor.at("uniform", "normal", "pareto"):
        options["distribution"] = cursor.take().text
    if cursor.accept("unordered"):
        options["keep_order"] = False
    return kinds.Delay(**options)


def _loss(cursor: Cursor, _word: str) -> kinds.Action:
    if not cursor.accept("bursts"):
        return kinds.Loss(cursor.share())
    options: dict[str, float] = {}
    for word in ("enter", "leave"):
        cursor.expect_text(word)
        options[word] = cursor.share()
    for word in ("bad", "good"):
        if cursor.accept(word):
            options[word] = cursor.share()
    return kinds.LossBursts(**options)


def _duplicate(cursor: Cursor, _word: str) -> kinds.Action:
    copies = cursor.whole("a number of copies", 1, 100) if cursor.at_number("") else 1
    return kinds.Duplicate(copies, cursor.time_ms() if cursor.accept("gap") else 0.0)


def _corrupt(cursor: Cursor, _word: str) -> kinds.Action:
    bits = 1
    if cursor.at_number(""):
        bits = cursor.whole("a number of bits", 1, 1000)
        cursor.expect_text("bits", "bit")
    return kinds.Corrupt(bits, cursor.accept("repaired"))


def _rate(cursor: Cursor, _word: str) -> kinds.Action:
    options: dict[str, Any] = {"kbit_s": cursor.kbit_s()}
    if cursor.accept("queue"):
        options["queue_bytes"] = cursor.byte_count()
    if cursor.accept("burst"):
        options["burst_bytes"] = cursor.byte_count()
    return kinds.Rate(**options)


def _rewrite(cursor: Cursor, _word: str) -> kinds.Action:
    find = cursor.literal()
    cursor.expect_text("to")
    return kinds.Replace(find, cursor.literal())


def _node(cursor: Cursor) -> str:
    if cursor.at("source", "target"):
        return cursor.take().text
    token, names = cursor.here, cursor.hosts()
    if names is None or len(names) != 1:
        cursor.fail("expected one node, source, target, leader or follower", token)
    return next(iter(names))


def _pause(cursor: Cursor, _word: str) -> kinds.Action:
    node = _node(cursor)
    return kinds.Pause(node, cursor.time_ms() if cursor.here.kind == "number" and cursor.here.unit != "%" else None)


def _write_delay(delay: kinds.Delay) -> str:
    text = f"delay {number(delay.ms)}ms"
    if delay.jitter_ms:
        text += f" ±{number(delay.jitter_ms)}ms"
    if delay.distribution != "uniform":
        text += f" {delay.distribution}"
    return text if delay.keep_order else f"{text} unordered"


def _write_duplicate(duplicate: kinds.Duplicate) -> str:
    text = "duplicate" if duplicate.copies == 1 else f"duplicate {duplicate.copies}"
    return f"{text} gap {number(duplicate.gap_ms)}ms" if duplicate.gap_ms else text


def _write_corrupt(corrupt: kinds.Corrupt) -> str:
    text = "corrupt" if corrupt.bits == 1 else f"corrupt {corrupt.bits} bits"
    return f"{text} repaired" if corrupt.repair else text


def _write_rate(rate: kinds.Rate) -> str:
    default = kinds.Rate(rate.kbit_s)
    text = f"rate {number(rate.kbit_s)}kbit"
    if rate.queue_bytes != default.queue_bytes:
        text += f" queue {rate.queue_bytes}"
    return text if rate.burst_bytes == default.burst_bytes else f"{text} burst {rate.burst_bytes}"


def _write_node(node: str) -> str:
    return node if node in ("source", "target") else host(node)


def _constant(word: str, kind: type[kinds.Action], help: str) -> Word[kinds.Action]:
    """A word without parameters."""
    return Word((word,), word, help, lambda _cursor, _word: kind(), {kind: lambda _action: word})


PACKET_ACTIONS: tuple[Word[kinds.Action], ...] = (
    _constant("accept", kinds.Accept, "accepts the packet; later rules are not evaluated"),
    _constant("drop", kinds.Drop, "drops the packet"),
    _constant("reject", kinds.Reject, "drops it and answers with a TCP reset or an ICMP error"),
    Word(
        ("delay",),
        "delay 50ms [±10ms] [normal|pareto] [unordered]",
        "delays it; ± adds jitter, unordered allows overtaking",
        _delay,
        {kinds.Delay: _write_delay},
        {"delay": kinds.Delay},
    ),
    Word(
        ("loss",),
        "loss 10% | loss bursts enter 1% leave 30%",
        "drops at random, independently or in bursts (Gilbert)",
        _loss,
        {
            kinds.Loss: lambda x: f"loss {share(x.probability)}",
            kinds.LossBursts: lambda x: (
                f"loss bursts enter {share(x.enter)} leave {share(x.leave)} bad {share(x.bad)} good {share(x.good)}"
            ),
        },
        {"loss": kinds.Loss, "loss bursts": kinds.LossBursts},
    ),
    Word(
        ("duplicate",),
        "duplicate [3] [gap 5ms]",
        "sends it twice, or 3 more times",
        _duplicate,
        {kinds.Duplicate: _write_duplicate},
        {"duplicate": kinds.Duplicate},
    ),
    Word(
        ("reorder",),
        "reorder 10ms",
        "holds it so that later packets overtake it",
        lambda cursor, _word: kinds.Reorder(cursor.time_ms()),
        {kinds.Reorder: lambda x: f"reorder {number(x.ms)}ms"},
        {"reorder": kinds.Reorder},
    ),
    Word(
        ("corrupt",),
        "corrupt [3 bits] [repaired]",
        "flips bits; repaired fixes the checksum afterwards",
        _corrupt,
        {kinds.Corrupt: _write_corrupt},
        {"corrupt": kinds.Corrupt},
    ),
    Word(
        ("rate",),
        "rate 512kbit [queue 128kB] [burst 10kB]",
        "limits the bit rate of each link (token bucket)",
        _rate,
        {kinds.Rate: _write_rate},
        {"rate": kinds.Rate},
    ),
    Word(
        ("rewrite",),
        'rewrite "old" to "new"',
        "replaces bytes of the payload",
        _rewrite,
        {kinds.Replace: lambda x: f"rewrite {literal(x.find)} to {literal(x.put)}"},
    ),
    Word(
        ("kill",),
        "kill n3, kill source, kill leader",
        "kills a node at once (SIGKILL), the first time it matches; what matched passes",
        lambda cursor, _word: kinds.Kill(_node(cursor)),
        {kinds.Kill: lambda x: f"kill {_write_node(x.node)}"},
    ),
    Word(
        ("pause",),
        "pause n3 [2s]",
        "stops a node at once (SIGSTOP), the first time it matches, and resumes it after a time",
        _pause,
        {kinds.Pause: lambda x: f"pause {_write_node(x.node)}" + ("" if x.ms is None else f" {number(x.ms)}ms")},
    ),
    _constant("mirror", kinds.Mirror, "records it even if another rule is unrecorded"),
    _constant("unrecorded", kinds.Unrecorded, "does not record it in packets.pcapng"),
)
