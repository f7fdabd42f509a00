"""From single rounds to medians, spreads, ratios and a table."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

Numbers = Mapping[str, Any]


def medians(rounds: Sequence[Numbers]) -> dict[str, Any]:
    """The same shape, with median, least and greatest in the place of each number."""
    found: dict[str, Any] = {}
    for key, value in rounds[0].items():
        values = [one[key] for one in rounds]
        if isinstance(value, Mapping):
            found[key] = medians(values)
        else:
            found[key] = {"median": statistics.median(values), "least": min(values), "greatest": max(values)}
    return found


def ratios(rounds: Mapping[str, Sequence[Numbers]]) -> dict[str, float | None]:
    """The figures that must hold: each a median over the rounds of the ratio inside one round."""

    def over_rounds(make: Any) -> float | None:
        found = []
        for number in range(len(next(iter(rounds.values())))):
            try:
                found.append(make({key: all_rounds[number] for key, all_rounds in rounds.items()}))
            except (KeyError, ZeroDivisionError):
                return None
        return round(statistics.median(found), 3)

    def added(one: Numbers, key: str, size: int = 100) -> float:
        name = f"rtt_{size}_us"
        return float(one[key][name]["p50"] - one["a_no_queue"][name]["p50"])

    c, d, e = "c_raftmon", "d_raftmon_1000_rules_elsewhere", "e_raftmon_10_rules_here"
    return {
        "rtt_added_c_loop_us": over_rounds(lambda one: added(one, "b_c_loop")),
        "rtt_added_raftmon_us": over_rounds(lambda one: added(one, c)),
        "rtt_added_vs_c": over_rounds(lambda one: added(one, c) / added(one, "b_c_loop")),
        "rtt_added_vs_c_1400": over_rounds(lambda one: added(one, c, 1400) / added(one, "b_c_loop", 1400)),
        "rtt_added_vs_scapy": over_rounds(lambda one: added(one, "f_scapy_loop") / added(one, c)),
        "rules_other_links_cost": over_rounds(
            lambda one: one[d]["rtt_100_us"]["p50"] / one[c]["rtt_100_us"]["p50"] - 1
        ),
        "rules_this_link_added_us": over_rounds(lambda one: one[e]["rtt_100_us"]["p50"] - one[c]["rtt_100_us"]["p50"]),
        "bulk_vs_c": over_rounds(
            lambda one: one[c]["bulk"]["packets_per_s"] / one["b_c_loop"]["bulk"]["packets_per_s"]
        ),
        "etcd_throughput_ratio": over_rounds(
            lambda one: one[c]["etcd"]["clients_8"]["puts_per_s"] / one["a_no_queue"]["etcd"]["clients_8"]["puts_per_s"]
        ),
        "etcd_throughput_ratio_1_client": over_rounds(
            lambda one: one[c]["etcd"]["clients_1"]["puts_per_s"] / one["a_no_queue"]["etcd"]["clients_1"]["puts_per_s"]
        ),
    }


def _columns(found: Numbers) -> Iterator[str]:
    def median(*path: str, digits: int = 1) -> str:
        at: Any = found
        for key in path:
            if key not in at:
                return ""
            at = at[key]
        spread = max(at["greatest"] - at["median"], at["median"] - at["least"])
        return f"{at['median']:.{digits}f} ±{spread:.{digits}f}"

    for size in ("rtt_100_us", "rtt_1400_us"):
        for part in ("p50", "p99", "max"):
            yield median(size, part)
    yield median("bulk", "mb_per_s", digits=0)
    yield median("bulk", "packets_per_s", digits=0)
    for clients in ("clients_1", "clients_8"):
        yield median("etcd", clients, "puts_per_s", digits=0)
        yield median("etcd", clients, "p99_ms")


def show(result: Mapping[str, Any], words: Mapping[str, str]) -> None:
    """Print the table and the ratios."""
    table = Table(title="median over rounds, ± the farthest round")
    table.add_column("variant")
    heads = ["100 B RTT us p50", "p99", "max", "1,400 B p50", "p99", "max", "bulk MB/s", "packets/s"]
    heads += ["puts/s, 1 client", "p99 ms", "puts/s, 8 clients", "p99 ms"]
    for head in heads:
        table.add_column(head, justify="right")
    for key, found in result["variants"].items():
        table.add_row(words[key], *_columns(found))
    console = Console(width=200)
    console.print(table)
    for name, value in result["ratios"].items():
        console.print(f"{name}: {value}")
