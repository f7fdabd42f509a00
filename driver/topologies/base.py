"""What a topology comes to: hosts, and how good the link from each to each is. Pure data, realised by link rules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from raftmon.setup.errors import InputError
from raftmon.setup.topology import Link, Topology

__all__ = ["PERFECT", "Placement", "Quality", "link_rules"]

MAX_LATENCY_MS = 60_000.0


@dataclass(frozen=True, slots=True)
class Quality:
    """One direction of a link: one-way latency and jitter (± uniform) in ms, loss in %, rate in kbit/s.

    ``rate_kbit_s`` None is without limit. Raises InputError for a value that no link can have.
    """

    latency_ms: float = 0.0
    jitter_ms: float = 0.0
    loss_percent: float = 0.0
    rate_kbit_s: float | None = None

    def __post_init__(self) -> None:
        for name, value, most in (
            ("latency", self.latency_ms, MAX_LATENCY_MS),
            ("jitter", self.jitter_ms, MAX_LATENCY_MS),
            ("loss", self.loss_percent, 100.0),
        ):
            if not 0 <= value <= most:
                raise InputError(f"a link's {name} is {value:g}: give 0 to {most:g} ({'%' if most == 100 else 'ms'})")
        if self.jitter_ms > self.latency_ms:
            raise InputError(
                f"a link's jitter is {self.jitter_ms:g} ms and its latency {self.latency_ms:g} ms: "
                "no packet can arrive before it was sent"
            )
        if self.rate_kbit_s is not None and self.rate_kbit_s <= 0:
            raise InputError(f"a link's rate is {self.rate_kbit_s:g} kbit/s: give more than 0")

    @property
    def perfect(self) -> bool:
        """Whether nothing has to be done for it."""
        return self == PERFECT

    def actions(self) -> list[tuple[str, str]]:
        """(word for a rule's name, action of the rule language) in the order a packet meets them."""
        found = []
        if self.loss_percent:
            found.append(("loss", f"loss {_number(self.loss_percent)}%"))
        if self.rate_kbit_s is not None:
            found.append(("rate", f"rate {_number(self.rate_kbit_s)}kbit"))
        if self.latency_ms:
            jitter = f" ±{_number(self.jitter_ms)}ms" if self.jitter_ms else ""
            found.append(("latency", f"delay {_number(self.latency_ms)}ms{jitter}"))
        return found


PERFECT = Quality()


def _number(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".")


@dataclass(frozen=True, slots=True)
class Placement:
    """A topology with the quality of its links and, if it has sites, the site of each host.

    ``rules`` are one-line rules for the monitor. ``client_traffic`` says that clients' links have a quality too, so
    that their packets have to go through the queue.
    """

    topology: Topology
    rules: tuple[str, ...] = ()
    client_traffic: bool = False
    sites: Mapping[str, str] = field(default_factory=dict)


def link_rules(topology: Topology, qualities: Mapping[Link, Quality]) -> tuple[tuple[str, ...], bool]:
    """(rules, whether clients' links are among them) for all links that are not perfect.

    Links of the same quality share a rule; each link keeps its own state in it (buckets, order).
    """
    clients = {host.name for host in topology.clients}
    alike: dict[tuple[str, str], list[Link]] = {}
    for link, quality in qualities.items():
        for action in quality.actions():
            alike.setdefault(action, []).append(link)
    rules = []
    for number, (named, links) in enumerate(sorted(alike.items()), 1):
        rules.append(f"{named[0]}-{number}: {_joined(links)} {named[1]}")
    touched = {end for links in alike.values() for link in links for end in (link.source, link.target)}
    return tuple(rules), bool(touched & clients)


def _joined(links: Iterable[Link]) -> str:
    """``n1->n2,n3 or n2->n1`` for the links, sorted: targets of one source together."""
    targets: dict[str, list[str]] = {}
    for link in sorted(links, key=str):
        targets.setdefault(link.source, []).append(link.target)
    return " or ".join(f"{source}->{','.join(ends)}" for source, ends in targets.items())
