"""Rules written back as lines of text, from which the parser makes the same rules."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

from raftmon.monitor.rules import conditions as m
from raftmon.monitor.rules.actions import kinds
from raftmon.monitor.rules.conditions.messages import WRITE_MESSAGE_ACTION, WRITE_MESSAGE_MATCH
from raftmon.monitor.rules.language.action_words import ACTIONS
from raftmon.monitor.rules.language.condition_words import FLAGS, MATCHES, PROTOCOLS
from raftmon.monitor.rules.language.tokens import NAME
from raftmon.monitor.rules.rule import Rule

__all__ = ["WRITE_ACTION", "WRITE_MATCH", "write_action", "write_match", "write_modifiers", "write_rule"]

_WORDS = frozenset({*MATCHES, *ACTIONS, "and", "or", "not", "probability", "every", "count", "after", "for"})


def _number(value: float, scale: int = 1) -> str:
    """Exactly, without an exponent: what is parsed back is the same float."""
    text = format(Decimal(repr(value)) * scale, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _name(name: str) -> str:
    return name if re.fullmatch(NAME, name, re.ASCII) and name not in _WORDS else f'"{name}"'


def _hosts(names: Iterable[str] | None) -> str:
    return "*" if names is None else ",".join(map(_name, sorted(names)))


def _bytes(data: bytes) -> str:
    special = {10: "\\n", 13: "\\r", 9: "\\t", 34: '\\"', 92: "\\\\"}
    out = "".join(special.get(byte) or (chr(byte) if 32 <= byte < 127 else f"\\x{byte:02x}") for byte in data)
    return f'"{out}"'


def _regex(pattern: bytes) -> str:
    text = pattern.decode("utf-8", "backslashreplace")
    return "/" + re.sub(r"\\.|/", lambda found: "\\/" if found[0] == "/" else found[0], text, flags=re.DOTALL) + "/"


def _links(links: m.Links) -> str:
    return f"{_hosts(links.sources)}{'<->' if links.both else '->'}{_hosts(links.targets)}"


def _end(end: str) -> str:
    return "" if end == "either" else f"{end} "


def _port(port: m.Port) -> str:
    ranges: list[list[int]] = []
    for number in sorted(port.ports):
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    return f"{_end(port.end)}port " + ",".join(str(a) if a == b else f"{a}..{b}" for a, b in ranges)


def _protocol(protocol: m.ProtocolIs) -> str:
    words = {number: word for word, number in PROTOCOLS.items()}
    return words.get(protocol.number) or f"protocol {protocol.number}"


def _nested(part: m.Match) -> str:
    text = write_match(part)
    return f"({text})" if isinstance(part, m.All | m.Any) else text


WRITE_MATCH: dict[type, Callable[[Any], str]] = {
    m.Always: lambda x: "*",
    m.Never: lambda x: "not *",
    m.Links: _links,
    m.Port: _port,
    m.ProtocolIs: _protocol,
    m.Family: lambda x: f"ipv{x.version}",
    m.Flag: lambda x: " and ".join(word for word, mask in FLAGS.items() if x.mask & mask),
    m.Size: lambda x: f"size {x.operator} {x.size}",
    m.PayloadSize: lambda x: f"payload {x.operator} {x.size}",
    m.PayloadHas: lambda x: f"payload has {_bytes(x.needle)}",
    m.PayloadMatches: lambda x: f"payload ~ {_regex(x.pattern)}",
    m.Address: lambda x: f"{_end(x.end)}address {x.network}",
    m.Dialled: lambda x: f"dialled by {_hosts(x.hosts)}",
    m.Age: lambda x: f"age {x.operator} {_number(x.age_ms)}ms",
    m.Fragment: lambda x: "fragment",
    m.Malformed: lambda x: "malformed",
    m.All: lambda x: " and ".join(map(_nested, x.parts)),
    m.Any: lambda x: " or ".join(map(_nested, x.parts)),
    m.Not: lambda x: f"not {_nested(x.part)}",
    **WRITE_MESSAGE_MATCH,
}


def _share(value: float) -> str:
    return f"{_number(value, 100)}%"


def _delay(delay: kinds.Delay) -> str:
    text = f"delay {_number(delay.ms)}ms"
    if delay.jitter_ms:
        text += f" ±{_number(delay.jitter_ms)}ms"
    if delay.distribution != "uniform":
        text += f" {delay.distribution}"
    return text if delay.keep_order else f"{text} unordered"


def _duplicate(duplicate: kinds.Duplicate) -> str:
    text = "duplicate" if duplicate.copies == 1 else f"duplicate {duplicate.copies}"
    return f"{text} gap {_number(duplicate.gap_ms)}ms" if duplicate.gap_ms else text


def _corrupt(corrupt: kinds.Corrupt) -> str:
    text = "corrupt" if corrupt.bits == 1 else f"corrupt {corrupt.bits} bits"
    return f"{text} repaired" if corrupt.repair else text


def _rate(rate: kinds.Rate) -> str:
    default = kinds.Rate(rate.kbit_s)
    text = f"rate {_number(rate.kbit_s)}kbit"
    if rate.queue_bytes != default.queue_bytes:
        text += f" queue {rate.queue_bytes}"
    return text if rate.burst_bytes == default.burst_bytes else f"{text} burst {rate.burst_bytes}"


WRITE_ACTION: dict[type, Callable[[Any], str]] = {
    kinds.Accept: lambda x: "accept",
    kinds.Drop: lambda x: "drop",
    kinds.Reject: lambda x: "reject",
    kinds.Delay: _delay,
    kinds.Loss: lambda x: f"loss {_share(x.probability)}",
    kinds.LossBursts: lambda x: (
        f"loss bursts enter {_share(x.enter)} leave {_share(x.leave)} bad {_share(x.bad)} good {_share(x.good)}"
    ),
    kinds.Duplicate: _duplicate,
    kinds.Reorder: lambda x: f"reorder {_number(x.ms)}ms",
    kinds.Corrupt: _corrupt,
    kinds.Rate: _rate,
    kinds.Replace: lambda x: f"rewrite {_bytes(x.find)} to {_bytes(x.put)}",
    kinds.Mirror: lambda x: "mirror",
    kinds.Unrecorded: lambda x: "unrecorded",
    **WRITE_MESSAGE_ACTION,
}


def write_match(match: m.Match) -> str:
    """A condition as text."""
    return WRITE_MATCH[type(match)](match)


def write_action(action: kinds.Action) -> str:
    """An action as text; one that holds a Python function is named after it and cannot be parsed back."""
    if isinstance(action, kinds.Call | kinds.Rewrite):
        word = "call" if isinstance(action, kinds.Call) else "rewrite"
        return f"{word} {getattr(action.function, '__qualname__', action.function)}"
    return WRITE_ACTION[type(action)](action)


def write_modifiers(rule: Rule) -> str:
    """What stands behind the action, empty where nothing does."""
    words = []
    if rule.probability != 1:
        words.append(_share(rule.probability))
    if rule.every_nth != 1:
        words.append(f"every {rule.every_nth}")
    if rule.count is not None:
        words.append(f"count {rule.count}")
    if rule.after_ms:
        words.append(f"after {_number(rule.after_ms)}ms")
    if rule.for_ms is not None:
        words.append(f"for {_number(rule.for_ms)}ms")
    return " ".join(words)


def write_rule(rule: Rule) -> str:
    """The whole line, the rule's name in front."""
    name = f"{_name(rule.name)}:" if rule.name else ""
    return " ".join(
        part for part in (name, write_match(rule.match), write_action(rule.action), write_modifiers(rule)) if part
    )
